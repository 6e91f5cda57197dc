// Models in GGUF files: tensors answered under Hugging Face's names, and models written as such files.
//
// llama.cpp turns neighbouring numbers of a head, Hugging Face those half a head apart; for llama (not for qwen) the
// rows of the query and key matrices are stored in llama.cpp's order: row 2j + i of a head is Hugging Face's row
// i·d/2 + j.

import { TastemakerError } from '#core/errors.ts';
import { readGguf } from '#core/formats/gguf.ts';
import type { GgufFile } from '#core/formats/gguf.ts';
import { writeGguf } from '#core/formats/gguf-writer.ts';
import type { GgufFields } from '#core/formats/gguf-writer.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { parameters } from './architecture.ts';
import type { Architecture } from './architecture.ts';
import type { Checkpoint, StoredCheckpoint } from './checkpoint.ts';
import { families } from './families.ts';
import { GGUF_FAMILIES, ggufArchitecture, isGgufFamily } from './gguf-architecture.ts';
import type { GgufFamily } from './gguf-architecture.ts';
import { ROPE_FACTORS, ropeFactors } from './gguf-rope.ts';

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
  if (!isGgufFamily(architecture.family))
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
  if (!isGgufFamily(family))
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
