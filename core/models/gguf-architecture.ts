// The metadata of a GGUF file as an architecture, and the options that no model may have here.

import { TastemakerError } from '#core/errors.ts';
import type { GgufFile } from '#core/formats/gguf.ts';
import { metadataReader } from '#core/formats/gguf-metadata.ts';
import type { MetadataReader } from '#core/formats/gguf-metadata.ts';
import { ggufStops } from '#core/formats/gguf-vocabulary.ts';
import type { Architecture, RopeScaling } from './architecture.ts';
import { decimal, ROPE_FACTORS, scalingOf } from './gguf-rope.ts';

/** The families that are read from GGUF and written to it. */
export const GGUF_FAMILIES = ['llama', 'qwen2', 'qwen3'] as const;
export type GgufFamily = (typeof GGUF_FAMILIES)[number];
export const isGgufFamily = (family: string): family is GgufFamily =>
  (GGUF_FAMILIES as readonly string[]).includes(family);

/** Options that change the arithmetic, with the value at which they do not. */
const MUST_BE: Readonly<Record<string, readonly unknown[]>> = {
  'rope.scaling.type': ['none'],
  'rope.scale_linear': [0, 1],
  'rope.scaling.attn_factor': [0, 1],
  'rope.dimension_sections': [],
  nextn_predict_layers: [0],
  'attention.causal': [true],
  use_parallel_residual: [false],
  expert_count: [0],
  logit_scale: [1],
  residual_scale: [1],
  embedding_scale: [1],
  'attention.clamp_kqv': [0],
  'attention.max_alibi_bias': [0],
  attn_logit_softcapping: [0],
  final_logit_softcapping: [0],
};
const MOST_LAYERS = 10_000; // each is a dozen entries of a list, whether the file has them or not

/** The metadata of one family, by the names they have after it. */
interface FamilyReader {
  read: MetadataReader;
  /** llama.context_length */
  key(name: string): string;
  /** a whole number above 0, the same for every layer; refused as missing where nothing stands for it */
  count(name: string, otherwise?: () => number): number;
  positive(name: string, otherwise?: () => number): number;
  /** 'bad-model': the file may hold together, but what it asks for is not known here */
  refuse(key: string, what: string, hint: string): never;
}

function familyReader({ metadata }: GgufFile, file: string, family: GgufFamily): FamilyReader {
  const read = metadataReader(metadata, file);
  const refuse = refusing(file);
  const key = (name: string) => `${family}.${name}`;
  const missing = (name: string) => () => read.refuse(key(name), 'is missing');
  return {
    read,
    key,
    refuse,
    count: (name, otherwise = missing(name)) => {
      const value = metadata[key(name)];
      if (!ArrayBuffer.isView(value)) return read.whole(key(name), 1) ?? otherwise();
      const each = read.wholes(key(name))!; // one a layer
      return each.length > 0 && each[0]! > 0 && new Set(each).size === 1
        ? each[0]!
        : refuse(key(name), 'differs from layer to layer', 'Models whose layers are all alike work.');
    },
    positive: (name, otherwise = missing(name)) => {
      const value = read.number(key(name));
      if (value === undefined) return otherwise();
      return value > 0 ? decimal(value) : read.refuse(key(name), `is ${value}, not a number above 0`);
    },
  };
}

const refusing =
  (file: string) =>
  (key: string, what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `"${key}" in ${file} ${what}.`, hint);
  };

/**
 * Throws 'bad-model' for a family or an option that is not known, 'bad-file' for metadata that do not hold together;
 * both name the key.
 */
export function ggufArchitecture(opened: GgufFile, file: string): Architecture {
  const { metadata, tensors } = opened;
  const family = familyOf(opened, file);
  const reader = familyReader(opened, file, family);
  refuseOptions(reader, metadata);
  const vocabulary = embeddingRows(opened, file);
  const shape = shapeOf(reader);
  const { headWidth, context } = shape;
  refuseOtherShapes(reader, headWidth, context);
  refuseOtherVocabulary(reader, vocabulary);
  const ropeTheta = reader.positive('rope.freq_base', () => 10000);
  const ropeScaling = scalingIn(opened, reader, ropeTheta, headWidth);
  const ends = endsIn(opened, file, vocabulary);
  return {
    family,
    vocabulary,
    ...shape,
    feedForward: reader.count('feed_forward_length'),
    activation: 'silu',
    parallel: false,
    normEpsilon: reader.positive('attention.layer_norm_rms_epsilon'),
    rotaryWidth: headWidth,
    ropeTheta,
    ropeScaling,
    tied: !tensors.has('output.weight'),
    ...ends,
  };
}

/** The family of a whole model that is one file. */
function familyOf({ metadata }: GgufFile, file: string): GgufFamily {
  const read = metadataReader(metadata, file);
  const refuse = refusing(file);
  const family = read.text('general.architecture') ?? read.refuse('general.architecture', 'is missing');
  if (!isGgufFamily(family))
    return refuse(
      'general.architecture',
      `is ${JSON.stringify(family.slice(0, 50))}, a family that is not read from GGUF`,
      `Families that work: ${GGUF_FAMILIES.join(', ')}.`,
    );
  if ((read.text('general.type') ?? 'model') !== 'model')
    refuse('general.type', `is ${JSON.stringify(metadata['general.type'])}`, 'Name the file of a whole model.');
  if ((read.number('split.count') ?? 1) > 1)
    refuse(
      'split.count',
      `says that the file is one of ${read.number('split.count')}`,
      'Join the parts with llama-gguf-split --merge first.',
    );
  return family;
}

/** Options that change the arithmetic in a way that the blocks do not have. */
function refuseOptions({ read, key, refuse }: FamilyReader, metadata: GgufFile['metadata']): void {
  for (const [name, values] of Object.entries(MUST_BE)) {
    const value = metadata[key(name)];
    if (value !== undefined && !values.includes(value))
      refuse(
        key(name),
        `is ${JSON.stringify(value)?.slice(0, 50)}`,
        `What works: ${[...values, 'nothing'].join(' or ')}.`,
      );
  }
  // without a type llama.cpp takes this for a linear stretching
  const stretched = read.number(key('rope.scaling.factor'));
  if (stretched !== undefined && stretched !== 0 && stretched !== 1 && metadata[key('rope.scaling.type')] !== 'none')
    refuse(
      key('rope.scaling.factor'),
      `is ${stretched}`,
      'What works: 1 or nothing; the factors of Llama 3 are a tensor of their own.',
    );
}

/** How many tokens the embedding has a row for. */
function embeddingRows({ tensors }: GgufFile, file: string): number {
  const embedding = tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2)
    throw new TastemakerError(
      'bad-model',
      `${file} has no matrix "token_embd.weight".`,
      'The file holds only a part of a model: name the file of a whole one.',
    );
  return embedding.shape[0]!;
}

type Shape = Pick<Architecture, 'channels' | 'heads' | 'keyValueHeads' | 'headWidth' | 'context' | 'layers'>;

function shapeOf({ read, key, count }: FamilyReader): Shape {
  const layers = count('block_count');
  if (layers > MOST_LAYERS) read.refuse(key('block_count'), `is ${layers}, more than ${MOST_LAYERS}`);
  const channels = count('embedding_length');
  const heads = count('attention.head_count');
  const keyValueHeads = count('attention.head_count_kv', () => heads);
  const headWidth = count('attention.key_length', () => channels / heads);
  const context = count('context_length');
  if (!Number.isInteger(headWidth) || headWidth % 2 !== 0)
    read.refuse(key('attention.head_count'), `is ${heads}: heads of ${headWidth} numbers cannot turn`);
  if (heads % keyValueHeads !== 0)
    read.refuse(key('attention.head_count_kv'), `is ${keyValueHeads}, which does not divide the ${heads} heads`);
  return { channels, heads, keyValueHeads, headWidth, context, layers };
}

/** Widths, a scale and a window that attention does not have here. */
function refuseOtherShapes({ read, key, count, refuse }: FamilyReader, headWidth: number, context: number): void {
  for (const name of ['attention.value_length', 'rope.dimension_count']) {
    const value = count(name, () => headWidth);
    if (value !== headWidth) refuse(key(name), `is ${value}`, `What works is the width of a head, ${headWidth}.`);
  }
  const scale = read.number(key('attention.scale'));
  if (scale !== undefined && scale !== 0 && Math.fround(scale) !== Math.fround(1 / Math.sqrt(headWidth)))
    refuse(key('attention.scale'), `is ${scale}`, `What works is 1/√${headWidth}, or nothing.`);
  const window = count('attention.sliding_window', () => context);
  if (window < context)
    refuse(
      key('attention.sliding_window'),
      `is ${window}, less than the context`,
      'Models that attend to all of their context work.',
    );
}

function refuseOtherVocabulary({ read, key }: FamilyReader, vocabulary: number): void {
  const said = read.whole(key('vocab_size'), 1) ?? vocabulary;
  if (said !== vocabulary) read.refuse(key('vocab_size'), `is ${said}, but "token_embd.weight" has ${vocabulary} rows`);
}

/** How the rotary frequencies are stretched; null where they are not. */
function scalingIn(
  { tensors }: GgufFile,
  { refuse }: FamilyReader,
  theta: number,
  headWidth: number,
): RopeScaling | null {
  const factors = tensors.get(ROPE_FACTORS);
  if (!factors) return null;
  if (factors.shape.join() !== String(headWidth / 2))
    refuse(
      ROPE_FACTORS,
      `has shape [${factors.shape.join(', ')}]`,
      `It holds one factor for each of the ${headWidth / 2} frequencies.`,
    );
  const scaling = scalingOf(factors.load(), theta, headWidth);
  return scaling === undefined
    ? refuse(
        ROPE_FACTORS,
        'stretches the rotary frequencies in a way that is not known',
        'What works is the way of Llama 3.',
      )
    : scaling;
}

type Ends = Pick<Architecture, 'endOfText' | 'stops' | 'pad' | 'beginOfText'>;

/** The tokens at the ends of a text, all of which the model has. */
function endsIn({ metadata }: GgufFile, file: string, vocabulary: number): Ends {
  const read = metadataReader(metadata, file);
  const stops = ggufStops(metadata, file);
  const pad = read.whole('tokenizer.ggml.padding_token_id', 0);
  const begin = read.whole('tokenizer.ggml.bos_token_id', 0);
  if (stops.length === 0)
    read.refuse(
      'tokenizer.ggml.eos_token_id',
      'is missing: the file does not say which token ends a text',
      'Convert the model again from a folder whose tokenizer names its end of text.',
    );
  for (const id of stops)
    if (id >= vocabulary)
      read.refuse('tokenizer.ggml.eos_token_id', `or another end is ${id}, but there are only ${vocabulary} tokens`);
  return {
    endOfText: stops[0]!,
    stops,
    pad: pad !== undefined && pad < vocabulary ? pad : null,
    beginOfText: begin !== undefined && begin < vocabulary ? begin : null,
  };
}
