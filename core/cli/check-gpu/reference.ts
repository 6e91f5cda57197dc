// Section "reference": models whose numbers PyTorch computed, on the device: logits, loss, every gradient, ten AdamW
// losses, greedy tokens.

import fs from 'node:fs';
import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import type { Precision } from '#core/autodiff/device.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { checkpointParameters, loadCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { SEQUENCE_LOSSES } from '#core/training/objectives/sequence-losses.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { createTrainer, freshState } from '#core/training/trainer.ts';
import type { Context } from './context.ts';

/**
 * Allowed differences: of a tensor's numbers as a share of its largest, of losses and log-probabilities as they are. On
 * a
 * processor, products rounded to bfloat16 as the card does were off by up to 0.016 (logits), 0.030 (gradients) and
 * 0.016 (losses).
 * TF32: PyTorch's own, on the same models and card, is off by up to 0.0016 (logits) and 0.0047 (gradients); exact: ours
 * is off by
 * up to 7e-7, 1.4e-6 and 5.5e-6 (log-probabilities), PyTorch's gradients by 1.0e-6.
 */
const ALLOWED: Readonly<
  Record<Precision | 'exact', { logits: number; gradients: number; losses: number; logprobs: number }>
> = {
  exact: { logits: 1e-5, gradients: 1e-5, losses: 1e-5, logprobs: 2e-5 },
  fp32: { logits: 2e-3, gradients: 6e-3, losses: 1e-3, logprobs: 1e-2 },
  bf16: { logits: 3e-2, gradients: 6e-2, losses: 2e-2, logprobs: 0.1 },
};
/** The project's own, then those that lie beside it where they do. */
const FOLDERS = ['tests/fixtures/reference/models', '../shared/reference/models', 'shared/reference/models'];

interface Expected {
  shape(name: string): number[];
  floats(name: string): Float32Array;
  integers(name: string): Int32Array;
  names: readonly string[];
}
interface Settings {
  adamw: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  temperature: number;
  prompt_ids: number[][];
  adamw_losses?: number[];
}

function foldersFrom(root: string): string[] {
  return FOLDERS.flatMap((folder) => {
    const place = path.join(root, folder);
    return fs.existsSync(place)
      ? fs
          .readdirSync(place)
          .sort()
          .map((name) => path.join(place, name))
          .filter((model) => fs.existsSync(path.join(model, 'expected.safetensors')))
      : [];
  });
}

function readExpected(folder: string): Expected {
  const { tensors } = readSafetensors(path.join(folder, 'expected.safetensors'));
  return {
    names: [...tensors.keys()],
    shape: (name) => tensors.get(name)!.shape,
    floats: (name) => tensors.get(name)!.load(),
    integers: (name) => tensors.get(name)!.loadIntegers(),
  };
}

/** The largest difference as a share of the largest number expected; infinite where something is no number. */
function share(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let off = 0;
  let most = 1e-6;
  for (let i = 0; i < wanted.length; i++) {
    const d = Math.abs(found[i]! - wanted[i]!);
    if (!Number.isFinite(d)) return Infinity;
    off = Math.max(off, d);
    most = Math.max(most, Math.abs(wanted[i]!));
  }
  return off / most;
}
const furthest = (found: readonly number[], wanted: ArrayLike<number>): number =>
  Math.max(...found.map((value, i) => (Number.isFinite(value) ? Math.abs(value - wanted[i]!) : Infinity)));

/** The batch as the trainer takes it: targets are the next tokens, weights 0 where there is none. */
function batchOf(E: Expected) {
  const [B, T] = E.shape('input_ids') as [number, number];
  const ids = E.integers('input_ids');
  const mask = E.integers('attention_mask');
  const last = (i: number) => i % T === T - 1;
  return {
    B,
    T,
    mask,
    feeds: {
      ids,
      targets: ids.map((_, i) => (last(i) ? 0 : ids[i + 1]!)),
      mask: Float32Array.from(mask, (_, i) => (last(i) ? 0 : 1)),
      weights: Float32Array.from(mask, (_, i) => (last(i) ? 0 : mask[i + 1]!)),
    },
  };
}

/**
 * GPT-NeoX's output matrix is called embed_out in files and lm_head in the modules that the numbers were computed with.
 */
const inPyTorch = (name: string) => name.replace(/^embed_out\./, 'lm_head.');

async function gradientsOf(
  checkpoint: Checkpoint,
  E: Expected,
): Promise<{ logits: number; loss: number; gradient: { name: string; off: number }; count: number }> {
  const { architecture } = checkpoint;
  const { B, T, mask, feeds } = batchOf(E);
  const list = checkpointParameters(checkpoint).filter(({ name }) => E.names.includes(`grad/${inPyTorch(name)}`));
  const executable = await compile(
    {
      state: {},
      frozen: weightTypes(checkpointParameters(checkpoint)),
      feeds: languageModelFeeds(B, T),
      step: ({ graph, frozen, feeds: fed }) => {
        const model = { architecture, weights: frozen, graph };
        const logits = languageModelHead(model, trunk(model, { ids: fed.ids! }).hidden);
        const { loss } = SEQUENCE_LOSSES.likelihood.loss(tokenLogprobs(logits, fed.targets!), fed.mask!, fed.weights!);
        const slopes = gradients(
          loss,
          list.map(({ name }) => frozen[name]!),
        );
        return {
          state: {},
          outputs: { logits, loss, ...Object.fromEntries(list.map(({ name }, i) => [name, slopes[i]!])) },
        };
      },
    },
    { device: chosenDevice() },
  );
  const { outputs } = await executable.run({}, checkpoint.weights, feeds);
  const of = (name: string) => Float32Array.from(outputs[name]!.data as Float32Array);
  await executable.release();
  const logits = of('logits');
  const width = logits.length / (B * T);
  const offs = list.map(({ name }) => ({ name, off: share(of(name), E.floats(`grad/${inPyTorch(name)}`)) }));
  return {
    logits: share(
      logits.map((value, i) => value * mask[Math.floor(i / width)]!),
      E.floats('logits'),
    ),
    loss: furthest([of('loss')[0]!], E.floats('loss')),
    count: offs.length,
    gradient: offs.reduce((a, b) => (b.off > a.off ? b : a)),
  };
}

async function losses(
  checkpoint: Checkpoint,
  E: Expected,
  { adamw, adamw_losses }: Settings,
  K: number,
): Promise<number> {
  const { B, T, feeds } = batchOf(E);
  // torch decays all it is given
  const decayed = checkpointParameters(checkpoint).map((parameter) => ({ ...parameter, decay: true }));
  const trainer = createTrainer(
    decayed,
    freshState(checkpoint.weights),
    languageModelLoss(checkpoint.architecture),
    { betas: adamw.betas, epsilon: adamw.eps, epsilonStyle: 'torch', weightDecay: adamw.weight_decay, clipNorm: null },
    { device: chosenDevice() },
  );
  const repeated = <A extends Int32Array | Float32Array>(data: A) =>
    Array.from({ length: K }, () => Array.from(data)).flat();
  const stacked = {
    ids: Int32Array.from(repeated(feeds.ids)),
    targets: Int32Array.from(repeated(feeds.targets)),
    mask: Float32Array.from(repeated(feeds.mask)),
    weights: Float32Array.from(repeated(feeds.weights)),
  };
  const found: number[] = [];
  while (found.length < 10)
    found.push(
      ...(await trainer.steps('batch', languageModelFeeds(B, T), stacked, new Array<number>(K).fill(adamw.lr))).loss!,
    );
  await trainer.release();
  return furthest(found, adamw_losses ?? E.floats('adamw_losses'));
}

/**
 * Greedy tokens of the prompts one by one, and the log-probabilities of PyTorch's tokens. A row of zeros is one that
 * PyTorch did not compute.
 */
async function greedy(
  checkpoint: Checkpoint,
  E: Expected,
  { temperature, prompt_ids: prompts }: Settings,
): Promise<{ same: number; rows: number; off: number }> {
  const [rows, N] = E.shape('greedy') as [number, number];
  const all = Array.from(E.integers('greedy'));
  const tokens = Array.from({ length: rows }, (_, i) => all.slice(i * N, (i + 1) * N));
  const device = chosenDevice();
  const evaluator = createEvaluator(checkpoint, { device, constants: checkpoint.weights });
  const sampler = createSampler({ ...checkpoint.architecture, stops: [] }, { device, constants: checkpoint.weights });
  const forced = await evaluator.logprobs(
    checkpoint.weights,
    prompts.map((prompt, i) => ({ prompt, completions: [tokens[i]!] })),
    temperature,
  );
  const written = await sampler.sample(
    checkpoint.weights,
    prompts.map((prompt) => ({ prompt, streams: ['greedy'] })),
    { temperature: 0, topK: 0, topP: 1, maxNew: N, seed: 1 },
  );
  await evaluator.release();
  await sampler.release();
  const counted = tokens.flatMap((row, i) => (row.every((id) => id === 0) ? [] : [i]));
  return {
    rows: counted.length,
    same: counted.filter((i) => written[i]![0]!.tokenIds.join() === tokens[i]!.join()).length,
    off: furthest(forced.flat(2), E.floats('greedy_logprobs')),
  };
}

/**
 * In bfloat16 two tokens nearly as likely may change places: there the log-probabilities are judged, not the tokens.
 */
export async function reference({ precision, row, note }: Context): Promise<void> {
  await compareAll(ALLOWED[precision], precision, { row, note });
  if (precision === 'fp32')
    note('fp32 on CUDA multiplies as TF32, of 10 bits; how far PyTorch is off by then is what is allowed.');
}

/** The same with products of float32 as they are: what our own arithmetic is off by. */
export const referenceExact = (context: Context): Promise<void> => compareAll(ALLOWED.exact, 'fp32', context);

async function compareAll(
  allowed: (typeof ALLOWED)['exact'],
  precision: Precision,
  { row, note }: Pick<Context, 'row' | 'note'>,
): Promise<void> {
  const root = path.resolve(import.meta.dirname, '../../..');
  for (const folder of foldersFrom(root)) {
    const E = readExpected(folder);
    const settings = readJsonObject(path.join(folder, 'expected.json')) as unknown as Settings;
    const checkpoint = loadCheckpoint(folder);
    const name = `${path.basename(folder)}${folder.includes('shared') ? ' (reference)' : ''}`;
    const judge = (what: string, off: number, bound: number, unit = '') =>
      row({ what: `${name}: ${what}`, value: off, unit, goal: `≤ ${bound}`, ok: off <= bound });
    const { logits, loss, gradient, count } = await gradientsOf(checkpoint, E);
    await judge('logits', logits, allowed.logits, 'of the largest');
    await judge('loss', loss, allowed.losses);
    await judge(`${count} gradients, furthest ${gradient.name}`, gradient.off, allowed.gradients, 'of the largest');
    for (const K of [1, 5])
      await judge(`ten AdamW losses, ${K} a run`, await losses(checkpoint, E, settings, K), allowed.losses);
    const { same, rows, off } = await greedy(checkpoint, E, settings);
    await judge('log-probabilities of greedy tokens', off, allowed.logprobs);
    await row({
      what: `${name}: greedy texts`,
      value: `${same} of ${rows}`,
      unit: 'are the same',
      ok: precision === 'bf16' ? null : same === rows,
    });
  }
  note(
    `Allowed: ${allowed.logits} of the largest logit, ${allowed.gradients} of a gradient's largest number, ${allowed.losses} of a loss.`,
  );
}
