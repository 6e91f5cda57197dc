// What runs draw and measure comes into the project: piece by piece, once, and as the models really say it.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openIntake } from '#core/runs/intake.ts';
import { recordRun } from '#core/runs/record.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { runHandlers } from '#core/service/runs/runs.ts';
import { watchRun } from '#core/service/runs/run-watch.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listItems } from '#core/store/items.ts';
import { listMeasures } from '#core/store/measures.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { getRun } from '#core/store/runs.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { handled } from '#tests/core/service/handler-context.ts';
import {
  addTrainedReward,
  errorFrom,
  jsonRows,
  makeTinyProject,
  QUICK_PPO,
  QUICK_SFT,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  await addTrainedReward(project);
});
afterAll(() => project.close());

const idOf = (name: string) => getPolicy(project, name).id;
const drawnBy = (id: string) =>
  listCompletions(project, { runId: id }).map(({ id: _id, runId: _run, ...rest }) => rest);
const SHORT_POSTS = Array.from({ length: 60 }, (_, i) => ({
  text: `A short post, number ${i}.\nTL;DR:`,
  split: 'train' as const,
  source: 'test',
}));
const SAMPLE = { policy: 'base', k: 3, temperature: 0.8, max_new: 8, seed: 11 };

/** What a model says of stored completions: [completion] */
async function says(name: string, ids: readonly number[]) {
  const folder = policyPath(project, getPolicy(project, name));
  const model = loadCheckpoint(folder);
  const tokenizer = await loadTokenizer(folder);
  const evaluator = createEvaluator(model);
  const texts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt.text]));
  const groups = await Promise.all(
    listCompletions(project, { ids }).map(async ({ promptId, tokenIds }) => ({
      prompt: await tokenizer.encode(texts.get(promptId)!),
      completions: [tokenIds],
    })),
  );
  const found =
    model.head === 'linear'
      ? {
          scores: (await evaluator.scores(model.weights, groups)).flat(),
          logprobs: [],
          values: (await evaluator.values(model.weights, groups)).map((row) => row[0]!),
        }
      : { scores: [], values: [], logprobs: (await evaluator.logprobs(model.weights, groups)).map((row) => row[0]!) };
  await evaluator.release();
  return found;
}
const close = (a: readonly number[], b: readonly number[]) => {
  expect(a.length).toBe(b.length);
  a.forEach((value, i) => expect(value).toBeCloseTo(b[i]!, 4));
};

test('sampling: stopped after a batch and resumed, the same completions as in one go, each once', async () => {
  addPrompts(project, SHORT_POSTS);
  const items = listItems(project).length;
  let stops = 0;
  const stopped = await startRun(project, 'sample', SAMPLE, null, { stopping: () => stops++ > 0 });
  expect(stopped).toMatchObject({ status: 'stopped', model: null, name: 'samples of base', counts: { added: 64 * 3 } });
  expect(drawnBy(stopped.id)).toHaveLength(64 * 3);
  expect(listItems(project)).toHaveLength(items + 64); // labelling can begin
  for (const name of fs.readdirSync(runFile(project, stopped.id, 'checkpoints')))
    // as if killed before it had saved: it draws the batch again
    fs.rmSync(runFile(project, stopped.id, path.join('checkpoints', name)));
  const done = await resumeRun(project, stopped.id);
  expect(done).toMatchObject({
    status: 'done',
    counts: { added: 282, tooLong: 0 },
    summary: '282 completions of 94 prompts by "base".',
  }); // the six test prompts stay untouched
  const all = drawnBy(stopped.id);
  expect(all).toHaveLength(282);
  expect(new Set([...Map.groupBy(all, ({ promptId }) => promptId).values()].map((rows) => rows.length))).toEqual(
    new Set([3]),
  );
  for (const row of all)
    expect(row).toMatchObject({
      policyId: idOf('base'),
      step: null,
      sampling: { temperature: 0.8, topK: 0, topP: 1, maxNew: 8, seed: 11 },
    });

  const again = await startRun(project, 'sample', SAMPLE, null); // everything is there
  expect(again.summary).toBe('0 completions of 0 prompts by "base"; every prompt has them already.');
  const more = await startRun(project, 'sample', { ...SAMPLE, k: 4 }, null); // only the fourth of each
  expect(more.counts).toMatchObject({ added: 94 });

  const untouched = await makeTinyProject(fresh());
  addPrompts(untouched, SHORT_POSTS);
  const whole = await startRun(untouched, 'sample', SAMPLE, null);
  expect(listCompletions(untouched, { runId: whole.id }).map(({ id: _id, runId: _run, ...rest }) => rest)).toEqual(all);
  untouched.close();
});

test('what was taken in before is not taken in again, and a half-written group waits', () => {
  const file = runFile(project, '0003-sample', 'completions.jsonl');
  const { length } = listCompletions(project);
  expect(openIntake(project, '0003-sample').some(1e6)).toBe(282);
  recordRun(project, '0003-sample');
  expect(listCompletions(project)).toHaveLength(length);
  const lines = fs.readFileSync(file, 'utf8').split('\n');
  // one group, the first row of the next, and no line break at its end
  fs.writeFileSync(file, lines.slice(0, 4).join('\n'));
  const intake = openIntake(project, '0003-sample');
  expect(intake.some(1e6)).toBe(3);
  expect(intake.some(1e6)).toBe(0);
  fs.writeFileSync(file, lines.join('\n'));
  expect(intake.some(1e6)).toBe(279);
});

test('PPO and SFT: the fixed prompts of every evaluation, with what every model says of them', async () => {
  const items = listItems(project).length;
  const { id, name } = await startRun(
    project,
    'ppo',
    { ...QUICK_PPO, temperature: 0.9, updates: 2, evaluate_every: 1, evaluate_prompts: 5 },
    null,
  );
  const drawn = listCompletions(project, { runId: id });
  expect(drawn.map(({ step }) => step)).toEqual([0, 1, 2].flatMap((step) => Array(5).fill(step)));
  expect(listItems(project)).toHaveLength(items); // they are to be looked at, not ranked
  for (const one of drawn)
    expect(one).toMatchObject({
      policyId: idOf(one.step === 0 ? 'base' : name),
      sampling: { temperature: 0.9, topK: 0, topP: 1, maxNew: 12, seed: 3 },
    });
  expect(
    jsonRows<{ text: string; promptId: number }>(project, id, 'samples.jsonl').map(({ promptId, text }) => [
      promptId,
      text,
    ]),
  ).toEqual(drawn.map(({ promptId, text }) => [promptId, text]));

  const ids = drawn.map((one) => one.id);
  const byReward = listMeasures(project, { completionIds: ids, modelId: idOf('reward') });
  const byBase = listMeasures(project, { completionIds: ids, modelId: idOf('base') });
  const reward = await says('reward', ids);
  const base = await says('base', ids);
  close(
    byReward.map(({ score }) => score!),
    reward.scores,
  );
  byBase.forEach(({ tokenLogprobs }, i) => close(tokenLogprobs!, base.logprobs[i]!));
  byBase.forEach(({ kl }, i) => expect(Math.abs(kl!) < 5e-5).toBe(drawn[i]!.step === 0));
  // the critic begins as the reward model
  byBase.slice(0, 5).forEach(({ tokenValues }, i) => close(tokenValues!, reward.values[i]!.slice(0, -1)));
  const tuned = await says(name, ids.slice(10));
  drawn.slice(10).forEach(({ logprobs }, i) => close(logprobs, tuned.logprobs[i]!));

  const sft = await startRun(project, 'sft', { ...QUICK_SFT, show_prompts: 3, show_max_new: 8 }, 'tuned');
  const shown = listCompletions(project, { runId: sft.id });
  expect(shown.map(({ step }) => step)).toEqual([0, 0, 0, ...Array(3).fill(shown.at(-1)!.step)]);
  expect(shown.at(-1)!.policyId).toBe(idOf('tuned'));
});

test('scoring: every completion without a measure gets it, and only those', async () => {
  await startRun(project, 'reward', { batch: 4, seed: 5, steps_a_run: 4 }, 'second');
  const run = await startRun(project, 'score', { reward: 'second', reference: 'base' }, null);
  const all = listCompletions(project);
  const ids = all.map(({ id }) => id);
  expect(run.summary).toMatch(
    new RegExp(`^Measured ${all.length} completions of \\d+ prompts with "second" and "base"\\.$`),
  );
  const scores = listMeasures(project, { completionIds: ids, modelId: idOf('second') });
  expect(scores).toHaveLength(all.length);
  const some = ids.filter((_, i) => i % 40 === 0);
  close(
    scores.filter(({ completionId }) => some.includes(completionId)).map(({ score }) => score!),
    (await says('second', some)).scores,
  );
  const own = new Set(all.filter(({ policyId }) => policyId === idOf('base')).map(({ id }) => id));
  const ofOwn = listMeasures(project, { completionIds: ids, modelId: idOf('base') }).filter(({ completionId }) =>
    own.has(completionId),
  );
  expect(ofOwn.length).toBeGreaterThan(0);
  for (const { kl } of ofOwn) expect(kl).toBeCloseTo(0, 4);
  const nothing = await startRun(project, 'score', { reward: 'second', reference: 'base' }, null);
  expect(nothing.counts).toEqual({ measured: 0, tooLong: 0 });
  await startRun(project, 'sample', { ...SAMPLE, prompts: 2, seed: 99 }, null);
  expect((await startRun(project, 'score', { reward: 'second', reference: 'base' }, null)).counts).toEqual({
    measured: 6,
    tooLong: 0,
  });
  for (const [settings, sentence] of [
    [{ reward: 'base' }, '"base" is a base model; it gives no scores.'],
    [{ reward: '', reference: '' }, 'Neither a reward model nor a reference was named.'],
    [{ reward: 'second', reference: 'reward' }, '"reward" is a reward model; it gives no log-probabilities.'],
  ] as const) {
    expect((await errorFrom(() => startRun(project, 'score', settings, null))).message).toBe(sentence);
  }
  expect(getRun(project, run.id).name).toBe('scores by second');
});

test('windows hear of samples when the last of them is in the database: until then not all can be shown', async () => {
  const { id } = await startRun(project, 'ppo', { ...QUICK_PPO, updates: 3, evaluate_every: 1 }, null);
  const shownNow = () => handled(project, runHandlers).call('runs.samples', { runId: id });
  const { samples } = await shownNow();
  expect(samples.length).toBeGreaterThan(16);
  project.db.prepare('DELETE FROM completions WHERE run_id = ?').run(id);
  const files = ['samples.jsonl', 'completions.jsonl', 'measures.jsonl'].map((name) => runFile(project, id, name));
  const written = files.map((file) => (fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0)));
  for (const file of files) fs.writeFileSync(file, '');
  const counts: Promise<number>[] = [];
  const watch = watchRun(project, id, null, (event) => {
    if (event === 'run.samples') counts.push(shownNow().then((shown) => shown.samples.length));
  });
  watch.look(); // what was there before is not news
  files.forEach((file, i) => fs.writeFileSync(file, written[i]!));
  while (watch.look() > 0) await Promise.all(counts);
  expect((await Promise.all(counts)).at(-1)).toBe(samples.length);
});
