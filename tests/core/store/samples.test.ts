// The list of samples: every filter and every order against the plain computation, and what models said of a
// completion.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SampleFilter, SampleSort } from '#core/contract/samples.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { countComparisons } from '#core/store/comparison-count.ts';
import { createProject } from '#core/store/database.ts';
import { undoEvent } from '#core/store/events.ts';
import { setFlag } from '#core/store/flags.ts';
import { fillGolds } from '#core/store/golds.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { listMeasures, measuredReference, setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking, replaceRanking } from '#core/store/rankings.ts';
import { removePrompts } from '#core/store/remove-prompts.ts';
import { addRun, updateRun } from '#core/store/runs.ts';
import { pageSamples } from '#core/store/samples.ts';
import type { MeasuredSample } from '#core/store/samples.ts';
import { errorOf, sampling, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const SORTS: readonly SampleSort[] = ['id', 'score', 'gold', 'length', 'kl', 'repetition', 'step', 'logprob'];
/** Any number of a text will do here: what is tried is finding and ordering by it. */
const goldOf = (text: string) => (text.length % 4) / 2;
const breath = () => new Promise<void>((done) => setImmediate(done));
const MODELS = { rewardModelId: 3, referenceId: 1 };

interface Drawn {
  prompt: number;
  policy: number | null;
  run: boolean;
  step: number | null;
  stop: boolean;
  tokens: number[];
  text: string;
  score: number | null;
  reference: number | null;
  flagged: boolean;
}
const drawn: fc.Arbitrary<Drawn> = fc.record({
  prompt: fc.integer({ min: 1, max: 4 }),
  policy: fc.constantFrom(null, 1, 2),
  run: fc.boolean(),
  step: fc.option(fc.nat(3)),
  stop: fc.boolean(),
  tokens: fc.array(fc.nat(2), { maxLength: 9 }),
  text: fc.constantFrom('a red fox', 'a blue fox', 'no animal', 'a red fox 100%', ''),
  score: fc.option(fc.constantFrom(-1.5, 0, 0.25, 2)),
  reference: fc.option(fc.constantFrom(-4, -2, -1)),
  flagged: fc.boolean(),
});

function bigEnough(rows: readonly Drawn[]): Project {
  const project = createProject(fresh());
  addPrompts(
    project,
    [1, 2, 3, 4].map((n) => ({
      text: `prompt ${n}`,
      split: 'train',
      source: 's',
      facts: n > 2 ? { R: `${n}` } : null,
    })),
  );
  addRun(project, { id: 'ppo-1', kind: 'ppo', name: 'ppo' });
  for (const [name, kind] of [
    ['base', 'base'],
    ['tuned', 'policy'],
    ['reward', 'reward'],
    ['other', 'reward'],
  ] as const)
    addPolicy(project, { name, kind, path: `models/${name}` });
  const ada = ensureLabeler(project, 'ada', 'person').id;
  const ids = addCompletions(
    project,
    rows.map(({ prompt, policy, run, step, stop, tokens, text }) => {
      const logprobs = tokens.map((token) => -0.5 * (token + 1));
      return {
        promptId: prompt,
        policyId: policy,
        text,
        tokenIds: tokens,
        logprobs,
        samplingLogprobs: logprobs,
        finish: stop ? 'stop' : 'length',
        sampling,
        runId: run ? 'ppo-1' : null,
        step,
      };
    }),
  );
  setMeasures(
    project,
    rows.flatMap(({ score, reference }, i) => [
      ...(score === null ? [] : [{ completionId: ids[i]!, modelId: 3, score }]),
      { completionId: ids[i]!, modelId: 4, score: 9 }, // another model's score is not looked at
      ...(reference === null ? [] : [{ completionId: ids[i]!, modelId: 1, logprob: reference }]),
    ]),
  );
  rows.forEach(({ flagged }, i) => flagged && setFlag(project, { labelerId: ada, completionId: ids[i]! }, true));
  return project;
}

/** What the list should hold, computed from the rows as they were drawn. */
function naive(rows: readonly Drawn[], filter: SampleFilter, sort: SampleSort, descending: boolean): number[] {
  const all = rows.map((row, i) => {
    const logprob = row.tokens.reduce((sum, token) => sum - 0.5 * (token + 1), 0);
    const triples = row.tokens.slice(2).map((_, k) => row.tokens.slice(k, k + 3).join());
    return {
      ...row,
      id: i + 1,
      length: row.tokens.length,
      logprob,
      repetition: triples.length === 0 ? 0 : 1 - new Set(triples).size / triples.length,
      kl: row.reference === null ? null : logprob - row.reference,
      gold: row.prompt > 2 ? goldOf(row.text) : null,
    };
  });
  const within = (range: readonly [number, number] | undefined, value: number | null) =>
    range === undefined || (value !== null && value >= range[0] && value <= range[1]);
  const same = <T>(wanted: T | undefined, value: T | null) => wanted === undefined || wanted === value;
  const kept = all.filter(
    (row) =>
      same(filter.promptId, row.prompt) &&
      same(filter.policyId, row.policy) &&
      same(filter.runId, row.run ? 'ppo-1' : null) &&
      (filter.comingOf === undefined || (row.policy === null && same(filter.comingOf, row.run ? 'ppo-1' : null))) &&
      same(filter.step, row.step) &&
      same(filter.finish, row.stop ? 'stop' : 'length') &&
      same(filter.flagged, row.flagged) &&
      within(filter.length, row.length) &&
      within(filter.repetition, row.repetition) &&
      within(filter.score, row.score) &&
      within(filter.kl, row.kl) &&
      within(filter.gold, row.gold) &&
      (filter.search ?? '').split(' ').every((word) => row.text.includes(word)),
  );
  const sign = descending ? -1 : 1;
  return kept
    .sort((a, b) => {
      const [x, y] = [a[sort], b[sort]];
      if (x === null || y === null) return x === y ? sign * (a.id - b.id) : x === null ? 1 : -1;
      return sign * (x - y || a.id - b.id);
    })
    .map(({ id }) => id);
}

const range = fc
  .tuple(fc.constantFrom(-10, -1, 0, 0.2, 1, 3), fc.constantFrom(0, 0.5, 2, 5, 9))
  .map(([a, b]): [number, number] => [a, b]);
const filters: fc.Arbitrary<SampleFilter> = fc.record(
  {
    search: fc.constantFrom('fox', 'red fox', 'a', '0%', 'blue', 'zebra'),
    policyId: fc.constantFrom(1, 2),
    runId: fc.constantFrom('ppo-1', 'ppo-9'),
    comingOf: fc.constantFrom('ppo-1', 'ppo-9'),
    step: fc.nat(3),
    promptId: fc.integer({ min: 1, max: 5 }),
    finish: fc.constantFrom('stop' as const, 'length' as const),
    flagged: fc.boolean(),
    length: range,
    repetition: range,
    score: range,
    kl: range,
    gold: range,
  },
  { requiredKeys: [] },
);

test('every page of every order under every filter is what sorting the rows oneself gives', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(drawn, { minLength: 1, maxLength: 40 }),
      fc.array(filters, { minLength: 4, maxLength: 8 }),
      fc.integer({ min: 1, max: 15 }),
      async (rows, list, limit) => {
        const project = bigEnough(rows);
        await fillGolds(project, goldOf, breath);
        for (const filter of [{}, ...list])
          for (const sort of SORTS)
            for (const descending of [true, false]) {
              const wanted = naive(rows, filter, sort, descending);
              for (let offset = 0; offset <= rows.length; offset += limit) {
                const { total, rows: page } = pageSamples(project, filter, sort, descending, offset, limit, MODELS);
                expect([sort, descending, filter, total, page.map(({ id }) => id)]).toEqual([
                  sort,
                  descending,
                  filter,
                  wanted.length,
                  wanted.slice(offset, offset + limit),
                ]);
              }
            }
        project.close();
      },
    ),
    { numRuns: 12 },
  );
});

test('gold scores follow what comes in, goes and is brought back, and are computed once', async () => {
  const one: Drawn = {
    prompt: 3,
    policy: null,
    run: false,
    step: null,
    stop: true,
    tokens: [1],
    text: 'a',
    score: null,
    reference: null,
    flagged: false,
  };
  const project = bigEnough([one, { ...one, text: 'abc' }, { ...one, prompt: 4, text: 'ab' }]);
  const computed: string[] = [];
  const page = async () => {
    await fillGolds(project, (text) => (computed.push(text), text.length), breath);
    return pageSamples(project, {}, 'gold', true, 0, 9, MODELS).rows.map(({ text }) => text);
  };
  expect(await page()).toEqual(['abc', 'ab', 'a']);
  const { eventId } = removePrompts(project, [3]);
  expect(await page()).toEqual(['ab']);
  undoEvent(project, eventId);
  addCompletions(project, [{ ...listCompletions(project, { ids: [1] })[0]!, text: 'abcd' }]);
  expect(await page()).toEqual(['abcd', 'abc', 'ab', 'a']);
  expect(await page()).toHaveLength(4);
  expect(computed).toEqual(['a', 'abc', 'ab', 'a', 'abc', 'abcd']);
  project.close();
});

test('a project without facts has no gold: that order is the order of the ids', async () => {
  const project = createProject(fresh());
  const [promptId] = addPrompts(project, [{ text: 'p', split: 'train', source: 's' }]) as [number];
  addCompletions(
    project,
    ['x', 'y'].map((text) => ({
      promptId,
      policyId: null,
      text,
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      finish: 'stop' as const,
      sampling,
      runId: null,
    })),
  );
  await fillGolds(project, goldOf, breath);
  expect(pageSamples(project, {}, 'gold', true, 0, 9, MODELS).rows.map(({ text }) => text)).toEqual(['y', 'x']);
  expect(pageSamples(project, { gold: [0, 9] }, 'id', true, 0, 9, MODELS).total).toBe(0);
  project.close();
});

test('without a reward model or a reference, their orders are those of the ids, and their filters let nothing through', () => {
  const project = bigEnough(
    [1, 2, 3].map((n): Drawn => ({
      prompt: 1,
      policy: 1,
      run: false,
      step: null,
      stop: true,
      tokens: [n],
      text: 'x',
      score: -n,
      reference: -n,
      flagged: false,
    })),
  );
  const none = { rewardModelId: null, referenceId: null };
  for (const sort of ['score', 'kl'] as const)
    expect(pageSamples(project, {}, sort, true, 0, 9, none).rows.map(({ id, [sort]: value }) => [id, value])).toEqual([
      [3, null],
      [2, null],
      [1, null],
    ]);
  expect(pageSamples(project, { score: [-9, 9] }, 'id', false, 0, 9, none)).toEqual({ total: 0, rows: [] });
  project.close();
});

test('a row shows what is known of a completion: policy, prompt, score, KL, flag, and the rank of its newest ranking', () => {
  const project = bigEnough([
    {
      prompt: 2,
      policy: 2,
      run: true,
      step: 3,
      stop: false,
      tokens: [1, 1, 1, 1],
      text: 'a red fox',
      score: 0.25,
      reference: -1,
      flagged: true,
    },
    {
      prompt: 2,
      policy: null,
      run: false,
      step: null,
      stop: true,
      tokens: [],
      text: 'b',
      score: null,
      reference: null,
      flagged: false,
    },
  ]);
  const labelerId = ensureLabeler(project, 'bob', 'person').id;
  for (const ranks of [
    [1, 2],
    [2, 1],
  ])
    addRanking(project, {
      promptId: 2,
      labelerId,
      status: 'ranked',
      ranks: ranks.map((rank, i) => ({ completionId: i + 1, rank })),
    });
  const [first, second] = pageSamples(project, {}, 'id', false, 0, 9, MODELS).rows as [MeasuredSample, MeasuredSample];
  expect(first).toEqual({
    id: 1,
    promptId: 2,
    prompt: 'prompt 2',
    text: 'a red fox',
    policyId: 2,
    policy: 'tuned',
    runId: 'ppo-1',
    step: 3,
    finish: 'length',
    tokens: 4,
    repetition: 0.5,
    score: 0.25,
    kl: -3,
    logprob: -4,
    flagged: true,
    rank: 2,
    facts: null,
  });
  expect(second).toMatchObject({
    policyId: null,
    policy: '',
    score: null,
    kl: null,
    flagged: false,
    rank: 1,
    tokens: 0,
  });
  // a total is counted anew when something changed
  addCompletions(project, [{ ...listCompletions(project, { ids: [2] })[0]!, text: 'c' }]);
  expect(pageSamples(project, {}, 'id', false, 0, 1, MODELS).total).toBe(3);
  project.close();
});

test('what a run writes before its model is there is called by the run, and is never "imported"', () => {
  const one: Drawn = {
    prompt: 1,
    policy: null,
    run: true,
    step: 4,
    stop: true,
    tokens: [1],
    text: 'x',
    score: null,
    reference: null,
    flagged: false,
  };
  const project = bigEnough([one, { ...one, policy: 1, step: 0 }, { ...one, run: false, step: null }]);
  const names = () =>
    pageSamples(project, {}, 'id', false, 0, 9, MODELS).rows.map(({ policy, step }) => [policy, step]);
  expect(names()).toEqual([
    ['ppo (running)', 4],
    ['base', 0],
    ['', null],
  ]);
  expect(pageSamples(project, { comingOf: 'ppo-1' }, 'id', false, 0, 9, MODELS).rows.map(({ id }) => id)).toEqual([1]);
  updateRun(project, 'ppo-1', { status: 'cancelled' });
  expect(names()[0]).toEqual(['ppo (cancelled)', 4]);
  project.close();
});

test('measures add to each other and come back as they were; what does not fit its completion is named', () => {
  const project = bigEnough([
    {
      prompt: 1,
      policy: 1,
      run: false,
      step: null,
      stop: true,
      tokens: [0, 1],
      text: 'x',
      score: null,
      reference: null,
      flagged: false,
    },
  ]);
  expect([null, 1].map((id) => measuredReference(project, id))).toEqual([null, 1]);
  setMeasures(project, [{ completionId: 1, modelId: 1, tokenLogprobs: [-0.25, -0.125] }]);
  setMeasures(project, [
    { completionId: 1, modelId: 1, score: 7 },
    { completionId: 1, modelId: 3, score: 1, tokenValues: [0.1, -0] },
  ]);
  expect(listMeasures(project, { completionIds: [1] })).toEqual([
    {
      completionId: 1,
      modelId: 1,
      score: 7,
      logprob: -0.375,
      kl: -1.5 + 0.375,
      tokenLogprobs: [-0.25, -0.125],
      tokenValues: null,
    },
    { completionId: 1, modelId: 3, score: 1, logprob: null, kl: null, tokenLogprobs: null, tokenValues: [0.1, -0] },
    { completionId: 1, modelId: 4, score: 9, logprob: null, kl: null, tokenLogprobs: null, tokenValues: null },
  ]);
  expect([null, 1, 3].map((id) => measuredReference(project, id))).toEqual([1, 1, 1]);
  for (const [row, says] of [
    [{ completionId: 5, modelId: 1 }, 'has no completion'],
    [{ completionId: 1, modelId: 9 }, 'no policy 9'],
    [{ completionId: 1, modelId: 1, tokenValues: [1] }, '1 values for 2 tokens'],
    [{ completionId: 1, modelId: 1, score: NaN }, 'not a number'],
  ] as const)
    expect(errorOf(() => setMeasures(project, [{ completionId: 1, modelId: 3, score: 5 }, row]))).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining(says),
    });
  expect(listMeasures(project, { completionIds: [1], modelId: 3 })[0]!.score).toBe(1); // all or none
  project.close();
});

test('an item whose scores change again before they were settled makes no trouble', () => {
  const project = bigEnough(
    [1, 2].map((n): Drawn => ({
      prompt: 1,
      policy: 1,
      run: false,
      step: null,
      stop: true,
      tokens: [n],
      text: `answer ${n}`,
      score: n,
      reference: null,
      flagged: false,
    })),
  );
  for (const score of [3, 4, 5]) setMeasures(project, [{ completionId: 1, modelId: 3, score }]);
  const labelerId = ensureLabeler(project, 'bob', 'person').id;
  settleItems(project);
  const id = addRanking(project, {
    promptId: 1,
    labelerId,
    status: 'ranked',
    ranks: [1, 2].map((rank) => ({ completionId: rank, rank })),
  });
  countComparisons(project);
  for (const first of [2, 1, 2])
    replaceRanking(project, id, {
      promptId: 1,
      labelerId,
      status: 'ranked',
      ranks: [first, 3 - first].map((completionId, i) => ({ completionId, rank: i + 1 })),
    });
  expect(countComparisons(project)).toBe(1);
  settleItems(project);
  expect(query(project, 'SELECT agreed FROM item_scores WHERE model_id = 3').all()).toEqual([{ agreed: 0 }]);
  project.close();
});
