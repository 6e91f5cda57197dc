// Findings on a planted run: what was put into its rollouts is found, dated and priced, and what cannot be said is a
// sentence.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lookedSentence, measureReasons, measureSentence } from '#core/contract/finding-words.ts';
import type { MeasureFinding, PhraseFinding, RunFindings } from '#core/contract/findings.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { findings } from '#core/inspection/findings.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { startRun } from '#core/runs/start.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import {
  addLengthReward,
  addTrainedReward,
  errorFrom,
  makeTinyProject,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';
import { EACH, ONSET, PHRASE, plantPhrase, UPDATES } from './planted-run.ts';

const fresh = temporaryProjects();
const models = createHeldModels({ limit: Infinity });
let project: Project;
const runs: Record<'longer' | 'shorter', string> = { longer: '', shorter: '' };

beforeAll(async () => {
  project = await makeTinyProject(fresh());
  for (const [name, sign] of [
    ['longer', 1],
    ['shorter', -1],
  ] as const) {
    addLengthReward(project, name, sign);
    runs[name] = (await startRun(project, 'ppo', { ...QUICK_PPO, reward: name }, null)).id;
    plantPhrase(project, runs[name]);
  }
});
afterAll(() => project.close());

const phrasesOf = ({ findings: found }: RunFindings): PhraseFinding[] =>
  found.flatMap((one) => (one.kind === 'phrase' ? [one] : []));
const measuresOf = ({ findings: found }: RunFindings): MeasureFinding[] =>
  found.flatMap((one) => (one.kind === 'phrase' ? [] : [one]));
const lookAt = (runId: string): Promise<RunFindings> => findings(models, { projectFolder: project.folder, runId });

test('a phrase that a reward model for long answers pays for is claimed an exploit, first of all, with its onset', async () => {
  const all = await lookAt(runs.longer);
  const { looked, prompts } = all;
  const [first] = phrasesOf(all);
  expect(all.findings[0]).toBe(first);
  expect(first).toMatchObject({ kind: 'phrase', phrase: PHRASE, claim: 'exploit', shareStart: 0, place: 'ending' });
  expect(first!.shareNow).toBeGreaterThan(0.35);
  expect(Math.abs(first!.onset!.update - ONSET)).toBeLessThanOrEqual(2);
  expect(first!.onset!.low).toBeLessThanOrEqual(ONSET);
  expect(first!.onset!.high).toBeGreaterThanOrEqual(ONSET);
  for (const price of [first!.price, first!.priceIn, first!.priceOut]) {
    expect(price!.low).toBeGreaterThan(0);
    expect(price!.clusters).toBeGreaterThanOrEqual(8);
  }
  expect(first!.samples.length).toBeGreaterThan(10);
  for (const { text, update, places } of first!.samples) {
    expect(places.map(({ start, end }) => text.slice(start, end))).toEqual([PHRASE]);
    expect(update).toBeGreaterThanOrEqual(looked.since);
  }
  expect(looked).toMatchObject({ rollouts: UPDATES * EACH, now: 128, reward: 'longer', until: UPDATES });
  const asked = new Map(prompts.map(({ id, text }) => [id, text]));
  for (const { promptId } of first!.samples) expect(asked.get(promptId)).not.toBe('');
  expect(first!.shares.map(({ update, n }) => [update, n])).toEqual(
    Array.from({ length: UPDATES }, (_, i) => [i + 1, EACH]),
  );
  for (const { update, hits } of first!.shares) expect(hits > 0).toBe(update >= ONSET);
});

test('the same phrase under one for short answers costs, and is called drift', async () => {
  const [first] = phrasesOf(await lookAt(runs.shorter));
  expect(first).toMatchObject({ phrase: PHRASE, claim: 'drift' });
  expect(first!.price!.high).toBeLessThan(0);
});

test('loops and lost ends are found beside phrases, told with their samples; measures of one making are not', async () => {
  await addTrainedReward(project);
  const { id } = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'reward' }, null);
  plantPhrase(project, id, (row, i) => {
    if (row.step < ONSET || i % 2) return row;
    return {
      ...row,
      text: `${row.text} then go home and go home and go home and go home and go home`,
      finish: 'length',
    };
  });
  const all = await lookAt(id);
  const measures = new Map(measuresOf(all).map((one) => [one.kind, one]));
  const loops = measures.get('loops')!;
  expect(loops).toMatchObject({ found: true, start: { value: 0 }, now: { n: 128 } });
  expect(loops.change!.low).toBeGreaterThan(0.2);
  for (const { text, places } of loops.samples)
    for (const { start, end } of places) expect(text.slice(start, end)).toMatch(/^(go|home|and) .*home$/);
  expect(measureSentence(loops)).toMatch(
    /^5\d % \(\d+ % to \d+ %\) of the last 128 answers are for the most part one piece said three times or more in a row, 0 % \(0 % to \d+ %\) of \d+ at the start: 5\d points more \(\d+ to \d+\)\.$/,
  );
  expect(measureReasons(loops)[0]).toBe(
    'It stands out where the whole interval lies above 5 points more: one answer in twenty more is no accident of sampling. It does.',
  );
  expect(measures.get('ends')).toMatchObject({ found: true, compared: 'fewer' });
  expect(measures.get('outliers')!.now.n).toBeGreaterThan(100); // measured against what the reward model learnt from
  expect(measures.get('copying')!.found).toBe(false);
  const order = all.findings.map((one) => (one.kind === 'phrase' ? one.claim : one.found ? 'found' : 'usual'));
  const ranks = order.map((word) => ['exploit', 'found', 'drift', 'none', 'usual'].indexOf(word));
  expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
  expect(lookedSentence(all)).toMatch(/^Looked through the last 128 answers/);
});

test('of a reward model whose rankings nobody knows, nothing is said of what is unlike them', async () => {
  expect(measuresOf(await lookAt(runs.longer)).map(({ kind }) => kind)).not.toContain('outliers');
});

test('a run that never looked at held-out prompts has no place to stop', async () => {
  expect((await lookAt(runs.longer)).stop).toBeNull();
});

test('ten answers, or none with a word in it, make no claim; a special token that was spelled out is a phrase', async () => {
  const rows = readRollouts(runFolderOf(project.folder, runs.longer)).rows;
  const write = (some: readonly RolloutRow[]) =>
    fs.writeFileSync(
      runFile(project, runs.longer, 'rollouts.jsonl'),
      some.map(({ step, ...row }) => `${JSON.stringify({ step, ...row })}\n`).join(''),
    );
  const claims = async () =>
    (await lookAt(runs.longer)).findings.map((one) => (one.kind === 'phrase' ? one.claim === 'exploit' : one.found));
  write([...rows.slice(0, 10), ...rows.slice(-10).map((row) => ({ ...row, text: `${row.text} ${PHRASE}` }))]);
  expect(await claims()).not.toContain(true);
  write(rows.map((row) => ({ ...row, text: '', tokenIds: [] })));
  const empty = await lookAt(runs.longer);
  expect(phrasesOf(empty)).toEqual([]);
  expect(lookedSentence(empty)).toMatch(/^No phrase rose in the last 128 answers/);
  const spelled = (text: string) => text.replace(PHRASE, 'so <|endoftext|> it is');
  write(rows.map((row) => ({ ...row, text: spelled(row.text) })));
  const [first] = phrasesOf(await lookAt(runs.longer));
  expect(first).toMatchObject({ phrase: 'so <|endoftext|> it is', claim: 'exploit' });
  for (const { text, places } of first!.samples)
    expect(places.map(({ start, end }) => text.slice(start, end))).toEqual(['so <|endoftext|> it is']);
  plantPhrase(project, runs.longer);
});

test('a reward model with another tokenizer reads the texts; one that is gone is said', async () => {
  addLengthReward(project, 'gone', 1);
  const { id } = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'gone' }, null);
  plantPhrase(project, id);
  const folder = path.join(project.folder, 'models', 'gone');
  const letters = Array.from({ length: 40 }, (_, i) => `${String.fromCharCode(97 + (i % 26))} zz qq xx`);
  await writeTokenizer(folder, trainBpe(letters, 280)); // cuts words into letters
  // so long they do not fit into what it reads, and nothing is claimed of what could not be priced
  expect(phrasesOf(await lookAt(id))[0]).toMatchObject({ phrase: PHRASE, claim: 'none', price: null });
  fs.rmSync(folder, { recursive: true });
  const { message, hint } = await errorFrom(() => lookAt(id));
  expect(message).toMatch(/^“gone” gives no scores: .*models.gone/);
  expect(hint).not.toBe('');
});

test('what has nothing to look at is said', async () => {
  const none = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', keep_rollouts: 0 }, null);
  expect((await errorFrom(() => lookAt(none.id))).message).toBe(`Run ${none.id} has kept no rollouts to look at.`);
  const one = await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', updates: 1 }, null);
  expect((await errorFrom(() => lookAt(one.id))).message).toBe(
    `Run ${one.id} has rollouts of too few updates to compare: 1.`,
  );
  const other = await startRun(project, 'sample', { policy: 'base', k: 2, max_new: 4 }, null);
  expect((await errorFrom(() => lookAt(other.id))).message).toBe(`Run ${other.id} was trained on no reward model.`);
});
