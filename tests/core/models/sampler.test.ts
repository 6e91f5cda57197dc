// The sampler: its log-probabilities are the evaluator's, its frequencies the distribution's, and neither batch nor
// stopping changes a sample.

import { describe, expect, test } from 'vitest';
import { withScoreHead } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled, SampleRequest, SampleSettings } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import { expectClose } from './reference-numbers.ts';
import { FAMILIES, randomTokens, tinyModel, VOCABULARY } from './tiny-models.ts';

const ONE = { threads: 1 };
const EXACT = { relative: 0, absolute: 1e-4 };
const PLAIN: SampleSettings = { temperature: 0.7, topK: 0, topP: 1, maxNew: 8, seed: 11 };
const NEVER = { stops: [] };

const random = createRandom(4, 'prompts');
const prompts = [3, 16, 1, 9, 20].map((length) => randomTokens(random, length));
const ask = (prompt: readonly number[], ...streams: string[]): SampleRequest => ({ prompt, streams });

/** Samples once and lets go of what was compiled. */
async function sample(
  model: ReturnType<typeof tinyModel>,
  requests: readonly SampleRequest[],
  settings: Partial<SampleSettings> = {},
): Promise<Sampled[][]> {
  const sampler = createSampler(model.architecture, ONE);
  try {
    return await sampler.sample(model.weights, requests, { ...PLAIN, ...settings });
  } finally {
    await sampler.release();
  }
}
async function logprobs(
  model: ReturnType<typeof tinyModel>,
  requests: readonly SampleRequest[],
  sampled: readonly Sampled[][],
  temperature: number,
): Promise<number[]> {
  const evaluator = createEvaluator(model, ONE);
  const found = await evaluator.logprobs(
    model.weights,
    requests.map(({ prompt }, i) => ({ prompt, completions: sampled[i]!.map(({ tokenIds }) => tokenIds) })),
    temperature,
  );
  await evaluator.release();
  return found.flat(2);
}
/** p of every token after a prompt, in float64, with top-k and top-p applied in the plainest way. */
async function distribution(
  model: ReturnType<typeof tinyModel>,
  prompt: readonly number[],
  { temperature, topK, topP }: SampleSettings,
): Promise<number[]> {
  const evaluator = createEvaluator(model, ONE);
  const [each] = await evaluator.logprobs(
    model.weights,
    [{ prompt, completions: Array.from({ length: VOCABULARY }, (_, id) => [id]) }],
    temperature,
  );
  await evaluator.release();
  const p = each!.map(([lp]) => Math.exp(lp!));
  const order = [...p.keys()].sort((a, b) => p[b]! - p[a]!).slice(0, topK || VOCABULARY);
  const total = order.reduce((sum, id) => sum + p[id]!, 0);
  const kept = new Set<number>();
  for (let i = 0, before = 0; i < order.length && before < topP; i++) {
    kept.add(order[i]!);
    before += p[order[i]!]! / total;
  }
  const mass = [...kept].reduce((sum, id) => sum + p[id]!, 0);
  return p.map((x, id) => (kept.has(id) ? x / mass : 0));
}
/** The value that chi-square with n degrees of freedom exceeds once in a thousand (Wilson and Hilferty 1931). */
const chiSquareLimit = (n: number): number => n * (1 - 2 / (9 * n) + 3.09 * Math.sqrt(2 / (9 * n))) ** 3;

const compositions: Record<string, SampleRequest[]> = {
  'one row': [ask(prompts[3]!, 'a')],
  'equal lengths': [ask(prompts[3]!, 'a'), ask(prompts[3]!, 'b')],
  'unequal lengths': prompts.map((prompt, i) => ask(prompt, `row ${i}`)),
  'several completions each': prompts.map((prompt, i) => ask(prompt, `${i}/a`, `${i}/b`, `${i}/c`)),
  'one and several': [ask(prompts[0]!, 'a'), ask(prompts[1]!, 'b', 'c'), ask(prompts[2]!, 'd')],
};

describe.each(FAMILIES)('%s', (family) => {
  const model = tinyModel(family);

  test.each(Object.keys(compositions))(
    'D1, D3: sampled log-probabilities are the evaluator’s at T and at 1 (%s)',
    async (name) => {
      const requests = compositions[name]!;
      const sampled = await sample(model, requests);
      const rows = sampled.flat();
      expect(sampled.map((row) => row.length)).toEqual(requests.map(({ streams }) => streams.length));
      expectClose(
        rows.flatMap((row) => row.samplingLogprobs),
        await logprobs(model, requests, sampled, PLAIN.temperature),
        'at T',
        EXACT,
      );
      const plain = await logprobs(model, requests, sampled, 1);
      expectClose(
        rows.flatMap((row) => row.logprobs),
        plain,
        'at 1',
        EXACT,
      );
      const off = rows.flatMap((row) => row.samplingLogprobs).map((lp, i) => Math.abs(lp - plain[i]!));
      expect(Math.max(...off), 'T matters: dropping it would show').toBeGreaterThan(0.05);
    },
  );

  test('the same at T = 1, and for one new token', async () => {
    for (const settings of [{ temperature: 1 }, { maxNew: 1 }]) {
      const requests = compositions['unequal lengths']!;
      const sampled = await sample(model, requests, settings);
      expectClose(
        sampled.flat().flatMap((row) => row.samplingLogprobs),
        await logprobs(model, requests, sampled, { ...PLAIN, ...settings }.temperature),
        JSON.stringify(settings),
        EXACT,
      );
    }
  });

  test('D30: the same seed is bit-identical, another seed and another stream differ', async () => {
    const requests = compositions['several completions each']!;
    const first = await sample(model, requests);
    expect(await sample(model, requests)).toEqual(first);
    expect((await sample(model, requests, { seed: 12 })).flat().map(({ tokenIds }) => tokenIds)).not.toEqual(
      first.flat().map(({ tokenIds }) => tokenIds),
    );
    expect(first[0]![0]!.tokenIds).not.toEqual(first[0]![1]!.tokenIds);
  });

  test('D4: a row in another batch, with more left padding or fewer rows at a time, gets the same tokens', async () => {
    const requests = compositions['unequal lengths']!;
    const sampled = await sample(model, requests);
    const others = await Promise.all([
      Promise.all(requests.map(async (request) => (await sample(model, [request]))[0]!)),
      sample(model, requests.toReversed()).then((rows) => rows.toReversed()),
      sample(model, requests, { rows: 2 }),
    ]);
    for (const other of others) {
      expect(other.map(([row]) => row!.tokenIds)).toEqual(sampled.map(([row]) => row!.tokenIds));
      expectClose(
        other.flatMap(([row]) => row!.samplingLogprobs),
        sampled.flatMap(([row]) => row!.samplingLogprobs),
        'log-probabilities',
        EXACT,
      );
    }
  });

  test('completions that share a prefill are those of separate requests', async () => {
    const requests = compositions['several completions each']!;
    const together = await sample(model, requests);
    const apart = await sample(
      model,
      requests.flatMap(({ prompt, streams }) => streams.map((stream) => ask(prompt, stream))),
    );
    expect(together.flat().map(({ tokenIds }) => tokenIds)).toEqual(apart.map(([row]) => row!.tokenIds));
    expectClose(
      together.flat().flatMap((row) => row.samplingLogprobs),
      apart.flatMap(([row]) => row!.samplingLogprobs),
      'log-probabilities',
      EXACT,
    );
  });

  test('D29: end-of-text stops a row, and stopping changes nothing of what is kept', async () => {
    const requests = compositions['several completions each']!;
    const settings = { maxNew: 12, temperature: 1 };
    const endless = (
      await sample({ ...model, architecture: { ...model.architecture, ...NEVER } }, requests, settings)
    ).flat();
    const counts = Array.from(
      { length: VOCABULARY },
      (_, id) => endless.filter(({ tokenIds }) => tokenIds.includes(id)).length,
    );
    const end = counts.findIndex((count) => count >= endless.length / 4 && count < endless.length);
    expect(end, 'a token that some rows have and some have not').toBeGreaterThanOrEqual(0);
    const stopped = (
      await sample({ ...model, architecture: { ...model.architecture, stops: [end] } }, requests, settings)
    ).flat();
    stopped.forEach((row, i) => {
      const whole = endless[i]!;
      const at = whole.tokenIds.indexOf(end);
      const length = at < 0 ? settings.maxNew : at + 1;
      expect(row.finish).toBe(at < 0 ? 'length' : 'stop');
      expect(row.tokenIds, 'end-of-text is kept, nothing after it').toEqual(whole.tokenIds.slice(0, length));
      expectClose(row.samplingLogprobs, whole.samplingLogprobs.slice(0, length), 'at T', {
        relative: 0,
        absolute: 1e-6,
      });
      expectClose(row.logprobs, whole.logprobs.slice(0, length), 'at 1', { relative: 0, absolute: 1e-6 });
    });
    expect(new Set(stopped.map(({ finish }) => finish)).size, 'both endings were seen').toBe(2);
    // all rows end at the first token: the loop has nothing to do
    const [[first]] = (await sample(model, [ask(prompts[3]!, 'a')], settings)) as [[Sampled]];
    const [[only]] = (await sample(
      { ...model, architecture: { ...model.architecture, stops: [first.tokenIds[0]!] } },
      [ask(prompts[3]!, 'a')],
      settings,
    )) as [[Sampled]];
    expect(only).toEqual({
      tokenIds: [first.tokenIds[0]],
      samplingLogprobs: [first.samplingLogprobs[0]],
      logprobs: [first.logprobs[0]],
      finish: 'stop',
    });
  });

  test('several stops: the first of any of them ends a row, and is kept', async () => {
    const requests = compositions['several completions each']!;
    const settings = { maxNew: 12, temperature: 1 };
    const endless = (
      await sample({ ...model, architecture: { ...model.architecture, ...NEVER } }, requests, settings)
    ).flat();
    const counts = Array.from(
      { length: VOCABULARY },
      (_, id) => endless.filter(({ tokenIds }) => tokenIds.includes(id)).length,
    );
    const stops = [...counts.keys()]
      .filter((id) => counts[id]! > 0)
      .sort((a, b) => counts[b]! - counts[a]!)
      .slice(2, 5);
    const stopped = (
      await sample({ ...model, architecture: { ...model.architecture, stops } }, requests, settings)
    ).flat();
    stopped.forEach((row, i) => {
      const whole = endless[i]!.tokenIds;
      const at = whole.findIndex((id) => stops.includes(id));
      expect([row.tokenIds, row.finish]).toEqual([at < 0 ? whole : whole.slice(0, at + 1), at < 0 ? 'length' : 'stop']);
    });
    const last = stopped.filter(({ finish }) => finish === 'stop').map(({ tokenIds }) => tokenIds.at(-1)!);
    expect(new Set(last).size, 'more than one of them was written').toBeGreaterThan(1);
  });

  test('D29: sampling is over when every row has ended, not when the tokens are used up', async () => {
    const request = ask(prompts[3]!, 'a');
    const settings = { ...PLAIN, temperature: 0, maxNew: 400 };
    const roomy = tinyModel(family, 1, { context: 512 });
    const [[row]] = (await sample(roomy, [request], { ...settings, maxNew: 1 })) as [[Sampled]];
    const twice = async (stops: number[]) => {
      const sampler = createSampler({ ...roomy.architecture, stops }, ONE);
      const took: number[] = [];
      let rows: Sampled[][] = [];
      for (let run = 0; run < 2; run++) {
        // the first run compiles
        const started = performance.now();
        rows = await sampler.sample(roomy.weights, [request], settings);
        took.push(performance.now() - started);
      }
      await sampler.release();
      return { took: took[1]!, tokens: rows[0]![0]!.tokenIds.length };
    };
    const endless = await twice([]);
    const ended = await twice([row.tokenIds[0]!]);
    expect([endless.tokens, ended.tokens]).toEqual([400, 1]);
    expect(ended.took).toBeLessThan(endless.took / 3);
  });

  test('greedy takes the most likely token at every step', async () => {
    const requests = compositions['unequal lengths']!.slice(0, 2);
    const sampled = await sample(model, requests, { temperature: 0, maxNew: 4 });
    for (const [i, { prompt }] of requests.entries()) {
      for (const [n, token] of sampled[i]![0]!.tokenIds.entries()) {
        const p = await distribution(model, [...prompt, ...sampled[i]![0]!.tokenIds.slice(0, n)], {
          ...PLAIN,
          temperature: 1,
        });
        expect(token, `row ${i}, token ${n}`).toBe(p.indexOf(Math.max(...p)));
      }
    }
    expectClose(
      sampled.flat().flatMap((row) => row.samplingLogprobs),
      await logprobs(model, requests, sampled, 1),
      'the plain distribution',
      EXACT,
    );
  });
});

describe('frequencies', () => {
  const model = tinyModel('llama');
  const SAMPLES = 3000;
  test.each([
    ['plain', { temperature: 1 }],
    ['T = 0.7', {}],
    ['top-k 5', { topK: 5 }],
    ['top-k 1', { topK: 1 }],
    ['top-p 0.5', { topP: 0.5, temperature: 1 }],
    ['top-p 0.9', { topP: 0.9 }],
    ['top-k 6 and then top-p 0.8', { topK: 6, topP: 0.8 }],
  ] as const)('%s: chi-square on one step, and nothing outside the kept tokens', async (_, changes) => {
    const settings = { ...PLAIN, ...changes, maxNew: 1 };
    const p = await distribution(model, prompts[3]!, settings);
    const [rows] = await sample(
      model,
      [ask(prompts[3]!, ...Array.from({ length: SAMPLES }, (_, i) => `sample ${i}`))],
      settings,
    );
    const counts = new Array<number>(VOCABULARY).fill(0);
    for (const { tokenIds, samplingLogprobs } of rows!) {
      const token = tokenIds[0]!;
      counts[token]!++;
      expect(p[token], `token ${token} is outside the kept ones`).toBeGreaterThan(0);
      expect(
        Math.abs(samplingLogprobs[0]! - Math.log(p[token]!)),
        'its log-probability is under what was sampled from',
      ).toBeLessThan(1e-4);
    }
    const likely = [...p.keys()].filter((id) => p[id]! * SAMPLES >= 5);
    const rest = 1 - likely.reduce((sum, id) => sum + p[id]!, 0);
    const cells = [
      ...likely.map((id) => [counts[id]!, p[id]! * SAMPLES]),
      ...(rest * SAMPLES > 1 ? [[SAMPLES - likely.reduce((sum, id) => sum + counts[id]!, 0), rest * SAMPLES]] : []),
    ] as [number, number][];
    const isSure = settings.topK === 1;
    expect(cells.length === 1, 'enough cells for the test to mean something').toBe(isSure);
    expect(cells.length, 'enough cells for the test to mean something').not.toBe(2);
    const limit = isSure ? 1e-9 : chiSquareLimit(cells.length - 1);
    expect(cells.reduce((sum, [seen, due]) => sum + (seen - due) ** 2 / due, 0)).toBeLessThan(limit);
  });

  test('later steps too stay within the k most likely and the smallest nucleus', async () => {
    for (const changes of [{ topK: 3 }, { topP: 0.6 }]) {
      const settings = { ...PLAIN, ...changes, maxNew: 4 };
      const [[row]] = (await sample(model, [ask(prompts[1]!, 'a')], settings)) as [[Sampled]];
      for (const [n, token] of row.tokenIds.entries()) {
        const p = await distribution(model, [...prompts[1]!, ...row.tokenIds.slice(0, n)], settings);
        expectClose([row.samplingLogprobs[n]!], [Math.log(p[token]!)], `token ${n}`, EXACT);
      }
    }
  });
});

test('a prompt that leaves no room, and one without tokens, are refused by number', async () => {
  const model = tinyModel('gpt2', 1, { ...NEVER, context: 24 });
  const [[row]] = (await sample(model, [ask(prompts[1]!, 'a')])) as [[Sampled]];
  expect(row.tokenIds, '16 + 8 tokens just fit').toHaveLength(8);
  await expect(sample(model, [ask(prompts[0]!, 'a'), ask([...prompts[1]!, 5], 'b')])).rejects.toMatchObject({
    code: 'too-long',
    message: "Prompt 2 has 17 tokens; with 8 new ones it exceeds the model's context of 24.",
  });
  await expect(sample(model, [ask([], 'a')])).rejects.toMatchObject({
    code: 'bad-data',
    message: 'Prompt 1 has no tokens.',
  });
});

test.each(FAMILIES)(
  '%s: weights that are finite but too large give no numbers, and that is said in place of a sample, a score or a log-probability',
  async (family) => {
    const words = tinyModel(family);
    const gain = `${families[family].names.finalNorm}.weight`;
    const huge = { ...words, weights: { ...words.weights, [gain]: words.weights[gain]!.map(() => 3e38) } };
    const says = {
      code: 'not-finite',
      message: expect.stringMatching(
        /^The model's (log-probabilities after prompt 1|numbers for row 1) are not finite/,
      ),
    };
    for (const temperature of [0, 0.7])
      await expect(
        sample(huge, [ask(prompts[0]!, 'a', 'b')], { temperature, topK: temperature ? 5 : 0 }),
      ).rejects.toMatchObject(says);
    for (const [model, read] of [
      [huge, 'logprobs'],
      [withScoreHead(huge, 3), 'scores'],
      [withScoreHead(huge, 3), 'values'],
    ] as const) {
      const weights =
        read === 'logprobs'
          ? model.weights
          : { ...model.weights, 'score.weight': new Float32Array(model.architecture.channels).fill(2) };
      const evaluator = createEvaluator(model, ONE);
      await expect(
        evaluator[read](weights, [{ prompt: prompts[0]!, completions: [prompts[1]!] }]),
        read,
      ).rejects.toMatchObject(says);
      await evaluator.release();
    }
  },
);
