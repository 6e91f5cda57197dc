// Which part of a model a run trains: all of it, low-rank adapters beside frozen matrices, or its last blocks; and how
// it is saved.

import fs from 'node:fs';
import { TastemakerError } from '#core/errors.ts';
import { headParameters, isScoreHead } from '#core/models/heads.ts';
import type { AdapterSettings } from '#core/models/adapter.ts';
import { adapterParameters, chosenMatrices, freshAdapter } from '#core/models/adapter.ts';
import { blockParameters } from '#core/models/architecture.ts';
import type { Architecture, Parameter } from '#core/models/architecture.ts';
import { checkpointParameters, mergedCheckpoint, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint, WeightArrays } from '#core/models/checkpoint.ts';
import { families } from '#core/models/families.ts';
import { bytesOfShape, whole } from '#core/plans/model-shape.ts';
import type { ModelShape } from '#core/plans/model-shape.ts';
import type { TrainerOptions } from '#core/training/trainer.ts';
import { choice, count, real, words } from '#core/recipes/settings.ts';
import type { Config } from '#core/recipes/settings.ts';

export const TUNING_SETTINGS = {
  tune: choice(
    'full',
    ['full', 'lora', 'blocks'],
    'What learns: every weight, low-rank adapters beside frozen matrices (LoRA), or the last blocks only.',
    { group: 'tuning' },
  ),
  lora_rank: count(8, [1, 4096], 'With lora: the rank of each adapter.', {
    group: 'tuning',
    when: { setting: 'tune', is: 'lora' },
  }),
  lora_alpha: real(16, [1e-3, 1e6], 'With lora: an adapter counts alpha / rank times.', {
    group: 'tuning',
    when: { setting: 'tune', is: 'lora' },
  }),
  lora_targets: words('all', 'With lora: the matrices that get one: all, attention, or names such as q_proj, v_proj.', {
    group: 'tuning',
    when: { setting: 'tune', is: 'lora' },
  }),
  tuned_blocks: count(
    4,
    [0, 1000],
    'With blocks: how many of the last blocks learn (and the final norm); 0 = only the head.',
    { group: 'tuning', when: { setting: 'tune', is: 'blocks' } },
  ),
  micro_batch: count(
    0,
    [0, 65536],
    'Rows at once; the gradients of several are added up before a step, in less memory. 0 = the whole batch.',
    { group: 'tuning' },
  ),
} as const;
export type TuningConfig = Config<typeof TUNING_SETTINGS>;

export interface Tuned {
  /** the model as it starts, adapters included */
  start: Checkpoint;
  /** what learns */
  parameters: Parameter[];
  /** its first values */
  weights: WeightArrays;
  /** for the trainer: the rest, and how much of each adapter counts */
  options: Pick<TrainerOptions, 'frozen' | 'adapters'>;
}

/** `folder` is where `checkpoint` was read from; a fresh adapter names it as its base. */
export function tuned(checkpoint: Checkpoint, folder: string, config: TuningConfig, seed: number): Tuned {
  const start = config.tune === 'lora' ? withAdapter(checkpoint, folder, config, seed) : mergedCheckpoint(checkpoint);
  const { parameters, still } = learningParts(start, config);
  if (parameters.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `With tuned_blocks 0 nothing of ${folder} learns: its head is its embedding.`,
      'Set tuned_blocks to 1 or more.',
    );
  return {
    start,
    parameters,
    weights: Object.fromEntries(parameters.map(({ name }) => [name, start.weights[name]!])),
    options: {
      ...(still.length
        ? {
            frozen: {
              parameters: still,
              weights: Object.fromEntries(still.map(({ name }) => [name, start.weights[name]!])),
            },
          }
        : {}),
      adapters: scalesOf(start),
    },
  };
}

/** The model as a run starts with it: with a new adapter, or without the one it has. */
export function startShape(model: ModelShape, config: TuningConfig): ModelShape {
  if (config.tune !== 'lora') return whole(model);
  return model.adapter ? model : { ...model, adapter: { settings: newAdapter(model.architecture, config), base: '' } };
}

/** What learns of a model, for a plan. */
export function learnerShape(
  given: ModelShape,
  config: TuningConfig,
): { model: ModelShape; parameters: Parameter[]; still: Parameter[] } {
  const model = startShape(given, config);
  return { model, ...learningParts(model, config) };
}

/** Bytes that `tuned` takes beside what was read: adapters are added up where all or some blocks learn. */
export const addedUp = (model: ModelShape, { tune }: Pick<TuningConfig, 'tune'>): number =>
  model.adapter && tune !== 'lora' ? bytesOfShape(whole(model)) : 0;

/** How many blocks at the bottom stay as they are, so that what they make of a text can be kept. */
export const frozenBlocks = (
  { layers }: Pick<Architecture, 'layers'>,
  { tune, tuned_blocks: blocks }: Pick<TuningConfig, 'tune' | 'tuned_blocks'>,
): number => (tune === 'blocks' ? Math.max(0, layers - blocks) : 0);

/** Which parameters of a model learn, and which stay as they are. With lora it has its adapter already. */
export function learningParts(
  start: Checkpoint,
  config: TuningConfig,
): { parameters: Parameter[]; still: Parameter[] } {
  const all = checkpointParameters(start);
  const learns = learning(start, config);
  return { parameters: all.filter(({ name }) => learns(name)), still: all.filter(({ name }) => !learns(name)) };
}

/** All of a model learns: one from scratch. */
export const wholly = (start: Checkpoint): Tuned => ({
  start,
  parameters: checkpointParameters(start),
  weights: start.weights,
  options: {},
});

function learning(
  { architecture, adapter, head: kind }: Checkpoint,
  { tune, tuned_blocks: blocks }: TuningConfig,
): (name: string) => boolean {
  const names = families[architecture.family].names;
  const ofHead = new Set(headParameters({ architecture, head: kind }).map(({ name }) => name));
  const isHeadLearnt = isScoreHead(kind) || (tune === 'blocks' && blocks === 0);
  const head = (name: string) => isHeadLearnt && ofHead.has(name);
  if (tune === 'full') return () => true;
  if (tune === 'lora') {
    const own = new Set(adapterParameters(architecture, adapter!.settings).map(({ name }) => name));
    return (name) => own.has(name) || head(name);
  }
  const last = Array.from({ length: Math.min(blocks, architecture.layers) }, (_, i) => architecture.layers - 1 - i);
  const norm = names.finalNorm;
  const own = new Set([
    ...last.flatMap((layer) => blockParameters(architecture, layer).map(({ name }) => name)),
    ...(blocks > 0 ? [`${norm}.weight`, `${norm}.bias`] : []),
  ]);
  return (name) => own.has(name) || head(name);
}

export const newAdapter = (
  architecture: Architecture,
  {
    lora_rank: rank,
    lora_alpha: alpha,
    lora_targets: targets,
  }: Pick<TuningConfig, 'lora_rank' | 'lora_alpha' | 'lora_targets'>,
): AdapterSettings => ({ rank, alpha, rankStabilised: false, matrices: chosenMatrices(architecture, targets) });

/** A model that has an adapter goes on with it, whatever the settings say of a new one. */
function withAdapter(
  checkpoint: Checkpoint,
  folder: string,
  { lora_rank: rank, lora_alpha: alpha, lora_targets: targets }: TuningConfig,
  seed: number,
): Checkpoint {
  if (checkpoint.adapter) return checkpoint;
  const settings = newAdapter(checkpoint.architecture, { lora_rank: rank, lora_alpha: alpha, lora_targets: targets });
  return {
    ...checkpoint,
    weights: { ...checkpoint.weights, ...freshAdapter(adapterParameters(checkpoint.architecture, settings), seed) },
    adapter: { settings, base: fs.realpathSync(folder) },
  };
}

/** How many micro-batches a step of `rows` rows is cut into: the fewest equal ones of at most `micro_batch` rows. */
export function microBatches(rows: number, { micro_batch: most }: Pick<TuningConfig, 'micro_batch'>): number {
  if (most === 0 || most >= rows) return 1;
  for (let n = Math.ceil(rows / most); n < rows; n++) if (rows % n === 0) return n;
  return rows;
}
