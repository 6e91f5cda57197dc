// Lens, attribution and strips as tasks: of real model folders, against plain scoring, and what they refuse.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { logprobsAlong, scoresAlong } from '#core/inspection/along.ts';
import { attribution } from '#core/inspection/attribution.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { lens } from '#core/inspection/lens.ts';
import type { LensQuestion } from '#core/inspection/lens.ts';
import { nextTokens } from '#core/inspection/next-token.ts';
import { scoreAnswers } from '#core/inspection/score-answers.ts';
import { strips } from '#core/inspection/strips.ts';
import type { StripsQuestion } from '#core/inspection/strips.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, loadCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { createInspector } from '#core/service/inspector.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { expectClose } from '#tests/core/models/reference-numbers.ts';

const GIB = 2 ** 30;
const PROMPT = { text: 'My sister broke the telescope' };
const ANSWER = ' and we do not talk about it';
const TEXT = { prompt: PROMPT, answer: ANSWER, ended: true };
const fresh = temporaryProjects();
const models = createHeldModels({ limit: GIB });
let root: string, base: string;
const at = (name: string) => ({ name, folder: path.join(root, name) });

/** Saves a model under a name. */
function save(name: string, checkpoint: Checkpoint): void {
  saveCheckpoint(path.join(root, name), checkpoint, { tokenizerFrom: base });
}

beforeAll(async () => {
  const project = await makeTinyProject(fresh());
  project.close();
  root = path.join(project.folder, 'models');
  base = path.join(root, 'base');
  const model = loadCheckpoint(base);
  save('judge', withScoreHead(model, 5));
  const weights = Object.fromEntries(Object.entries(model.weights).map(([name, w]) => [name, w.map((x) => 1.3 * x)]));
  save('later', { ...model, weights });
  const deeper = { ...model.architecture, layers: 3 };
  save('deeper', { ...model, architecture: deeper, weights: freshWeights(parameters(deeper), 3, 1, 0.1) });
  const words = path.join(root, 'other-words');
  await writeTokenizer(words, trainBpe(['the telescope broke and broke'], 262));
  saveCheckpoint(path.join(root, 'stranger'), model, { tokenizerFrom: words });
  saveCheckpoint(path.join(root, 'foreign'), withScoreHead(model, 6), { tokenizerFrom: words });
});

const asked = (changes: Partial<LensQuestion> = {}): LensQuestion => ({
  ...TEXT,
  model: at('base'),
  beside: null,
  layers: null,
  positions: null,
  count: 4,
  ...changes,
});

describe('the lens', () => {
  test('ends, at the last layer, in what the model says along the text and would write next', async () => {
    const { ids, tokens, prompt, layers, positions, beside, difference } = await lens(models, asked({ ended: false }));
    const along = await logprobsAlong(models, { ...TEXT, ended: false, model: at('base') });
    expect([ids, tokens, prompt]).toEqual([along.ids, along.tokens, along.prompt]);
    expect([positions, beside, difference]).toEqual([[0, ids.length], null, null]);
    expect(layers.map(({ layer }) => layer)).toEqual([0, 1, 2]);
    const last = layers.at(-1)!;
    expectClose(last.nextLogprobs.slice(0, -1) as number[], along.numbers.slice(1) as number[], 'ln p', {
      relative: 1e-5,
      absolute: 1e-5,
    });
    const { alternatives } = await nextTokens(models, { model: at('base'), prompt: PROMPT, answer: ANSWER, count: 4 });
    const best = last.best.at(-1)!;
    expect(best.map(({ id, token }) => [id, token])).toEqual(alternatives.map(({ id, token }) => [id, token]));
    expectClose(
      best.map(({ logprob }) => logprob),
      alternatives.map(({ logprob }) => logprob),
      'ln p of the best',
    );
    for (const { best: each, entropies, norms } of layers) {
      expect([each.length, entropies.length, norms.length]).toEqual([ids.length, ids.length, ids.length]);
      expect(each.every((four) => four.length === 4)).toBe(true);
    }
  });

  test('of two checkpoints is that of each, and what the second has more of', async () => {
    const both = await lens(models, asked({ beside: at('later') }));
    const alone = await lens(models, asked());
    const other = await lens(models, asked({ model: at('later') }));
    expect([both.layers, both.beside]).toEqual([alone.layers, other.layers]);
    both.difference!.forEach(({ layer, ...difference }, i) => {
      const [a, b] = [both.layers[i]!, both.beside![i]!];
      expect(layer).toBe(a.layer);
      for (const name of ['entropies', 'divergences', 'nextLogprobs', 'nextRanks', 'norms'] as const)
        expect(difference[name], `${name} after layer ${layer}`).toEqual(
          a[name].map((value, p) => (value === null ? null : b[name][p]! - value)),
        );
    });
    const itself = await lens(models, asked({ beside: at('base') }));
    for (const { divergences, norms } of itself.difference!)
      expect([...divergences, ...norms].every((value) => value === 0)).toBe(true);
    expect(both.difference!.some(({ norms }) => norms.some((value) => Math.abs(value) > 0.1))).toBe(true);
  });

  test('reads a quantised file as what its numbers stand for', async () => {
    const tokenizer = await loadTokenizer(base);
    const architecture = newArchitecture({
      family: 'llama',
      vocabulary: 300,
      channels: 32,
      layers: 1,
      heads: 2,
      feedForward: 32,
      context: 96,
      tied: false,
      endOfText: tokenizer.endOfText,
      pad: tokenizer.pad,
    });
    const file = path.join(root, 'packed.gguf');
    const weights = freshWeights(parameters(architecture), 1, 4, 0.3);
    saveGguf(
      file,
      { architecture, head: 'language-model', weights },
      {
        type: 'Q8_0',
        name: 'packed',
        tokenizer: ggufTokenizerFields(readTokenizerFiles(base), {
          vocabulary: 300,
          stops: [tokenizer.endOfText],
          file: base,
        }),
      },
    );
    const packed = { name: 'packed', folder: file };
    const { layers, ids } = await lens(models, asked({ model: packed }));
    const { checkpoint } = await models.of(packed);
    const [[own]] = (await createEvaluator(checkpoint).logprobs(checkpoint.weights, [
      { prompt: ids.slice(0, 1), completions: [ids.slice(1)] },
    ])) as [[number[]]];
    expectClose(layers[1]!.nextLogprobs.slice(0, -1) as number[], own, 'ln p', { relative: 1e-5, absolute: 1e-5 });
  });

  test.each<[string, () => Partial<LensQuestion>, string, string]>([
    ['a reward model', () => ({ model: at('judge') }), 'bad-argument', '"judge" is a reward model; it cannot write.'],
    [
      'layers that are not there',
      () => ({ layers: [1, 7] }),
      'bad-argument',
      '“base” has the layers 0, its embedding, to 2; there is no layer 7.',
    ],
    ['half a layer', () => ({ layers: [0.5] }), 'bad-argument', /there is no layer 0\.5\.$/.source],
    [
      'positions that are not there',
      () => ({ positions: [3, 99] }),
      'bad-argument',
      /3 to before 99 is no part of it/.source,
    ],
    ['no positions', () => ({ positions: [3, 3] }), 'bad-argument', /3 to before 3 is no part of it/.source],
    ['no text', () => ({ prompt: { text: '' }, answer: '', ended: false }), 'bad-argument', 'The text is empty.'],
    ['a long text', () => ({ answer: ' word'.repeat(99) }), 'too-long', /tokens; “base” sees 192\.$/.source],
    ['too much at once', () => ({ count: 5000 }), 'too-long', /are more than a lens shows at once/.source],
    [
      'a checkpoint of other layers',
      () => ({ beside: at('deeper') }),
      'bad-argument',
      /“base” has 2 layers and “deeper” has 3/.source,
    ],
    [
      'another tokenizer',
      () => ({ beside: at('stranger') }),
      'bad-argument',
      /“base” and “stranger” have different tokenizers/.source,
    ],
  ])('refuses %s in a sentence', async (_, changes, code, message) => {
    await expect(lens(models, asked(changes()))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('of a checkpoint that was deleted meanwhile is refused, naming what is gone', async () => {
    fs.cpSync(base, path.join(root, 'deleted'), { recursive: true });
    expect((await lens(models, asked({ model: at('deleted') }))).layers).toHaveLength(3);
    fs.rmSync(path.join(root, 'deleted'), { recursive: true });
    await expect(lens(models, asked({ model: at('deleted') }))).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(/deleted.config\.json/),
    });
  });
});

describe('attribution', () => {
  const LONG = `${ANSWER}; she says it was the wind, and the wind says nothing`;

  test('of a score: along the text, without each token as plain scoring has it, gradient × input', async () => {
    const question = { ...TEXT, answer: LONG, model: at('judge') };
    const found = await attribution(models, question);
    const { ids, prompt, value, of, leftOut } = found;
    expect(of).toBe('score');
    expect(found.along).toEqual((await scoresAlong(models, question)).numbers);
    const { hash } = await loadTokenizer(base);
    const plain = async (answer: number[]) => {
      const one = { text: 'no matter', ended: false, sampled: { ids: answer, tokenizer: hash } };
      return (await scoreAnswers(models, { model: at('judge'), prompt: PROMPT, answers: [one] })).scores[0]!;
    };
    const answer = ids.slice(prompt);
    expectClose([value], [await plain(answer)], 'score');
    expect(leftOut.slice(0, prompt)).toEqual(ids.slice(0, prompt).map(() => null));
    const wanted = [];
    for (const i of answer.keys()) wanted.push((await plain(answer)) - (await plain(answer.toSpliced(i, 1))));
    expectClose(leftOut.slice(prompt) as number[], wanted, 'without each');
    expect(new Set(wanted).size, 'they differ').toBeGreaterThan(answer.length / 2);
    expect(found.gradientTimesInput).toHaveLength(ids.length);
    expect(found.gradientTimesInput.some((share) => Math.abs(share) > 1e-3)).toBe(true);
  });

  test('of ln p of an answer: what each token does for those after it, as plain scoring has it', async () => {
    const found = await attribution(models, { ...TEXT, answer: LONG, model: at('base') });
    const { ids, prompt, value, of, leftOut, along } = found;
    expect(of).toBe('logprob');
    const start = ids.slice(0, prompt);
    const answer = ids.slice(prompt);
    const { weights, ...rest } = loadCheckpoint(base);
    const plain = async (completion: number[]) =>
      (
        await createEvaluator({ weights, ...rest }).logprobs(weights, [{ prompt: start, completions: [completion] }])
      )[0]![0]!;
    const whole = await plain(answer);
    const sum = (list: readonly number[]) => list.reduce((total, x) => total + x, 0);
    expectClose([value], [sum(whole)], 'ln p');
    expectClose(along.slice(prompt) as number[], whole, 'along');
    for (const i of answer.keys()) {
      const without = await plain(answer.toSpliced(i, 1));
      const others = sum(whole.filter((_, j) => j !== i));
      expectClose([leftOut[prompt + i]!], [others - sum(without)], `without token ${i}`, {
        relative: 1e-3,
        absolute: 1e-3,
      });
    }
    expect(leftOut.at(-1), 'nothing follows the last').toBe(0);
  });

  test('of a reward model that reads other tokens goes by its own', async () => {
    const [own, foreign] = [
      await attribution(models, { ...TEXT, model: at('judge') }),
      await attribution(models, { ...TEXT, model: at('foreign') }),
    ];
    expect(foreign.ids).not.toEqual(own.ids);
    expect(foreign.leftOut).toHaveLength(foreign.ids.length);
  });

  test('refuses an empty answer, an empty prompt and one that is too long in sentences', async () => {
    for (const model of [at('judge'), at('base')]) {
      const ask = (changes: object) => attribution(models, { ...TEXT, ended: false, model, ...changes });
      await expect(ask({ answer: '' })).rejects.toMatchObject({
        code: 'bad-argument',
        message: 'The answer is empty, so that none of its tokens can be left out.',
      });
      await expect(ask({ prompt: { text: '' } })).rejects.toMatchObject({ message: 'The prompt is empty.' });
      await expect(ask({ answer: ' word'.repeat(99) })).rejects.toMatchObject({ code: 'too-long' });
    }
  });
});

describe('strips', () => {
  const ppo = { beta: 0.1, gamma: 0.9, lambda: 0.8, limit: 48, placement: 'after-end' } as const;
  const stripsAsked = (changes: Partial<StripsQuestion> = {}): StripsQuestion => ({
    ...TEXT,
    policy: at('later'),
    reference: at('base'),
    reward: at('judge'),
    credit: ppo,
    ...changes,
  });

  test('are the numbers along the text by each model, and the advantages that PPO would give', async () => {
    const { ids, prompt, logprob, reference, kl, value, advantage } = await strips(models, stripsAsked());
    const by = async (name: string) =>
      (await logprobsAlong(models, { ...TEXT, model: at(name) })).numbers.slice(prompt) as number[];
    expectClose(logprob, await by('later'), 'ln π');
    expectClose(reference!, await by('base'), 'ln π_ref');
    expect(kl).toEqual(logprob.map((x, t) => x - reference![t]!));
    expect(logprob).toHaveLength(ids.length - prompt);

    const { evaluator, checkpoint } = await models.of(at('judge'));
    const [[V]] = (await evaluator.values(checkpoint.weights, [
      { prompt: ids.slice(0, prompt), completions: [ids.slice(prompt)] },
    ])) as [[number[]]];
    expectClose(value!, V.slice(0, -1), 'values');
    // the score lands in the slot after the end; it is read with or without the end as the model's convention says
    const { scores } = await scoreAnswers(models, {
      model: at('judge'),
      prompt: PROMPT,
      answers: [{ text: ANSWER, ended: true, sampled: null }],
    });
    const rewards = [...kl!.map((x) => -ppo.beta * x), scores[0]!];
    const delta = rewards.map((r, t) => r + ppo.gamma * (t + 1 < rewards.length ? V[t + 1]! : 0) - V[t]!);
    const wanted = logprob.map((_, t) =>
      delta.slice(t).reduce((sum, d, k) => sum + (ppo.gamma * ppo.lambda) ** k * d, 0),
    );
    expectClose(advantage!, wanted, 'advantages', { relative: 1e-4, absolute: 1e-4 });
  });

  test('lack what no model was named for, and are refused where tokens do not meet', async () => {
    const alone = await strips(models, stripsAsked({ reference: null, reward: null }));
    expect([alone.reference, alone.kl, alone.value, alone.advantage]).toEqual([null, null, null, null]);
    const judged = await strips(models, stripsAsked({ reference: null }));
    expect([judged.value?.length, judged.advantage]).toEqual([alone.logprob.length, null]);
    for (const [changes, message] of [
      [{ reward: at('foreign') }, /^“foreign” gives no scores: “later” and “foreign” have different tokenizers/],
      [{ reference: at('judge') }, /^"judge" is a reward model; it cannot write\.$/],
      [{ reward: at('base') }, /^“base” gives no scores: it is no reward model\.$/],
      [{ answer: '', ended: false }, /^The answer is empty\.$/],
    ] as const)
      await expect(strips(models, stripsAsked(changes))).rejects.toMatchObject({
        code: 'bad-argument',
        message: expect.stringMatching(message),
      });
  });
});

test('all three cross from the real process as they are', async () => {
  const inspector = createInspector();
  try {
    const question = { ...TEXT, model: at('judge') };
    const striped: StripsQuestion = {
      ...TEXT,
      policy: at('later'),
      reference: at('base'),
      reward: at('judge'),
      credit: { beta: 0.1, gamma: 1, lambda: 0.95, limit: 48, placement: 'at-end' },
    };
    expect(await inspector.ask('lens', asked({ beside: at('later') }))).toEqual(
      await lens(models, asked({ beside: at('later') })),
    );
    expect(await inspector.ask('attribution', question)).toEqual(await attribution(models, question));
    expect(await inspector.ask('strips', striped)).toEqual(await strips(models, striped));
    await expect(inspector.ask('lens', asked({ layers: [9] }))).rejects.toMatchObject({ code: 'bad-argument' });
  } finally {
    await inspector.close();
  }
});
