// Texts that may not come out: none does, under any tokenizer and from a model that wants to say it; nothing else is
// kept from coming out; and the numbers are those of the distribution that was sampled from.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createEvaluator } from '#core/models/evaluator.ts';
import { forbid, statesBefore } from '#core/models/forbidden.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampled } from '#core/models/sampler.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { asLines, forbiddenTexts, textsIn } from '#core/recipes/parts/forbidden-texts.ts';
import { startRun } from '#core/runs/start.ts';
import { countDrawn } from '#core/store/run-completions.ts';
import { getPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { bytesJson, END, SMALL_TOKENIZERS, tokenizerFrom } from '#tests/core/tokenizer/small-tokenizers.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import {
  addTrainedReward,
  errorFrom,
  jsonRows,
  makeTinyProject,
  metricsOf,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const ONE = { threads: 1 };

/** Whether a token may come after what was written. */
function mayCome({ kinds, kindOf, next }: Forbidden, written: readonly number[], id: number): boolean {
  const state = statesBefore({ kinds, kindOf, next } as Forbidden, [...written, id]).at(-1)!;
  return next[state * kinds + kindOf[id]!]! >= 0;
}

/** Tokens drawn at random, `wanted` ones often, those that may not come left out; and those that were left out. */
function drawn(
  rule: Forbidden,
  tokenizer: Tokenizer,
  random: Random,
  wanted: readonly number[],
): { written: number[]; refused: number[][] } {
  const written: number[] = [];
  const refused: number[][] = [];
  while (written.length < 40) {
    const often = random.uniform() < 0.9;
    const from = often ? wanted.length : tokenizer.vocabularySize;
    const at = Math.floor(random.uniform() * from);
    const id = often ? wanted[at]! : at;
    if (tokenizer.stops.includes(id) || !tokenizer.isToken(id)) continue;
    if (mayCome(rule, written, id)) written.push(id);
    else refused.push([...written, id]);
  }
  return { written, refused };
}

describe.each(Object.entries(SMALL_TOKENIZERS))('%s', (_, tokenizer) => {
  const texts = ['the cat', 'aab', 'é!', 'x<|user|>'];

  test('no cut into tokens spells a text, and what is refused would have', async () => {
    const rule = (await forbiddenTexts(tokenizer, tokenizer.vocabularySize, texts))!;
    // tokens of which the texts are made: they are wanted
    const letters = new Set(texts.join('').normalize('NFD') + texts.join('') + '▁Ġ');
    const bytes = /^<0x(C3|A9|63|61)>$|^[ÃÂ©]+$/;
    const wanted = Array.from({ length: tokenizer.vocabularySize }, (__, id) => id).filter(
      (id) =>
        tokenizer.token(id) === '<|user|>' ||
        bytes.test(tokenizer.token(id)) ||
        [...tokenizer.token(id)].every((letter) => letters.has(letter)),
    );
    const prompt = await tokenizer.encode('a word.');
    const [said, unsaid]: [number[][], number[][]] = [[], []];
    for (let seed = 0; seed < 150; seed++) {
      const { written, refused } = drawn(rule, tokenizer, createRandom(seed, 'drawn'), wanted);
      said.push(written);
      unsaid.push(...refused);
    }
    const read = (lists: number[][]) =>
      answerTexts(
        tokenizer,
        lists.map((ids) => ({ prompt, ids })),
      );
    const out = (await read(said)).filter((text) => texts.some((one) => text.includes(one)));
    expect(out).toEqual([]);
    expect(unsaid.length).toBeGreaterThan(20);
    // exact: each refused token would have completed one of them, with or without its composed letters
    const forms = texts.flatMap((text) => [text, text.normalize('NFD')]);
    const innocent = (await read(unsaid)).filter((text) => !forms.some((one) => text.includes(one)));
    expect(innocent).toEqual([]);
  });
});

test('the automaton is the plain search, whatever the texts and however they are cut', () => {
  const letters = fc.stringMatching(/^[ab]{1,4}$/);
  fc.assert(
    fc.property(
      fc.array(letters, { minLength: 1, maxLength: 3 }),
      fc.array(fc.stringMatching(/^[abc]{0,5}$/), { minLength: 1, maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 20 }),
      (texts, tokens, picks) => {
        const rule = forbid(
          texts,
          tokens.map((token) => new TextEncoder().encode(token)),
        )!;
        const written: number[] = [];
        for (const pick of picks) {
          const id = pick % tokens.length;
          const text = [...written, id].map((one) => tokens[one]).join('');
          const completes = tokens[id] !== '' && texts.some((one) => text.includes(one));
          expect(mayCome(rule, written, id)).toBe(!completes);
          if (!completes) written.push(id);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('what is typed: one text a line, spaces around it do not count, \\n is a line end', async () => {
  expect(textsIn(' the cat \n\nthe cat\na\\nb')).toEqual(['the cat', 'a\nb']);
  expect(textsIn(asLines(['a\nb', 'c']))).toEqual(['a\nb', 'c']);
  const tokenizer = SMALL_TOKENIZERS[Object.keys(SMALL_TOKENIZERS)[0]!]!;
  expect(await forbiddenTexts(tokenizer, 10, [' ', ''])).toBeNull();
  const long = await errorFrom(() => forbiddenTexts(tokenizer, 10, ['x'.repeat(5000)]));
  expect(long).toMatchObject({ code: 'bad-argument', message: expect.stringContaining('5,000 bytes') });
});

test('a tokenizer that changes texts while it puts them together is refused', async () => {
  const json = bytesJson();
  const tokenizer = tokenizerFrom(
    {
      ...json,
      decoder: {
        type: 'Sequence',
        decoders: [json['decoder'], { type: 'Replace', pattern: { Regex: '[a-z][a-z]' }, content: 'x' }],
      },
    },
    { eos_token: END },
  );
  // what the native package does with each piece by itself reads as it is; what it does with the whole does not
  const error = await errorFrom(() => forbiddenTexts(tokenizer, tokenizer.vocabularySize, ['ab']));
  expect(error).toMatchObject({ code: 'bad-argument', message: expect.stringContaining('changes texts') });
});

/** A model that says each of these tokens equally often, others hardly, whatever stands before. */
function eager(tokenizer: Tokenizer, wanted: readonly number[]): Checkpoint {
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: tokenizer.vocabularySize,
    channels: 8,
    layers: 1,
    heads: 2,
    keyValueHeads: 2,
    feedForward: 16,
    context: 64,
    tied: true,
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad,
  });
  const weights = freshWeights(parameters(architecture), 1, 1, 0.05);
  for (let id = 0; id < architecture.vocabulary; id++)
    weights['transformer.wte.weight']![id * 8] = wanted.includes(id) ? 1 : 0;
  weights['transformer.ln_f.weight']![0] = 0;
  weights['transformer.ln_f.bias']![0] = 9;
  return { architecture, head: 'language-model', weights };
}

describe('a model that wants to say it', () => {
  const corpus = Array.from({ length: 30 }, () => 'the cat sat; cats and a cat, concatenated scat');
  const tokenizer = tokenizerFrom({ ...trainBpe(corpus, 290) }, { eos_token: END });
  const ids = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id);
  const wanted = ids.filter((id) => /^Ġ?(c|a|t|ca|at|cat|cats|s)$/.test(tokenizer.token(id)));
  const model = eager(tokenizer, wanted);
  const prompt = { prompt: [wanted[0]!] };
  const many = (seed: number) => [{ ...prompt, streams: Array.from({ length: 16 }, (_, j) => `${seed}/${j}`) }];
  const settings = { temperature: 0.9, topK: 0, topP: 1, maxNew: 24 };
  const said = async (changes: object, forbidden: Forbidden | null, seeds = 12): Promise<Sampled[]> => {
    const sampler = createSampler(model.architecture, ONE);
    const all: Sampled[] = [];
    for (let seed = 0; seed < seeds; seed++)
      all.push(
        ...(await sampler.sample(model.weights, many(seed), { ...settings, ...changes, seed, forbidden })).flat(),
      );
    await sampler.release();
    return all;
  };
  const textsOf = (sampled: readonly Sampled[]) =>
    answerTexts(
      tokenizer,
      sampled.map(({ tokenIds }) => ({ prompt: prompt.prompt, ids: tokenIds })),
    );

  test('says it without the rule, in several spellings, and never with it', async () => {
    expect(wanted.length).toBeGreaterThan(5);
    const free = await said({}, null);
    const texts = await textsOf(free);
    expect(texts.filter((text) => text.includes('cat')).length).toBeGreaterThan(0.8 * texts.length);
    const rule = await forbiddenTexts(tokenizer, tokenizer.vocabularySize, ['cat']);
    for (const changes of [{}, { topK: 5 }, { topP: 0.5 }, { temperature: 1 }, { temperature: 0 }]) {
      const held = await textsOf(await said(changes, rule));
      expect(held.filter((text) => text.includes('cat'))).toEqual([]);
      expect(held.some((text) => text.length > 10)).toBe(true);
    }
    // capitals as written
    const capitals = await forbiddenTexts(tokenizer, tokenizer.vocabularySize, ['CAT']);
    expect(await said({}, capitals)).toEqual(free);
  });

  test('its log-probabilities are of what was left to choose from, and those at 1 of everything', async () => {
    const rule = await forbiddenTexts(tokenizer, tokenizer.vocabularySize, ['cat', 'ss']);
    const sampled = await said({}, rule, 1);
    const evaluator = createEvaluator(model, ONE);
    const groups = [{ ...prompt, completions: sampled.map(({ tokenIds }) => tokenIds) }];
    const [under] = await evaluator.logprobs(model.weights, groups, settings.temperature, rule);
    const [at1] = await evaluator.logprobs(model.weights, groups);
    const [every] = await evaluator.logprobs(
      model.weights,
      [{ prompt: prompt.prompt, completions: ids.map((id) => [id]) }],
      settings.temperature,
    );
    await evaluator.release();
    let renormalised = 0;
    sampled.forEach(({ tokenIds, samplingLogprobs, logprobs }, i) => {
      samplingLogprobs.forEach((lp, t) => {
        expect(lp).toBeCloseTo(under![i]![t]!, 4);
        expect(logprobs[t]!).toBeCloseTo(at1![i]![t]!, 4);
      });
      // by hand, of the first token and of any: the sum of p over what may come
      const left = ids.filter((id) => mayCome(rule!, [], id)).reduce((sum, id) => sum + Math.exp(every![id]![0]!), 0);
      expect(samplingLogprobs[0]!).toBeCloseTo(every![tokenIds[0]!]![0]! - Math.log(left), 4);
      renormalised = Math.max(renormalised, -Math.log(left));
    });
    expect(renormalised).toBeGreaterThan(0.01);
  });
});

describe('recipes', () => {
  const fresh = temporaryProjects();
  let project: Project;
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    await addTrainedReward(project);
  });
  afterAll(() => project.close());

  test('sampling keeps the rule with what it drew, and draws anew under another', async () => {
    const config = { policy: 'base', k: 1, temperature: 1, max_new: 12, seed: 5, forbid: 'e\na' };
    const { id, counts } = await startRun(project, 'sample', config, null);
    expect(counts!['added']).toBe(34);
    const drawn = jsonRows<{ text: string; sampling: object }>(project, id, 'completions.jsonl');
    expect(drawn.filter(({ text }) => /[ea]/.test(text))).toEqual([]);
    expect(drawn[0]!.sampling).toMatchObject({ forbid: ['e', 'a'] });
    const base = getPolicy(project, 'base').id;
    const parameters = { temperature: 1, topK: 0, topP: 1, maxNew: 12, seed: 5 };
    expect(countDrawn(project, base, { ...parameters, forbid: ['e', 'a'] }).size).toBe(34);
    expect(countDrawn(project, base, parameters).size).toBe(0);
    expect((await startRun(project, 'sample', config, null)).counts!['added']).toBe(0);
    expect((await startRun(project, 'sample', { ...config, forbid: '' }, null)).counts!['added']).toBe(34);
  });

  test('PPO: never written, the first ratio 1 and KL 0 under the rule, and both move when it learns', async () => {
    const settings = { ...QUICK_PPO, evaluate_every: 1, temperature: 0.9, learning_rate: 5e-3, forbid: 'e\na\nth' };
    const { id } = await startRun(project, 'ppo', { ...settings, updates: 3, epochs: 2 }, null);
    const rows = jsonRows<{ text: string }>(project, id, 'rollouts.jsonl');
    expect(rows).toHaveLength(48);
    const shown = jsonRows<{ text: string; kl: number }>(project, id, 'samples.jsonl');
    expect([...rows, ...shown].filter(({ text }) => /[ea]|th/.test(text))).toEqual([]);
    const metrics = metricsOf(project, id);
    for (const row of metrics.filter(({ first_ratio_max }) => first_ratio_max !== undefined))
      expect(Math.abs(row.first_ratio_max! - 1)).toBeLessThan(1e-4);
    const [start, ...later] = metrics.filter(({ held_out_kl }) => held_out_kl !== undefined);
    expect(Math.abs(start!.held_out_kl!)).toBeLessThan(1e-4);
    expect(Math.abs(later.at(-1)!.held_out_kl!)).toBeGreaterThan(1e-3);
    const completions = jsonRows<{ logprobs: number[]; samplingLogprobs: number[] }>(project, id, 'completions.jsonl');
    const moved = completions.flatMap(({ logprobs, samplingLogprobs }) =>
      logprobs.map((lp, t) => samplingLogprobs[t]! - lp),
    );
    expect(Math.max(...moved)).toBeGreaterThan(0.05); // what is kept at 1 is of everything the model could say
  });
});
