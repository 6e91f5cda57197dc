// Adapter folders as PEFT lays them out: adapter_config.json and adapter_model.safetensors over a base model elsewhere.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { ADAPTER_CONFIG, adapterBase, RELATIVE_BASE } from '#core/formats/adapter-base.ts';
import { brief, readJsonObject } from '#core/formats/json-file.ts';
import { otherCheckpoint } from '#core/formats/other-checkpoints.ts';
import { writeSafetensors } from '#core/formats/safetensors.ts';
import { settingsOf } from '#core/formats/settings.ts';
import type { Settings } from '#core/formats/settings.ts';
import { openWeights } from '#core/formats/sharded-safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { adapterParameters, chosenMatrices, isAdapterTensor, isCalled, matrixWords } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { families } from './families.ts';
import { headParameters, HEADS, isScoreHead, isScoreTensor, LINEAR } from './heads.ts';
import type { HeadName, ScoreHeadName } from './heads.ts';
import { HEAD_FILE, headKey, ownHead, withHeadFile, withoutWrapping } from './stored-head.ts';

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

export interface StoredAdapter {
  settings: AdapterSettings;
  /** folder (or GGUF file) of the model it sits on */
  base: string;
  /** A and B of every adapted matrix, and the score head where it has one; named as in the base */
  parameters: { name: string; inFile: string; shape: readonly number[] }[];
  stored: Weights;
  /** the head that it brings; null: it keeps its base's */
  head: ScoreHeadName | null;
  /** what it says it is for */
  task: (typeof TASKS)[number] | null;
  /** where its own head was read, for a person */
  headFrom: string;
  notes: string[];
}

const TASKS = ['CAUSAL_LM', 'SEQ_CLS'] as const;
/** Options that change the arithmetic, with the values that are implemented; null is how PEFT leaves one out. */
const SUPPORTED: Record<string, readonly unknown[]> = {
  peft_type: ['LORA'],
  use_dora: [false],
  use_qalora: [false],
  use_bdlora: [false],
  use_rslora: [true, false],
  bias: ['none'],
  lora_bias: [false],
  init_lora_weights: [true, false, 'gaussian', 'eva', 'orthogonal'],
  fan_in_fan_out: [true, false],
};
/** Options that are read only where they hold nothing. */
const EMPTY = [
  'layer_replication',
  'trainable_token_indices',
  'target_parameters',
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'monteclora_config',
];
const MERGE = 'Adapters with this option are not read; merge it with PEFT and add the merged model.';
const HINT = `Take ${ADAPTER_CONFIG} from the adapter it belongs to.`;

/**
 * What rank_pattern and alpha_pattern say of a matrix: numbers by the end of its name, or all of it between ^ and $.
 */
function patternOf(config: Settings, key: string): (name: string) => number | undefined {
  const patterns = config.object(key, { orNull: true });
  const entries = (patterns?.keys() ?? []).map((pattern) => {
    const number = patterns!.raw(pattern);
    const word = pattern.replaceAll('\\.', '.').replace(/^\^/, '').replace(/\$$/, '');
    if (typeof number !== 'number' || !(number > 0) || !Number.isFinite(number) || !/^[\w.]+$/.test(word))
      config.refuse(
        key,
        `holds ${brief(pattern)}: ${brief(number)}`,
        'What works: names of matrices, or the ends of names, each with a number above 0.',
      );
    return { word, whole: pattern.startsWith('^'), number: number as number };
  });
  return (name) => entries.find(({ word, whole }) => (whole ? name === word : isCalled(name, word)))?.number;
}

/** adapter_config.json, checked for what is not implemented. */
function adapterSettings(file: string): { config: Settings; r: number; alpha: number; task: StoredAdapter['task'] } {
  const config = settingsOf(readJsonObject(file), file, { hint: HINT });
  for (const [key, wanted] of Object.entries(SUPPORTED)) config.oneOf(key, wanted, { orNull: true });
  for (const key of EMPTY) {
    const value = config.raw(key) ?? null;
    const isEmpty = value === null || value === false || (typeof value === 'object' && Object.keys(value).length === 0);
    if (!isEmpty) config.refuse(key, `is ${brief(value)}`, MERGE);
  }
  const r = config.whole('r', { least: 1, most: 65_536 }) ?? config.refuse('r', 'is missing');
  const alpha = config.number('lora_alpha') ?? config.refuse('lora_alpha', 'is missing');
  return { config, r, alpha, task: config.oneOf('task_type', TASKS, { orNull: true }) ?? null };
}

/** A matrix that target_modules names and that has no tensors; null where it cannot be told or all are there. */
function missingMatrix(config: Settings, architecture: Architecture, matrices: readonly string[]): string | null {
  const given = config.raw('target_modules');
  const words =
    typeof given === 'string'
      ? given === 'all-linear'
        ? chosenMatrices(architecture, 'all')
        : null
      : config.texts('target_modules', { orNull: true });
  const layers = config.raw('layers_to_transform') ?? null;
  const some = [layers].flat();
  const left = config.raw('exclude_modules') ?? null;
  if (layers !== null && !some.every((layer) => Number.isInteger(layer)))
    config.refuse('layers_to_transform', `is ${brief(layers)}, not a number of a layer or a list of them`);
  if (!words || left !== null) return null;
  const there = new Set(matrices);
  const layerOf = (name: string) => Number(/\.(\d+)\./.exec(name)?.[1]);
  return (
    chosenMatrices(architecture, 'all').find(
      (name) =>
        words.some((word) => isCalled(name, word)) &&
        (layers === null || some.includes(layerOf(name))) &&
        !there.has(name),
    ) ?? null
  );
}

/** The name that we have for a tensor of an adapter's file. */
const ownName = (name: string): string =>
  withoutWrapping(name.replace(PREFIX, '').replace(/\.lora_([AB])\.default\.weight$/, '.lora_$1.weight'));

/** Reads settings and the header of the weights, and checks both against the base's architecture. */
export function openAdapter(folder: string, architecture: Architecture): StoredAdapter {
  const file = path.join(folder, ADAPTER_CONFIG);
  const { config, r, alpha, task } = adapterSettings(file);
  const weights = path.join(folder, ADAPTER_WEIGHTS);
  const other = fs.existsSync(weights) ? null : otherCheckpoint(folder);
  if (other) throw other;
  const stored = withHeadFile(folder, openWeights(weights));
  const known = ownNames(weights, stored);
  const matrices = adaptedMatrices(weights, known);
  const rankOf = patternOf(config, 'rank_pattern');
  const alphaOf = patternOf(config, 'alpha_pattern');
  const ranks = Object.fromEntries(matrices.map((name) => [name, rankOf(name) ?? r]));
  const expected: Parameter[] = adapterParameters(architecture, { rank: r, matrices, ranks });
  const head = ownHead(config) ?? (known.has(LINEAR.weight) ? 'linear' : null);
  const ofHead = headParameters({ architecture, head: head ?? 'linear' }, (name) => known.has(name));
  refuseSurplus(weights, known, [...expected, ...ofHead]);
  const whole = (config.texts('modules_to_save', { orNull: true }) ?? []).find(
    (name) => ![...HEADS[head ?? 'linear'].modules, 'classifier'].includes(name),
  ); // PEFT names it and "score" for every classifier
  if (whole !== undefined)
    config.refuse('modules_to_save', `names ${brief(whole)}, of which the weights hold nothing`, MERGE);
  const brought = ofHead.filter(({ name }) => head !== null || known.has(name));
  const parameters = [...expected, ...brought].map((parameter) => inFileOf(weights, stored, known, parameter));
  const alphas = Object.fromEntries(
    matrices
      .map((name) => [name, alphaOf(name)] as const)
      .filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
  const called = known.get(LINEAR.weight);
  const isTrl = called !== undefined && /v_head/.test(called);
  return {
    settings: {
      rank: r,
      alpha,
      rankStabilised: config.flag('use_rslora', { orNull: true }) === true,
      matrices,
      ...(matrices.every((name) => ranks[name] === r) ? {} : { ranks }),
      ...(Object.keys(alphas).length ? { alphas } : {}),
    },
    base: adapterBase(folder),
    parameters,
    stored,
    task,
    head,
    headFrom: `"${called}"${isTrl && fs.existsSync(path.join(folder, HEAD_FILE)) ? ` in ${HEAD_FILE}` : ''}`,
    notes: notesOf(called, task, missingMatrix(config, architecture, matrices)),
  };
}

/** What the weights hold, by our names, with the name that each has in the file. */
function ownNames(weights: string, stored: Weights): Map<string, string> {
  const known = new Map<string, string>();
  for (const name of stored.names()) {
    const own = ownName(name);
    const before = known.get(own);
    if (before !== undefined)
      throw new TastemakerError(
        'bad-model',
        `${weights} holds "${own}" twice, as ${JSON.stringify(before)} and ${JSON.stringify(name.slice(0, 200))}.`,
        'Save the adapter again with save_pretrained.',
      );
    known.set(own, name);
  }
  return known;
}

function adaptedMatrices(weights: string, known: ReadonlyMap<string, string>): string[] {
  const matrices = [...known.keys()]
    .filter((name) => name.endsWith('.lora_A.weight'))
    .map((name) => name.slice(0, -'.lora_A.weight'.length));
  if (matrices.length === 0)
    throw new TastemakerError(
      'bad-model',
      `${weights} holds no adapter: no tensor is called ….lora_A.weight.`,
      'Save the adapter again with save_pretrained.',
    );
  return matrices;
}

function refuseSurplus(weights: string, known: ReadonlyMap<string, string>, expected: readonly Parameter[]): void {
  const rest = [...known.keys()].filter((name) => !expected.some((parameter) => parameter.name === name));
  if (rest.length)
    throw new TastemakerError(
      'bad-model',
      `${weights}: the tensor ${JSON.stringify(rest[0]!.slice(0, 200))} belongs to no matrix of the base model that can be adapted.`,
      'Adapters of the matrices in the blocks work, and a "score" head; check that it was made for this base model.',
    );
}

/** A parameter with its name in the file, where it is there in its shape. */
function inFileOf(
  weights: string,
  stored: Weights,
  known: ReadonlyMap<string, string>,
  { name, shape }: Parameter,
): StoredAdapter['parameters'][number] {
  const inFile = known.get(name);
  if (!inFile)
    throw new TastemakerError(
      'bad-model',
      `${weights} lacks the tensor "${name}".`,
      'Each adapted matrix needs lora_A and lora_B: save the adapter again.',
    );
  const there = stored.shape(inFile);
  if (there.join() !== shape.join())
    throw new TastemakerError(
      'bad-model',
      `${weights}: the tensor "${name}" has shape [${there.join(', ')}], ${ADAPTER_CONFIG} and the base model ask for [${shape.join(', ')}].`,
      'Check that the adapter was made for this base model, and that its configuration belongs to it.',
    );
  return { name, inFile, shape };
}

const notesOf = (called: string | undefined, task: StoredAdapter['task'], missing: string | null): string[] => [
  ...(called !== undefined && task !== 'SEQ_CLS'
    ? [
        `${ADAPTER_CONFIG} says ${task ?? 'no task'}, but the weights hold the head "${called}": it is read as a reward model.`,
      ]
    : []),
  ...(missing === null
    ? []
    : [
        `"target_modules" names "${missing}", of which the adapter holds nothing: that matrix stays as it is in the base.`,
      ]),
];

/**
 * Writes the two files into `folder`; `base` is where the base lies, `home` where the folder will be in the end. With
 * `called` the base is named so, and nothing is said of where it lies.
 */
export function writeAdapter(
  folder: string,
  {
    architecture,
    weights,
    settings,
    base,
    head,
    called = null,
  }: {
    architecture: Architecture;
    weights: Readonly<Record<string, Float32Array>>;
    settings: AdapterSettings;
    base: string;
    head: HeadName;
    called?: string | null;
  },
  home = folder,
): void {
  const { rank, alpha, rankStabilised, matrices, ranks, alphas } = settings;
  const list = [
    ...adapterParameters(architecture, settings),
    ...(isScoreHead(head) ? headParameters({ architecture, head }, (name) => name in weights) : []),
  ];
  const config = {
    peft_type: 'LORA',
    task_type: isScoreHead(head) ? 'SEQ_CLS' : 'CAUSAL_LM',
    base_model_name_or_path: called ?? base,
    ...(called === null ? { [RELATIVE_BASE]: path.relative(home, base) } : {}),
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    rank_pattern: ranks ?? {},
    alpha_pattern: alphas ?? {},
    use_rslora: rankStabilised,
    bias: 'none',
    fan_in_fan_out: families[architecture.family].layout === 'in-out',
    target_modules: matrixWords(architecture, matrices),
    modules_to_save: isScoreHead(head) ? HEADS[head].modules : null,
    ...headKey(head),
    inference_mode: true,
    init_lora_weights: true,
  };
  fs.writeFileSync(path.join(folder, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
  writeSafetensors(
    path.join(folder, ADAPTER_WEIGHTS),
    list.map(({ name, shape }) => ({ name: PREFIX + name, shape, data: weights[name]! })),
    { metadata: { format: 'pt' } },
  );
}

/** Tensors that an adapter brings itself; all others are its base's. */
export const isOwnTensor = (name: string): boolean => isAdapterTensor(name) || isScoreTensor(name);
