// Models in GGUF files: metadata read as an architecture, tensors answered under Hugging Face's names, and all of it
// written back.
//
// llama.cpp turns neighbouring numbers of a head, Hugging Face those half a head apart; for llama (not for qwen) the
// rows of
// the query and key matrices are stored in llama.cpp's order: row 2j + i of a head is Hugging Face's row i·d/2 + j.

import { TastemakerError } from '#core/errors.ts';
import { readGguf } from '#core/formats/gguf.ts';
import type { GgufFile } from '#core/formats/gguf.ts';
import { metadataReader } from '#core/formats/gguf-metadata.ts';
import { ggufStops } from '#core/formats/gguf-vocabulary.ts';
import { writeGguf } from '#core/formats/gguf-writer.ts';
import type { GgufFields } from '#core/formats/gguf-writer.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { parameters } from './architecture.ts';
import type { Architecture, RopeScaling } from './architecture.ts';
import type { Checkpoint, StoredCheckpoint } from './checkpoint.ts';
import { families } from './families.ts';

/** The families that are read from GGUF and written to it. */
export const GGUF_FAMILIES = ['llama', 'qwen2', 'qwen3'] as const;
type GgufFamily = (typeof GGUF_FAMILIES)[number];
const isKnown = (family: string): family is GgufFamily => (GGUF_FAMILIES as readonly string[]).includes(family);

/** llama.cpp's names of the parts, beside those of a family. */
function ggufNames(family: GgufFamily): [ours: string, theirs: string][] {
  const { names } = families[family];
  const [query, key, value] = names.queryKeyValue;
  return [
    [names.embedding, 'token_embd'],
    [names.finalNorm, 'output_norm'],
    [names.head, 'output'],
    [names.firstNorm, 'blk.{}.attn_norm'],
    [query, 'blk.{}.attn_q'],
    [key!, 'blk.{}.attn_k'],
    [value!, 'blk.{}.attn_v'],
    [names.attentionOut, 'blk.{}.attn_output'],
    ...(names.headNorms ?? []).map((name, i): [string, string] => [
      name,
      `blk.{}.${['attn_q_norm', 'attn_k_norm'][i]!}`,
    ]),
    [names.secondNorm, 'blk.{}.ffn_norm'],
    [names.gate!, 'blk.{}.ffn_gate'],
    [names.up, 'blk.{}.ffn_up'],
    [names.down, 'blk.{}.ffn_down'],
  ];
}

/** The name in the file of each of our parameters. */
function namesInFile(architecture: Architecture, family: GgufFamily): Map<string, string> {
  const theirs = new Map(ggufNames(family));
  return new Map(
    parameters(architecture).map(({ name }) => {
      const ending = name.slice(name.lastIndexOf('.'));
      const layer = /\.(\d+)\./.exec(name)?.[1];
      const part = name.slice(0, -ending.length);
      return [
        name,
        `${theirs.get(layer === undefined ? part : part.replace(`.${layer}.`, '.{}.'))!.replace('{}', layer ?? '')}${ending}`,
      ];
    }),
  );
}

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
const ROPE_FACTORS = 'rope_freqs.weight';

/**
 * Throws 'bad-model' for a family or an option that is not known, 'bad-file' for metadata that do not hold together;
 * both name the key.
 */
export function ggufArchitecture({ metadata, tensors }: GgufFile, file: string): Architecture {
  const read = metadataReader(metadata, file);
  const refuse = (key: string, what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `"${key}" in ${file} ${what}.`, hint);
  };
  const family = read.text('general.architecture') ?? read.refuse('general.architecture', 'is missing');
  if (!isKnown(family))
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
  const key = (name: string) => `${family}.${name}`;
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
  const embedding = tensors.get('token_embd.weight');
  if (embedding?.shape.length !== 2)
    throw new TastemakerError(
      'bad-model',
      `${file} has no matrix "token_embd.weight".`,
      'The file holds only a part of a model: name the file of a whole one.',
    );
  const [vocabulary] = embedding.shape as [number, number];
  const missing = (name: string) => () => read.refuse(key(name), 'is missing');
  const count = (name: string, otherwise: () => number = missing(name)): number => {
    const value = metadata[key(name)];
    if (!ArrayBuffer.isView(value)) return read.whole(key(name), 1) ?? otherwise();
    const each = read.wholes(key(name))!; // one a layer
    return each.length > 0 && each[0]! > 0 && new Set(each).size === 1
      ? each[0]!
      : refuse(key(name), 'differs from layer to layer', 'Models whose layers are all alike work.');
  };
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
  for (const [name, wanted] of [
    ['attention.value_length', headWidth],
    ['rope.dimension_count', headWidth],
  ] as const) {
    const value = count(name, () => wanted);
    if (value !== wanted) refuse(key(name), `is ${value}`, `What works is the width of a head, ${wanted}.`);
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
  const said = read.whole(key('vocab_size'), 1) ?? vocabulary;
  if (said !== vocabulary) read.refuse(key('vocab_size'), `is ${said}, but "token_embd.weight" has ${vocabulary} rows`);
  const positive = (name: string, otherwise: () => number): number => {
    const value = read.number(key(name));
    return value === undefined
      ? otherwise()
      : value > 0
        ? decimal(value)
        : read.refuse(key(name), `is ${value}, not a number above 0`);
  };
  const ropeTheta = positive('rope.freq_base', () => 10000);
  const factors = tensors.get(ROPE_FACTORS);
  if (factors && factors.shape.join() !== String(headWidth / 2))
    refuse(
      ROPE_FACTORS,
      `has shape [${factors.shape.join(', ')}]`,
      `It holds one factor for each of the ${headWidth / 2} frequencies.`,
    );
  const scaling = factors ? scalingOf(factors.load(), ropeTheta, headWidth) : null;
  if (scaling === undefined)
    refuse(
      ROPE_FACTORS,
      'stretches the rotary frequencies in a way that is not known',
      'What works is the way of Llama 3.',
    );
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
    family,
    vocabulary,
    channels,
    heads,
    keyValueHeads,
    headWidth,
    context,
    layers,
    feedForward: count('feed_forward_length'),
    activation: 'silu',
    parallel: false,
    normEpsilon: positive('attention.layer_norm_rms_epsilon', missing('attention.layer_norm_rms_epsilon')),
    rotaryWidth: headWidth,
    ropeTheta,
    ropeScaling: scaling ?? null,
    tied: !tensors.has('output.weight'),
    endOfText: stops[0]!,
    stops,
    pad: pad !== undefined && pad < vocabulary ? pad : null,
    beginOfText: begin !== undefined && begin < vocabulary ? begin : null,
  };
}

/** The shortest decimal that is the same float32: 0.00001 rather than 0.000009999999747378752. */
function decimal(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === Math.fround(value)) return shorter;
  }
  return value;
}

/** By what Llama 3 divides each of the d/2 rotary frequencies; as convert_hf_to_gguf.py writes them. */
export function ropeFactors(
  { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalContext }: RopeScaling,
  theta: number,
  headWidth: number,
): Float32Array {
  return Float32Array.from({ length: headWidth / 2 }, (_, i) => {
    const turns = originalContext / (2 * Math.PI * theta ** ((2 * i) / headWidth)); // in the first context
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/**
 * The settings that give these factors (null: all are 1), or undefined where Llama 3's rule gives no such factors. The
 * file says only the result, to which many settings lead.
 */
function scalingOf(factors: Float32Array, theta: number, headWidth: number): RopeScaling | null | undefined {
  if (factors.every((value) => value === 1)) return null;
  const factor = decimal(factors.reduce((a, b) => Math.max(a, b)));
  const usual = [8192, ...Array.from({ length: 15 }, (_, i) => 2 ** (i + 6))].map((originalContext) => ({
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContext,
  }));
  return [...usual, ...fitted(factors, factor, theta, headWidth)].find((scaling) => {
    const made = ropeFactors(scaling, theta, headWidth);
    return factors.every((value, i) => Math.abs(value - made[i]!) <= 1e-5 * Math.abs(made[i]!));
  });
}

/**
 * Between the ends, the share kept is a line over the turns: one point gives the context where 1 and 4 are usual, two
 * give all settings up to their common scale.
 */
function fitted(factors: Float32Array, factor: number, theta: number, headWidth: number): RopeScaling[] {
  const points = [...factors.entries()]
    .filter(([, value]) => value > 1.001 && value < 0.999 * factor)
    .map(([i, value]) => ({
      turns: 1 / (2 * Math.PI * theta ** ((2 * i) / headWidth)),
      smooth: (1 / value - 1 / factor) / (1 - 1 / factor),
    }));
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return [];
  const usual = {
    factor,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalContext: (1 + 3 * first.smooth) / first.turns,
  };
  const slope = (first.smooth - last.smooth) / (first.turns - last.turns);
  const atZero = slope * first.turns - first.smooth; // low / (high - low)
  return [
    usual,
    ...(slope > 0 && atZero > 0
      ? [{ factor, lowFrequencyFactor: 1, highFrequencyFactor: 1 + 1 / atZero, originalContext: slope / atZero }]
      : []),
  ];
}

/** Rows of a matrix whose heads have their rows in one order, in the other. */
function reordered(data: Float32Array, heads: number, width: number, to: 'hugging-face' | 'llama.cpp'): Float32Array {
  const columns = data.length / (heads * width);
  const out = new Float32Array(data.length);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < width; row++) {
      const other = (row % 2) * (width / 2) + (row >> 1); // llama.cpp's row is Hugging Face's other
      const [from, into] = to === 'hugging-face' ? [row, other] : [other, row];
      const start = (head * width + from) * columns;
      out.set(data.subarray(start, start + columns), (head * width + into) * columns);
    }
  }
  return out;
}

/** How many heads' rows are in llama.cpp's order under this name; null where none are. */
function turnedHeads({ family, heads, keyValueHeads }: Architecture, nameInFile: string): number | null {
  if (family !== 'llama') return null;
  return nameInFile.endsWith('.attn_q.weight') ? heads : nameInFile.endsWith('.attn_k.weight') ? keyValueHeads : null;
}

/**
 * The weights of a GGUF file under Hugging Face's names. 'bad-model' where the file holds a tensor that the family has
 * no place for.
 */
export function ggufWeights({ tensors }: GgufFile, architecture: Architecture, file: string): Weights {
  if (!isKnown(architecture.family))
    throw new TastemakerError(
      'bad-model',
      `${file}: models of the family ${architecture.family} are not read from GGUF.`,
      `Families that work: ${GGUF_FAMILIES.join(', ')}.`,
    );
  const names = namesInFile(architecture, architecture.family);
  const wanted = new Set(names.values());
  const other = [...tensors.keys()].find((name) => !wanted.has(name) && name !== ROPE_FACTORS);
  if (other !== undefined)
    throw new TastemakerError(
      'bad-model',
      `${file} holds the tensor ${JSON.stringify(other.slice(0, 100))}, for which a ${architecture.family} model of ${architecture.layers} layers has no place.`,
      'Check that the file is whole; variants of a family with other parts are not read.',
    );
  const get = (name: string) => {
    const nameInFile = names.get(name) ?? name;
    const tensor = tensors.get(nameInFile);
    if (!tensor)
      throw new TastemakerError(
        'bad-model',
        `${file} has no tensor ${JSON.stringify(nameInFile)}.`,
        'The file holds only a part of a model: copy or download it again.',
      );
    return { tensor, nameInFile };
  };
  return {
    names: () => [...names].filter(([, nameInFile]) => tensors.has(nameInFile)).map(([name]) => name),
    has: (name) => tensors.has(names.get(name) ?? ''),
    shape: (name) => get(name).tensor.shape,
    dtype: (name) => get(name).tensor.type,
    load: (name) => {
      const { tensor, nameInFile } = get(name);
      const turned = turnedHeads(architecture, nameInFile);
      const data = tensor.load();
      return turned === null ? data : reordered(data, turned, architecture.headWidth, 'hugging-face');
    },
    pieces: (name) => get(name).tensor.pieces(),
  };
}

/**
 * A GGUF file whose parts fit together, and none of whose numbers have been read; errors name the file and the key or
 * tensor.
 */
export function openGguf(file: string): StoredCheckpoint {
  const opened = readGguf(file);
  const architecture = ggufArchitecture(opened, file);
  const stored = ggufWeights(opened, architecture, file);
  const list = parameters(architecture).map(({ name, shape }) => {
    const there = stored.shape(name);
    if (there.join() !== shape.join())
      throw new TastemakerError(
        'bad-model',
        `${file}: the tensor for "${name}" has shape [${there.join(', ')}], its metadata ask for [${shape.join(', ')}].`,
        'The file does not hold together: copy or download it again.',
      );
    return { name, inFile: name, shape };
  });
  return {
    architecture,
    head: 'language-model',
    parameters: list,
    stored,
    headFrom: architecture.tied ? 'the embedding, for there is no "output.weight"' : '"output.weight"',
    notes: [],
  };
}

const FILE_TYPES = { F16: 1, Q8_0: 7 } as const;

export interface GgufSettings {
  type: keyof typeof FILE_TYPES;
  /** from `ggufTokenizerFields` */
  tokenizer: GgufFields;
  /** how programs call the model */
  name: string;
  licence?: string | null;
  /** bytes of tensors written, and their total */
  onProgress?: (bytes: number, total: number) => void;
}

/**
 * Writes a language model of the families llama, qwen2 and qwen3 as one file, whole or not at all. 'bad-model' for any
 * other.
 */
export function saveGguf(
  file: string,
  { architecture, weights, head, adapter }: Checkpoint,
  { type, tokenizer, name, licence = null, onProgress }: GgufSettings,
): void {
  const { family } = architecture;
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file} cannot be written: ${what}.`, hint);
  };
  if (!isKnown(family))
    return refuse(
      `models of the family ${family} are not written as GGUF`,
      `Families that work: ${GGUF_FAMILIES.join(', ')}. Export the model as a folder instead.`,
    );
  if (adapter) refuse('its adapter is not merged into it', 'Merge the adapter first.');
  if (head !== 'language-model') refuse('a reward model has no place in GGUF', 'Export it as a folder instead.');
  const uint32 = (value: number) => ({ type: 'uint32', value }) as const;
  const float32 = (value: number) => ({ type: 'float32', value }) as const;
  const text = (value: string) => ({ type: 'text', value }) as const;
  const fields: GgufFields = {
    'general.architecture': text(family),
    'general.type': text('model'),
    'general.name': text(name),
    ...(licence && { 'general.license': text(licence) }),
    'general.file_type': uint32(FILE_TYPES[type]),
    'general.quantization_version': uint32(2),
    [`${family}.vocab_size`]: uint32(architecture.vocabulary),
    [`${family}.context_length`]: uint32(architecture.context),
    [`${family}.embedding_length`]: uint32(architecture.channels),
    [`${family}.block_count`]: uint32(architecture.layers),
    [`${family}.feed_forward_length`]: uint32(architecture.feedForward),
    [`${family}.attention.head_count`]: uint32(architecture.heads),
    [`${family}.attention.head_count_kv`]: uint32(architecture.keyValueHeads),
    [`${family}.attention.key_length`]: uint32(architecture.headWidth),
    [`${family}.attention.value_length`]: uint32(architecture.headWidth),
    [`${family}.attention.layer_norm_rms_epsilon`]: float32(architecture.normEpsilon),
    [`${family}.rope.dimension_count`]: uint32(architecture.headWidth),
    [`${family}.rope.freq_base`]: float32(architecture.ropeTheta),
    ...tokenizer,
  };
  const names = namesInFile(architecture, family);
  const scaling = architecture.ropeScaling;
  const factors = scaling
    ? [
        {
          name: ROPE_FACTORS,
          shape: [architecture.headWidth / 2],
          load: () => ropeFactors(scaling, architecture.ropeTheta, architecture.headWidth),
        },
      ]
    : [];
  const tensors = parameters(architecture).map(({ name: own, shape }) => {
    const nameInFile = names.get(own)!;
    const turned = turnedHeads(architecture, nameInFile);
    return {
      name: nameInFile,
      shape,
      load: () =>
        turned === null ? weights[own]! : reordered(weights[own]!, turned, architecture.headWidth, 'llama.cpp'),
    };
  });
  writeGguf(file, fields, [...factors, ...tensors], type, onProgress);
}
