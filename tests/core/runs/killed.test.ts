// Runs killed again and again, each time resumed, end in the same model to the last byte as runs that nobody touched.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { startRun } from '#core/runs/start.ts';
import { createRandom } from '#core/random.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import {
  addTrainedReward,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  runFile,
  temporaryProjects,
  timeless,
} from '#tests/core/recipes/tiny-project.ts';

const STEPS = { steps_a_run: 1, checkpoint_every: 1 };
const RUNS: Partial<Record<RecipeName, Record<string, unknown>>> = {
  sft: { ...STEPS, batch: 4, epochs: 24, validate_every: 10 },
  reward: { ...STEPS, batch: 4, epochs: 20, validation: 0.2 },
  ppo: {
    ...QUICK_PPO,
    updates: 10,
    epochs: 2,
    minibatches: 2,
    evaluate_every: 2,
    evaluate_prompts: 4,
    learning_rate: 5e-3,
    adaptive_kl_target: 0.05,
    adaptive_kl_horizon: 200,
  },
};

const fresh = temporaryProjects();
const folder = fresh();
const untouched = fresh();
let reference: Project;
beforeAll(async () => {
  const project = await makeTinyProject(folder);
  await addTrainedReward(project);
  project.close();
  fs.cpSync(folder, untouched, { recursive: true });
  reference = openProject(untouched, { write: true });
});
afterAll(() => reference.close());

/**
 * When to kill: after so many reports and then so many milliseconds, or just before a file is put in place, or never.
 */
type Moment = { reports: number; milliseconds: number } | { before: string } | null;

function child(
  args: readonly string[],
  moment: Moment,
): Promise<{ signal: string | null; code: number | null; lines: string[] }> {
  return new Promise((done) => {
    const before = moment && 'before' in moment ? [moment.before] : [];
    const process_ = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'run-in-child.ts'), folder, ...args, ...before],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let output = '';
    let errors = '';
    let armed = false;
    process_.stderr.on('data', (data: Buffer) => (errors += data));
    process_.stdout.on('data', (data: Buffer) => {
      output += data;
      if (armed || !moment || 'before' in moment) return;
      const begun = /^(report|log Run)/m.test(output) || args[0] === 'resume';
      if (!begun || output.split('\nreport').length - 1 < moment.reports) return;
      armed = true;
      setTimeout(() => process_.kill('SIGKILL'), moment.milliseconds);
    });
    process_.on('close', (code, signal) => done({ signal, code, lines: [...output.trim().split('\n'), errors] }));
  });
}

const random = createRandom(7, 'kill');
let kills = 0;
test.each(Object.entries(RUNS))('%s', async (kind, config) => {
  const whole = await startRun(reference, kind as RecipeName, config!, null);
  const total = metricsOf(reference, whole.id).at(-1)!.step;
  const some = (): Moment => ({ reports: 1 + random.integer(Math.ceil(total / 8)), milliseconds: random.integer(40) });
  // while it works, while it starts, and at the very end: before the model and before the status are there
  const moments: Moment[] = [
    some(),
    { reports: 0, milliseconds: random.integer(200) },
    some(),
    some(),
    { before: 'model' },
    { before: 'status.json' },
  ];
  let id = '';
  let reached = -1;
  for (const moment of moments) {
    const { signal, lines } = await child(id ? ['resume', id] : ['start', kind, JSON.stringify(config)], moment);
    expect(signal, lines.join('\n')).toBe('SIGKILL'); // it died in the middle, and by our hand
    kills++;
    id ||= /Run (\S+) has begun/.exec(lines.join('\n'))![1]!;
    const project = openProject(folder, { write: true }); // runs quick_check
    expect(checkProject(project)).toEqual([]);
    expect(getRun(project, id)).toMatchObject({ status: 'running', endedAt: null, error: null });
    expect(listPolicies(project, { runId: id })).toEqual([]);
    const checkpoints = fs
      .readdirSync(runFile(project, id, 'checkpoints'))
      .filter((name) => name.endsWith('.safetensors') && !name.startsWith('.'))
      .sort();
    for (const name of checkpoints)
      expect(readSafetensors(runFile(project, id, path.join('checkpoints', name))).metadata.step).toBe(
        String(Number(name.split('.')[0])),
      );
    const step = checkpoints.length ? Number(checkpoints.at(-1)!.split('.')[0]) : -1;
    expect(step).toBeGreaterThanOrEqual(reached); // nothing saved is lost
    expect(step).toBeLessThan(moment && 'reports' in moment ? total : Infinity);
    reached = step;
    project.close();
  }
  const last = await child(['resume', id], null);
  expect(last).toMatchObject({ signal: null, code: 0 });
  expect(last.lines).toContain(`done: ${whole.summary}`);

  const project = openProject(folder, { write: true });
  expect(checkProject(project)).toEqual([]);
  expect(getRun(project, id).status).toBe('done');
  expect(listPolicies(project, { runId: id })).toHaveLength(1);
  expect(modelBytes(project, id).equals(modelBytes(reference, whole.id))).toBe(true);
  expect(timeless(metricsOf(project, id))).toEqual(timeless(metricsOf(reference, whole.id)));
  for (const name of ['samples.jsonl', 'validation.jsonl', 'data.jsonl'])
    expect(jsonRows(project, id, name)).toEqual(jsonRows(reference, whole.id, name));
  // every other file too, and nothing half-written is left
  const files = (at: string) =>
    fs
      .readdirSync(at, { recursive: true, encoding: 'utf8' })
      .filter((name) => name !== 'log.txt')
      .sort();
  expect(files(runFile(project, id, ''))).toEqual(files(runFile(reference, whole.id, '')));
  project.close();
});

test('that was often enough', () => expect(kills).toBe(18));
