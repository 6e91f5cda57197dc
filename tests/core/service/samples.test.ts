// Inspecting samples: tokens with their characters, log-probabilities of the reference and values; flags; the labelling
// queue.

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { RunStatus } from '#core/contract/runs.ts';
import { gold } from '#core/demo/gold.ts';
import { demoBaseFolder } from '#core/recipes/demo/demo-project.ts';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { tokenSpans } from '#core/service/desk/token-spans.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun, updateRun } from '#core/store/runs.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { handled } from './handler-context.ts';
import { completionOf, freshProjects, sampling, smallProject } from './projects-at-hand.ts';

const fresh = freshProjects();
let tokenizer: Tokenizer;
beforeAll(async () => void (tokenizer = await loadTokenizer(demoBaseFolder())));

/** A project with the demo's base model and a reward model that lies nowhere. */
function withModels(): { project: Project; base: number; reward: number; promptId: number } {
  const project = createProject(fresh());
  cpSync(demoBaseFolder(), join(project.folder, 'models', 'base'), { recursive: true });
  const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  const reward = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward', parentId: base });
  const [promptId] = addPrompts(project, [
    {
      text: 'POST: my sister broke my guitar. TL;DR:',
      split: 'train',
      source: 'demo',
      facts: { R: 'sister', V: 'broke', O: 'guitar' },
    },
  ]) as [number];
  return { project, base, reward, promptId };
}
const written = (promptId: number, policyId: number, text: string, tokenIds: number[]) => {
  const logprobs = tokenIds.map((_, i) => -(i + 1) / 8);
  return {
    promptId,
    policyId,
    text,
    tokenIds,
    logprobs,
    samplingLogprobs: logprobs,
    finish: 'stop' as const,
    sampling,
    runId: null,
  };
};

test('spans: the tokens of any ids, in order, cover the text they decode to; those of one character share it', async () => {
  const { project, base } = withModels();
  const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabularySize - 1 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(ids, fc.string({ unit: 'binary', maxLength: 12 }), async (drawn, writtenOut) => {
      for (const tokenIds of [
        drawn,
        await tokenizer.encode(writtenOut),
        [...(await tokenizer.encode(`${writtenOut} 🙂ß`)), tokenizer.endOfText],
      ]) {
        const text = await tokenizer.decode(tokenIds);
        const [spans] = await tokenSpans(project, [{ text, tokenIds, policyId: base }]);
        if (tokenIds.length === 0) continue;
        expect(spans).toHaveLength(tokenIds.length);
        let covered = 0;
        for (const { start, end } of spans!) {
          expect(start).toBeLessThanOrEqual(covered); // no gap
          expect(end).toBeGreaterThanOrEqual(start);
          expect(/[\ud800-\udbff]/.test(text[start - 1] ?? '') && /[\udc00-\udfff]/.test(text[start] ?? '')).toBe(
            false,
          ); // no half character
          covered = Math.max(covered, end);
        }
        expect(covered).toBe(text.length);
      }
    }),
    { numRuns: 60 },
  );
  project.close();
});

test('spans are the tokens a person would see, in any way of cutting the text; words where there are no tokens', async () => {
  const { project, base } = withModels();
  const text = ' my sister broke my guitar.';
  const usual = await tokenizer.encode(text);
  // as no tokenizer would cut it
  const letters = (await Promise.all([...text].map((letter) => tokenizer.encode(letter)))).flat();
  const [whole, single, imported, gone] = await tokenSpans(project, [
    { text, tokenIds: [...usual, tokenizer.endOfText], policyId: base },
    { text, tokenIds: letters, policyId: base },
    { text, tokenIds: [], policyId: null },
    { text: 'not its text', tokenIds: usual, policyId: base },
  ]);
  const pieces = (spans: typeof whole) => spans!.map(({ start, end }) => text.slice(start, end));
  expect(pieces(whole).join('')).toBe(text);
  expect(await Promise.all(usual.map((id) => tokenizer.decode([id])))).toEqual(pieces(whole).slice(0, -1));
  expect(pieces(single)).toEqual([...text]);
  expect(pieces(imported)).toEqual([' my', ' sister', ' broke', ' my', ' guitar.']);
  expect(gone).toEqual([
    { start: 0, end: 3 },
    { start: 3, end: 7 },
    { start: 7, end: 12 },
  ]);
  project.close();
});

test("a sample's tokens carry ln π, and where they were measured ln π_ref and the values", async () => {
  const { project, base, reward, promptId } = withModels();
  const tuned = addPolicy(project, { name: 'tuned', kind: 'policy', path: 'models/nowhere', parentId: base });
  const text = ' my sister';
  const tokenIds = [...(await tokenizer.encode(text)), tokenizer.endOfText];
  const [own, foreign] = addCompletions(project, [
    written(promptId, base, text, tokenIds),
    written(promptId, tuned, text, tokenIds),
  ]) as [number, number];
  setMeasures(project, [
    { completionId: own, modelId: base, tokenLogprobs: tokenIds.map(() => -0.5) },
    { completionId: own, modelId: reward, score: 1, tokenValues: tokenIds.map((_, i) => i) },
  ]);
  const { call } = handled(project, sampleHandlers);
  const { tokens } = await call('samples.tokens', { completionId: own });
  expect(
    tokens
      .map(({ token }) => token)
      .slice(0, -1)
      .join(''),
  ).toBe(text);
  expect(tokens.map(({ id, logprob, reference, value }) => [id, logprob, reference, value])).toEqual(
    tokenIds.map((id, i) => [id, -(i + 1) / 8, -0.5, i]),
  );
  expect(tokens.at(-1)).toMatchObject({
    start: text.length,
    end: text.length,
    token: tokenizer.token(tokenizer.endOfText),
  });
  const without = await call('samples.tokens', { completionId: foreign }); // its tokenizer is gone
  expect(without.tokens.map(({ id, token, reference, value }) => [id, token, reference, value])).toEqual(
    tokenIds.map((id) => [id, `[${id}]`, null, null]),
  );
  await expect(call('samples.tokens', { completionId: 77 })).rejects.toMatchObject({
    message: 'There is no completion 77 in the project.',
  });
  project.close();
});

test('the list: KL from the base of the lineage, the gold score where the world is known', async () => {
  const { project, base, reward, promptId } = withModels();
  const sft = addPolicy(project, { name: 'sft', kind: 'policy', path: 'models/sft', parentId: base });
  const ppo = addPolicy(project, { name: 'ppo', kind: 'policy', path: 'models/ppo', parentId: sft });
  const ids = addCompletions(project, [
    written(promptId, ppo, ' my sister broke my guitar.', [1, 2]),
    written(promptId, ppo, 'pls pls', [1]),
  ]);
  setMeasures(project, [
    { completionId: ids[0]!, modelId: base, logprob: -2 },
    { completionId: ids[0]!, modelId: sft, logprob: -1 },
    { completionId: ids[1]!, modelId: reward, score: 3 },
  ]);
  const { call } = handled(project, sampleHandlers);
  const { total, rows } = await call('samples.page', {
    filter: { policyId: ppo },
    sort: 'kl',
    descending: true,
    offset: 0,
    limit: 10,
  });
  expect([total, rows.map(({ id, kl, score }) => [id, kl, score])]).toEqual([
    2,
    [
      [ids[0], -0.375 + 2, null],
      [ids[1], null, 3],
    ],
  ]);
  expect(rows[0]!.gold).toBe(gold('my sister broke my guitar.', { R: 'sister', V: 'broke', O: 'guitar' }).overall);
  expect(rows[0]!.gold).toBeGreaterThan(rows[1]!.gold!);
  expect(Object.keys(rows[0]!)).not.toContain('facts');
  project.close();
});

test('a flag is an event that can be taken back', async () => {
  const { project, completionIds, labelerId } = smallProject(fresh());
  const { call, events } = handled(project, sampleHandlers);
  const flagged = async () =>
    (
      await call('samples.page', { filter: { flagged: true }, sort: 'id', descending: false, offset: 0, limit: 9 })
    ).rows.map(({ id }) => id);
  const { eventId } = await call('samples.flag', { completionId: completionIds[2]!, labelerId, flagged: true });
  expect(await flagged()).toEqual([completionIds[2]]);
  expect(events).toEqual([{ event: 'labels.changed', data: { labelerId, itemId: null }, project: null }]);
  undoEvent(project, eventId!);
  expect(await flagged()).toEqual([]);
  project.close();
});

test('requested samples become items by prompt: at most nine each, a lonely one gets company, nothing to compare is refused', async () => {
  const { project, promptId, otherPromptId, otherId } = smallProject(fresh(), 20);
  ensureLabeler(project, 'bob', 'person');
  const many = addCompletions(
    project,
    Array.from({ length: 11 }, (_, i) => ({ ...completionOf(promptId, `more ${i}`), step: 1 })),
  ); // drawn in training: no items yet
  const { call, events } = handled(project, sampleHandlers);
  const before = listItems(project).length;
  await expect(call('samples.request', { completionIds: [otherId], reason: 'x' })).rejects.toMatchObject({
    code: 'bad-data',
    message: expect.stringContaining('nothing to compare'),
  });
  const [company] = addCompletions(project, [{ ...completionOf(otherPromptId, 'Buy two cats.'), step: 1 }]) as [number];
  expect(await call('samples.request', { completionIds: [...many, otherId], reason: ' they look alike ' })).toEqual({
    items: 3,
  });
  const made = listItems(project).slice(before);
  expect(made.map((item) => [item.promptId, item.completionIds.length, item.source, item.reason])).toEqual([
    [otherPromptId, 2, 'inspect', 'they look alike; beside another answer to the same prompt'],
    [promptId, 6, 'inspect', 'they look alike'],
    [promptId, 5, 'inspect', 'they look alike'],
  ]);
  expect(
    made
      .slice(1)
      .flatMap((item) => item.completionIds)
      .sort((a, b) => a - b),
  ).toEqual(many);
  expect(made[0]!.completionIds).toEqual([otherId, company]);
  expect(events).toEqual([{ event: 'data.changed', data: {}, project: null }]);
  project.close();
});

test('a list may show the scores of any reward model, and says of each whether it has scored', async () => {
  const { project, base, reward, promptId } = withModels();
  const { call } = handled(project, { ...sampleHandlers, ...promptHandlers });
  const later = addPolicy(project, { name: 'reward-2', kind: 'reward', path: 'models/reward-2', parentId: base });
  const ids = addCompletions(
    project,
    ['a', 'b', 'c'].map((text) => written(promptId, base, text, [1, 2])),
  ) as [number, number, number];
  setMeasures(project, [
    { completionId: ids[0], modelId: reward, score: 1 },
    { completionId: ids[1], modelId: reward, score: 2 },
    { completionId: ids[2], modelId: later, score: 3 },
  ]);
  const scores = async (scoredBy?: number) =>
    (
      await call('samples.page', {
        filter: scoredBy === undefined ? {} : { scoredBy },
        sort: 'score',
        descending: true,
        offset: 0,
        limit: 9,
      })
    ).rows.map(({ id, score }) => [id, score]);
  expect(await scores()).toEqual([
    [ids[1], 2],
    [ids[0], 1],
    [ids[2], null],
  ]);
  expect(await scores(later)).toEqual([
    [ids[2], 3],
    [ids[1], null],
    [ids[0], null],
  ]);
  expect(await scores(999), 'one that is gone').toEqual(await scores());
  expect(
    (
      await call('samples.page', {
        filter: { scoredBy: later, score: [3, 9] },
        sort: 'id',
        descending: true,
        offset: 0,
        limit: 9,
      })
    ).total,
  ).toBe(1);
  expect((await call('prompts.get', { promptId, scoredBy: later })).completions.map(({ score }) => score)).toEqual([
    null,
    null,
    3,
  ]);
  expect(await call('samples.measures', { filter: { scoredBy: later } })).toMatchObject({
    reward: { name: 'reward-2', reason: 'you chose it for this list' },
    missing: 2,
    canScore: true,
    rewards: [
      { name: 'reward-2', scored: 1, current: false },
      { name: 'reward', scored: 2, current: true },
    ],
  });
  project.close();
});

test('the list is ordered and narrowed by gold', async () => {
  const { project, base, promptId } = withModels();
  const { call } = handled(project, sampleHandlers);
  addCompletions(
    project,
    ['pls pls', ' my sister broke my guitar.', 'so'].map((text) => written(promptId, base, text, [1])),
  );
  const page = (filter: object) =>
    call('samples.page', { filter, sort: 'gold', descending: true, offset: 0, limit: 9 });
  const { rows } = await page({});
  const golds = rows.map((row) => row.gold!);
  expect(rows[0]!.text).toBe(' my sister broke my guitar.');
  expect(golds).toEqual(golds.toSorted((a, b) => b - a));
  expect((await page({ gold: [1, golds[0]! - 0.01] })).rows.map(({ id }) => id)).toEqual(
    rows.slice(1).map(({ id }) => id),
  );
  project.close();
});

test('Inspect says whose scores it shows, why they are missing, and whether asking would help', async () => {
  const { project, base, reward, promptId } = withModels();
  const { call } = handled(project, sampleHandlers);
  const measures = () => call('samples.measures', { filter: {} });
  const [first] = addCompletions(
    project,
    ['a', 'b'].map((text) => written(promptId, base, text, [1, 2])),
  ) as [number];
  const by = {
    hasGold: true,
    rewards: [{ modelId: reward, name: 'reward', scored: 0, current: true }],
    reward: { modelId: reward, name: 'reward', reason: 'it is the first there is' },
    reference: { modelId: base, name: 'base' },
  };
  expect(await measures()).toEqual({
    ...by,
    missing: 2,
    canScore: true,
    why: 'No sample has a score by “reward”: it was never asked.',
  });
  const asked = (id: string, status: RunStatus) =>
    addRun(project, {
      id,
      kind: 'score',
      name: 'x',
      status,
      request: { recipe: 'score', config: { reward: 'reward', reference: '' }, name: null, queuedAt: 1 },
    });
  setMeasures(project, [{ completionId: first, modelId: reward, score: 1 }]);
  asked('0001-score', 'cancelled');
  expect(await measures()).toMatchObject({
    missing: 1,
    canScore: true,
    why: '1 of 2 samples lack a score by “reward”: its last scoring, run 0001-score, was cancelled.',
  });
  asked('0002-score', 'queued');
  expect(await measures()).toMatchObject({
    canScore: false,
    why: '1 of 2 samples wait for their score by “reward”: run 0002-score is waiting its turn.',
  });
  addRun(project, {
    id: '0003-score',
    kind: 'score',
    name: 'x',
    status: 'running',
    request: { recipe: 'score', config: { reward: 'reward-2', reference: '' }, name: null, queuedAt: 1 },
  });
  updateRun(project, '0002-score', { status: 'done' });
  expect(await measures(), 'scoring by another model is no reason').toMatchObject({
    canScore: true,
    why: expect.stringContaining('they came after its last scoring, run 0002-score'),
  });
  setMeasures(project, [{ completionId: first + 1, modelId: reward, score: 1 }]);
  expect(await measures()).toEqual({
    ...by,
    rewards: [{ ...by.rewards[0], scored: 2 }],
    missing: 0,
    canScore: false,
    why: null,
  });
  project.close();

  const { project: empty } = smallProject(fresh());
  expect(await handled(empty, sampleHandlers).call('samples.measures', { filter: {} })).toMatchObject({
    reward: null,
    missing: 5,
    canScore: false,
    why: 'There is no reward model yet, so nothing is scored.',
  });
  empty.close();
});
