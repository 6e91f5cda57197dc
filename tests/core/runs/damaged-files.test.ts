// What a crash or a disk has damaged in a run's folder: a checkpoint, lines of what it wrote; the run goes on, and says
// so.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkpointSteps } from '#core/runs/checkpoints.ts';
import { recordRun } from '#core/runs/record.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { runHandlers } from '#core/service/runs/runs.ts';
import { watchRun } from '#core/service/runs/run-watch.ts';
import { listCompletions } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRun, updateRun } from '#core/store/runs.ts';
import { handled } from '#tests/core/service/handler-context.ts';
import { openQueue } from './run-queue.ts';
import { plantFile } from './strangers-project.ts';
import {
  errorFrom,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_SFT,
  runFile,
  temporaryProjects,
  timeless,
} from '#tests/core/recipes/tiny-project.ts';

const CONFIG = { ...QUICK_SFT, epochs: 3, steps_a_run: 1, checkpoint_every: 2, show_prompts: 2, show_max_new: 8 };
const STOPPED_AT = 8;
const fresh = temporaryProjects();
let project: Project, whole: string;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  whole = (await startRun(project, 'sft', CONFIG, 'whole')).id;
});
afterAll(() => project.close());

/** A run that was stopped after step 8, and how it looks in its folder. */
async function stopped(): Promise<{ id: string; file(step: number): string; log(): string }> {
  let reports = 0;
  const { id } = await startRun(project, 'sft', CONFIG, null, {
    onReport: (step) => void (reports = step),
    stopping: () => reports >= STOPPED_AT,
  });
  expect(checkpointSteps(runFile(project, id, 'checkpoints'))).toEqual([STOPPED_AT - 2, STOPPED_AT]);
  return {
    id,
    file: (step) => runFile(project, id, `checkpoints/${String(step).padStart(7, '0')}.safetensors`),
    log: () => fs.readFileSync(runFile(project, id, 'log.txt'), 'utf8'),
  };
}
const cut = (file: string) => fs.truncateSync(file, fs.statSync(file).size - 100);
function flip(file: string): void {
  const bytes = fs.readFileSync(file);
  bytes[bytes.length - 1001]! ^= 4;
  fs.writeFileSync(file, bytes);
}

test.each([
  ['cut short', cut, 'bytes'],
  ['changed in one bit', flip, 'checksum'],
  ['empty', (file: string) => fs.truncateSync(file, 0), ''],
  ['no file of that kind', (file: string) => fs.writeFileSync(file, 'x'.repeat(500)), ''],
])(
  'the newest checkpoint is %s: the run goes on from the one before, says so, and ends in the same bits',
  async (_, damage, why) => {
    const { id, file, log } = await stopped();
    const said: string[] = [];
    damage(file(STOPPED_AT));
    const done = await resumeRun(project, id, { onLog: (line) => void said.push(line) });
    expect(done.status).toBe('done');
    const sentence = new RegExp(
      `The checkpoint of step ${STOPPED_AT} is damaged \\(.*${why}.*\\): the run goes on from step ${STOPPED_AT - 2} and repeats 2 steps\\.`,
    );
    expect(said.join('\n')).toMatch(sentence);
    expect(log()).toMatch(sentence);
    expect(modelBytes(project, id).equals(modelBytes(project, whole))).toBe(true);
    expect(timeless(metricsOf(project, id))).toEqual(timeless(metricsOf(project, whole)));
    const runs = openQueue(project);
    expect(runs.queue.get(id).notices).toEqual([expect.stringMatching(sentence)]);
    expect(runs.queue.get(whole).notices).toEqual([]);
    await runs.queue.close();
  },
);

test('with every checkpoint damaged the run is not resumed, and the sentence says what to do', async () => {
  const { id, file } = await stopped();
  cut(file(STOPPED_AT));
  flip(file(STOPPED_AT - 2));
  expect(await errorFrom(() => resumeRun(project, id))).toMatchObject({
    code: 'bad-file',
    message: expect.stringMatching(
      new RegExp(`^Run ${id} cannot be resumed: each of its 2 checkpoints is damaged \\(.*\\)\\.$`),
    ),
    hint: 'Start a new run with the same settings; what this one wrote stays where it is.',
  });
  expect(getRun(project, id)).toMatchObject({ status: 'failed', error: expect.stringContaining('cannot be resumed') });
  // nothing was thrown away
  expect(checkpointSteps(runFile(project, id, 'checkpoints'))).toEqual([STOPPED_AT - 2, STOPPED_AT]);
});

test('torn and damaged lines of metrics and samples are left out, counted, and never a crash', async () => {
  const { id } = await startRun(project, 'sft', CONFIG, null);
  const metrics = metricsOf(project, id);
  const samples = jsonRows<{ text: string }>(project, id, 'samples.jsonl');
  const tear = (name: string, junk: string[]) => {
    const lines = fs
      .readFileSync(runFile(project, id, name), 'utf8')
      .trimEnd()
      .split('\n');
    fs.writeFileSync(runFile(project, id, name), `${[lines[0], ...junk, ...lines.slice(1)].join('\n')}\n`);
  };
  tear('metrics.jsonl', ['{"step":2,"seconds":0.1,"lo', '\0\0\0\0', '[]', '7', 'null', '{"step":"2"}']);
  tear('samples.jsonl', ['{"step":2,"pro', '{"step":2,"promptId":1}']);
  const service = handled(project, runHandlers);
  expect(await service.call('runs.metrics', { runId: id, from: 0 })).toEqual({
    rows: metrics,
    total: metrics.length,
    damaged: 6,
  });
  expect(await service.call('runs.metrics', { runId: id, from: 3 })).toEqual({
    rows: metrics.slice(3),
    total: metrics.length,
    damaged: 6,
  });
  const shown = await service.call('runs.samples', { runId: id });
  expect(shown.damaged).toBe(2);
  expect(shown.samples.map(({ text }) => text).sort()).toEqual(
    samples.flatMap(({ text }) => (shown.samples.some((one) => one.text === text) ? [text] : [])).sort(),
  );

  addRun(project, { id: 'watched', kind: 'sft', name: 'watched' });
  const folder = path.join(project.folder, 'runs', 'watched');
  const heard: unknown[] = [];
  plantFile(folder, 'metrics.jsonl', '');
  const watch = watchRun(project, 'watched', null, (event, data) => void (event === 'run.metrics' && heard.push(data)));
  watch.look();
  fs.appendFileSync(
    path.join(folder, 'metrics.jsonl'),
    '{"step":1,"seconds":1,"loss":3}\n{"step":2,"sec\n{"step":3,"seconds":2,"loss":1}\n',
  );
  watch.look();
  expect(heard).toEqual([
    {
      runId: 'watched',
      from: 0,
      rows: [
        { step: 1, seconds: 1, loss: 3 },
        { step: 3, seconds: 2, loss: 1 },
      ],
    },
  ]);
});

test('a torn line of what was drawn costs that answer alone: the others are taken in with their own prompts, and the log says so', async () => {
  const { id } = await startRun(
    project,
    'sample',
    { policy: 'base', k: 3, temperature: 1, max_new: 6, seed: 77 },
    null,
  );
  const drawn = listCompletions(project, { runId: id });
  const file = runFile(project, id, 'completions.jsonl');
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(drawn).toHaveLength(lines.length);
  project.db
    .prepare(
      'DELETE FROM items WHERE id IN (SELECT item_id FROM item_completions WHERE completion_id IN (SELECT id FROM completions WHERE run_id = ?))',
    )
    .run(id);
  project.db.prepare('DELETE FROM completions WHERE run_id = ?').run(id);
  fs.writeFileSync(file, `${lines.map((line, i) => (i === 4 ? line.slice(0, 50) : line)).join('\n')}\n`);
  updateRun(project, id, { status: 'running' });
  recordRun(project, id);
  const taken = listCompletions(project, { runId: id });
  expect(taken.map(({ promptId, text }) => [promptId, text])).toEqual(
    drawn.filter((_, i) => i !== 4).map(({ promptId, text }) => [promptId, text]),
  );
  expect(fs.readFileSync(runFile(project, id, 'log.txt'), 'utf8')).toContain(
    '1 damaged line of what it drew and measured is left out.',
  );
});
