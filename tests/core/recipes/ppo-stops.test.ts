// How a PPO run stops: by its own rules, because somebody asked, and how it goes on afterwards.

import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts, updatePrompt } from '#core/store/prompts.ts';
import { getRun, updateRun } from '#core/store/runs.ts';
import {
  addEndless,
  addLengthReward,
  errorFrom,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  runFile,
  temporaryProjects,
  timeless,
} from './tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  addLengthReward(project, 'reward', 1);
  addEndless(project);
});
afterAll(() => project.close());

describe('the rules that stop a run (D35)', () => {
  const quick = { ...QUICK_PPO, updates: 6, learning_rate: 1e-2, epochs: 2, schedule: 'constant' };
  const rules: [rule: string, settings: Record<string, unknown>, sentence: RegExp, after: [number, number]][] = [
    ['stop_kl', { stop_kl: 0.05 }, /stopped because KL reached 0\.\d nats, above 0\.05/, [2, 5]],
    ['stop_ended', { stop_ended: 0.99 }, /stopped because only \d+ % of the completions ended, below 99 %/, [1, 1]],
    [
      'stop_distinct',
      { stop_distinct: 1, policy: 'endless', temperature: 0.05, missing_end: 'keep' },
      /stopped because only \d+ % of three-token sequences are distinct, below 100 %/,
      [1, 1],
    ],
  ];
  test.each(rules)('%s', async (_rule, settings, sentence, [from, to]) => {
    const run = await startRun(project, 'ppo', { ...quick, ...settings }, null);
    expect(run.status).toBe('done');
    expect(run.summary).toMatch(sentence);
    const updates = metricsOf(project, run.id).at(-1)!.step;
    expect(updates).toBeGreaterThanOrEqual(from);
    expect(updates).toBeLessThanOrEqual(to);
    const without = await startRun(project, 'ppo', { ...quick, ...settings, [_rule]: 0, updates: updates + 1 }, null);
    expect(without.summary).not.toContain('stopped');
    expect(metricsOf(project, without.id).at(-1)!.step).toBe(updates + 1); // nothing else would have stopped it
  });

  test('stop_drop: the held-out score falls below its best', async () => {
    // an answer without an end costs so much that a few of them among the held-out ones make the score jump up and down
    const dropping = {
      missing_end: 'replace',
      missing_end_penalty: -50,
      evaluate_every: 1,
      stop_drop: 0.2,
      evaluate_prompts: 12,
      updates: 12,
    };
    // no facts: no gold score
    for (const { id, split } of listPrompts(project)) if (split !== 'train') updatePrompt(project, id, { facts: null });
    const run = await startRun(project, 'ppo', { ...quick, ...dropping }, null);
    expect(run.summary).toMatch(
      /stopped because the held-out score less the price of KL fell from -?\d+\.\d\d to -?\d+\.\d\d/,
    );
    const means = metricsOf(project, run.id).flatMap(({ held_out_value }) => held_out_value ?? []);
    const scores = metricsOf(project, run.id).flatMap(({ held_out_score }) => held_out_score ?? []);
    expect(run.summary).toContain(
      `on validation prompts score ${scores[0]!.toFixed(2)} → ${scores.at(-1)!.toFixed(2)}, KL 0.00 → `,
    ); // what came of it
    expect(Math.max(...means) - means.at(-1)!).toBeGreaterThan(0.2);
    expect(means.slice(0, -1).every((value, i) => Math.max(...means.slice(0, i + 1)) - value <= 0.2)).toBe(true);
  });

  test('a run killed after its rule had stopped it does not go on when it is resumed', async () => {
    const run = await startRun(project, 'ppo', { ...quick, stop_ended: 0.99 }, null);
    const before = metricsOf(project, run.id);
    fs.rmSync(runFile(project, run.id, 'model'), { recursive: true });
    updateRun(project, run.id, { status: 'running', endedAt: null });
    const again = await resumeRun(project, run.id);
    expect(again.summary).toBe(run.summary);
    expect(metricsOf(project, run.id)).toEqual(before);
  });
});

describe('a stop request', () => {
  const settings = {
    ...QUICK_PPO,
    updates: 4,
    epochs: 2,
    minibatches: 2,
    evaluate_every: 2,
    evaluate_prompts: 4,
    checkpoint_every: 100,
    adaptive_kl_target: 0.05,
    adaptive_kl_horizon: 200,
    learning_rate: 5e-3,
  };
  let whole: string;
  beforeAll(async () => {
    whole = (await startRun(project, 'ppo', settings, 'whole')).id;
  });

  test.each([0, 1, 3])(
    'after update %i saves, and the resumed run ends like one that was never stopped',
    async (after) => {
      let updates = 0;
      const stopped = await startRun(project, 'ppo', settings, null, {
        onReport: (_step, _total, metrics) => (metrics.kl === undefined ? 0 : updates++),
        stopping: () => updates >= after,
      });
      expect(stopped.status).toBe('stopped');
      expect(getRun(project, stopped.id).status).toBe('stopped');
      expect(updates).toBe(after);
      expect(fs.existsSync(runFile(project, stopped.id, 'model/model.safetensors'))).toBe(true);

      const finished = await resumeRun(project, stopped.id);
      expect(finished.status).toBe('done');
      expect(modelBytes(project, finished.id).equals(modelBytes(project, whole))).toBe(true);
      expect(modelBytes(project, finished.id, 'best').equals(modelBytes(project, whole, 'best'))).toBe(true);
      expect(timeless(metricsOf(project, finished.id))).toEqual(timeless(metricsOf(project, whole)));
      expect(jsonRows(project, finished.id, 'samples.jsonl')).toEqual(jsonRows(project, whole, 'samples.jsonl'));
      expect(getRun(project, stopped.id).status).toBe('done');
      // registered once
      expect(listPolicies(project, { runId: stopped.id }).map(({ name }) => name)).toEqual([finished.name]);
    },
  );

  test('a finished run cannot be resumed', async () => {
    const error = await errorFrom(() => resumeRun(project, whole));
    expect(error.message).toBe(`Run ${whole} is already done.`);
  });
});
