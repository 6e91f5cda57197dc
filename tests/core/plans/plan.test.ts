// Plans: what every recipe says it will do grows as its settings say, and memory and time are read off the phases.
import { describe, expect, test } from 'vitest';
import { PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { newArchitecture } from '#core/models/architecture.ts';
import { isLarge, LARGE } from '#core/plans/large-models.ts';
import { bytesOf } from '#core/plans/memory.ts';
import { asJudge, bytesOfShape, withScores } from '#core/plans/model-shape.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import { carriedAbove, numbersAbove, packedRows, reading } from '#core/plans/plan.ts';
import type { Phase, Plan } from '#core/plans/plan.ts';
import { workOf } from '#core/plans/time.ts';
import type { Facts, Lengths } from '#core/recipes/facts.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';

const architecture = newArchitecture({
  family: 'gpt2',
  vocabulary: 64,
  channels: 16,
  layers: 3,
  heads: 2,
  feedForward: 64,
  context: 128,
  endOfText: 0,
});
const writer: ModelShape = { architecture, head: 'language-model', weights: {} };
const judge = withScores(writer, true);
const facts: Facts = {
  prompts: { train: 40, validation: 8, test: 0 },
  references: 40,
  rankings: 30,
  simulated: 0,
  validationRankings: 6,
  completions: 120,
  isDemo: false,
};
const lengths: Lengths = {
  prompt: 20,
  longestPrompt: 30,
  reference: 10,
  longestReference: 16,
  completion: 12,
  ranked: 3,
  longestRanked: 80,
};
const here = { facts, lengths, model: (name: string) => (name === 'judge' ? judge : writer) };
const planOf = (recipe: RecipeName, given: Record<string, unknown>, among = here): Plan =>
  RECIPES[recipe].plan(readConfig(RECIPES[recipe].settings, given), among);
const tokens = ({ phases }: Plan, does: Phase['does']): number =>
  phases.filter((phase) => phase.does === does).reduce((sum, phase) => sum + phase.tokens, 0);

describe('what a recipe says it does', () => {
  test('reward: validation rankings are read once, the others trained on in each pass', () => {
    const config = { policy: 'writer', batch: 4, zero: 'none' };
    const ranking = 20 + 3 * 12; // tokens of prompt and completions
    const once = planOf('reward', config);
    expect([tokens(once, 'train'), tokens(once, 'read')]).toEqual([24 * ranking, 6 * ranking]);
    const twice = planOf('reward', { ...config, epochs: 2 });
    expect([tokens(twice, 'train'), tokens(twice, 'read')]).toEqual([2 * 24 * ranking, 6 * ranking]);
    const none = { ...here, facts: { ...facts, validationRankings: 0 } };
    const back = planOf('reward', { ...config, validation: 0.5 }, none);
    expect([tokens(back, 'train'), tokens(back, 'read')]).toEqual([15 * ranking, 15 * ranking]);
  });

  test('reward: frozen blocks read everything once, and what learns meets only the numbers above', () => {
    const config = { policy: 'writer', batch: 4, zero: 'none', tune: 'blocks', tuned_blocks: 1 };
    const [features, training, validating] = planOf('reward', config).phases;
    expect([features!.does, training!.does, validating!.does]).toEqual(['read', 'train', 'read']);
    expect(features!.tokens).toBe(30 * (20 + 3 * 12));
    expect(features!.numbers + training!.numbers).toBe(numbersAbove(writer, 0));
    expect(training!.numbers).toBeLessThan(numbersAbove(writer, 0) / 2);
    expect(validating!.numbers).toBe(training!.numbers);
    // x of each token; where no block is left, the hidden state of each slot
    expect([2, 3, 0].map((layer) => carriedAbove(judge, layer, { T: 40, Q: 3 }))).toEqual([40 * 16, 3 * 16, 0]);
  });

  test('PPO: twice the updates are twice the work, twice the passes twice the training', () => {
    const config = { policy: 'writer', reward: 'judge', updates: 4, episodes: 8, max_new: 10, evaluate_every: 0 };
    const one = planOf('ppo', config);
    expect(workOf(planOf('ppo', { ...config, updates: 8 }))).toBeCloseTo(2 * workOf(one), 3);
    expect(tokens(one, 'write')).toBe(4 * 8 * 10);
    expect(tokens(planOf('ppo', { ...config, epochs: 8 }), 'train')).toBe(2 * tokens(one, 'train'));
    expect(tokens(planOf('ppo', { ...config, epochs: 8 }), 'read')).toBe(tokens(one, 'read'));
    const looked = planOf('ppo', { ...config, evaluate_every: 2, evaluate_prompts: 8 });
    expect(tokens(looked, 'write')).toBe(4 * 8 * 10 + 3 * 8 * 8 * 10); // before, after 2 and 4; 64 samples each
  });

  test('every recipe has a plan of phases that take time, and names no model twice', () => {
    const given: Record<string, Record<string, unknown>> = {
      sft: { policy: 'writer' },
      reward: { policy: 'writer' },
      ppo: { policy: 'writer', reward: 'judge' },
      sample: { policy: 'writer' },
      score: { reward: 'judge', reference: 'writer' },
      pretrain: { texts: 'somewhere' },
    };
    for (const name of Object.keys(RECIPES) as RecipeName[]) {
      const plan = planOf(name, given[name] ?? { policy: 'writer' });
      expect(plan.phases.length, name).toBeGreaterThan(0);
      for (const phase of plan.phases) expect(phase.tokens * phase.numbers, `${name} ${phase.does}`).toBeGreaterThan(0);
      expect(new Set(plan.models).size, name).toBe(plan.models.length);
    }
  });
});

const read = (rows: number): Phase[] =>
  reading(writer, { rows, longest: 60, slots: 16, shared: false, temperature: 1, tokens: 100 });
const plan = (phases: Phase[], turns: Plan['turns']): Plan => ({
  models: ['one', 'two'],
  wholes: [judge],
  made: 5e6,
  phases,
  turns,
  rounds: false,
});

test('time is three for training and for a sampled token, one for what is read', () => {
  const [phase] = read(4);
  expect(workOf(plan([phase!], 'never'))).toBe(100 * numbersAbove(writer, 0));
  const [writing] = planOf('sample', { policy: 'writer', k: 2, max_new: 10, prompts: 5 }).phases;
  expect(workOf(plan([writing!], 'never'))).toBe((5 * 20 + 3 * 5 * 2 * 10) * numbersAbove(writer, 0));
  expect(read(0)).toEqual([]);
});

test('memory: of phases that take turns the largest, else all of them, beside the arrays', async () => {
  const weights = (names: readonly string[]) => names.length * 1e6;
  const bytes = async (phases: Phase[], turns: Plan['turns'], device = PROCESSOR) =>
    bytesOf(plan(phases, turns), weights, device);
  const empty = (await bytes([], 'always')).host;
  expect(
    empty - (await bytesOf({ ...plan([], 'always'), models: [], wholes: [], made: 0 }, weights, PROCESSOR)).host,
  ).toBe(2e6 + bytesOfShape(judge) + 5e6);
  const small = (await bytes(read(2), 'always')).host - empty;
  const large = (await bytes(read(16), 'always')).host - empty;
  expect(large).toBeGreaterThan(small);
  const both = [...read(2), ...read(16)];
  expect((await bytes(both, 'always')).host - empty).toBeCloseTo(large, 3);
  expect((await bytes(both, 'never')).host - empty).toBeCloseTo(small + large, 3);
  expect((await bytes(both, { large: architecture })).host - empty).toBeCloseTo(small + large, 3); // it is not
  expect((await bytes(both, 'never')).device).toBe(0);
  // a card holds the graphs of any model in turn
  const cuda = readDevice('cuda');
  expect((await bytes(both, { large: architecture }, cuda)).device).toBe((await bytes(both, 'always', cuda)).device);
});

test('one limit says which models are large', () => {
  const channels = 768;
  const of = (layers: number) =>
    newArchitecture({
      family: 'gpt2',
      vocabulary: 1000,
      channels,
      layers,
      heads: 12,
      feedForward: 4 * channels,
      context: 64,
      endOfText: 0,
    });
  const sizes = [8, 9].map((layers) => numbersAbove({ ...writer, architecture: of(layers) }, 0));
  expect([sizes[0]! < LARGE, sizes[1]! > LARGE]).toEqual([true, true]);
  expect([8, 9].map((layers) => isLarge(of(layers), PROCESSOR))).toEqual([false, true]);
  expect(isLarge(architecture, readDevice('cuda'))).toBe(true);
});

test('a judge keeps its head, and a row holds as many completions as fit', () => {
  expect(asJudge(judge)).toBe(judge);
  expect(asJudge(writer).head).toBe('linear');
  expect(packedRows(30, 4, 30 + 4 * 20)).toEqual({ rows: 1, completions: 4, tokens: 110 });
  const many = packedRows(100, 96, 100 + 96 * 40);
  expect(many.rows).toBeGreaterThan(3);
  expect(many.completions * many.rows).toBeGreaterThanOrEqual(96);
  expect(many.tokens).toBeLessThan(100 + 96 * 40);
});
