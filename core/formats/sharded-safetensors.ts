// The weights of a model folder: model.safetensors, or shards and the index that says which shard holds which tensor.
//
//   model-00001-of-00002.safetensors … | model.safetensors.index.json:
// {"metadata": {"total_parameters": 124439808, "total_size": 497759232}, "weight_map": {"wte":
// "model-00001-of-00002.safetensors", …}}
import fs from 'node:fs';
import path from 'node:path';
import { readFully, replaceFile, withFile, writeFully } from './file-access.ts';
import { brief } from './json-file.ts';
import { otherCheckpoint, refusePointer } from './other-checkpoints.ts';
import { elementBytes, numbersIn, readSafetensors, writeSafetensors } from './safetensors.ts';
import type { FloatDtype, SafetensorsFile, SafetensorsTensor, TensorToWrite } from './safetensors.ts';
import { TastemakerError } from '#core/errors.ts';

/** Tensors by name; `shape`, `dtype` and `load` throw 'bad-model' for a name that is not there. */
export interface Weights {
  names(): string[];
  has(name: string): boolean;
  shape(name: string): number[];
  /** how the file says that the numbers are stored: a dtype of safetensors, a block format of GGUF */
  dtype(name: string): string;
  /** float32, row-major, read from disk at each call */
  load(name: string): Float32Array;
  /** the same numbers, a part at a time */
  pieces(name: string): Iterable<Float32Array>;
}

/** Several as one: a name is looked for in the order given. */
export function joinedWeights(...parts: readonly Weights[]): Weights {
  const from = (name: string) => parts.find((part) => part.has(name)) ?? parts[0]!;
  return {
    names: () => [...new Set(parts.flatMap((part) => part.names()))],
    has: (name) => parts.some((part) => part.has(name)),
    shape: (name) => from(name).shape(name),
    dtype: (name) => from(name).dtype(name),
    load: (name) => from(name).load(name),
    pieces: (name) => from(name).pieces(name),
  };
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const INDEX_LIMIT = 100_000_000; // bytes

/** tensor name -> shard name, from the index; a shard's path must stay inside the folder. */
function readIndex(index: string): Map<string, string> {
  const hint = 'Copy or download the folder again, with its index and all its shards.';
  const fail = (what: string) => new TastemakerError('bad-file', `${index} ${what}.`, hint);
  const bytes = withFile(index, (fd, size) => {
    if (size > INDEX_LIMIT) throw fail(`is ${size} bytes long; the limit is ${INDEX_LIMIT}`);
    const bytes = new Uint8Array(size);
    readFully(fd, bytes, 0, index);
    return bytes;
  });
  refusePointer(bytes, index);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw fail('is not JSON');
  }
  const map = typeof json === 'object' && json !== null && 'weight_map' in json ? json.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw fail(map === undefined ? 'has no "weight_map"' : `has as "weight_map" ${brief(map)}, not an object`);
  const shards = new Map<string, string>();
  for (const [name, shard] of Object.entries(map as Record<string, unknown>)) {
    const parts = typeof shard === 'string' ? shard.split(/[/\\]/) : [];
    const inside =
      parts.length > 0 &&
      parts.every((part) => part !== '' && part !== '..' && !part.includes(':') && !part.includes('\0'));
    if (!inside)
      throw fail(
        `puts tensor ${JSON.stringify(name.slice(0, 200))} in ${brief(shard)}, which is not a file inside the folder`,
      );
    shards.set(name, parts.join('/'));
  }
  if (shards.size === 0) throw fail('lists no tensor');
  return shards;
}

/**
 * Opens model.safetensors, or else the shards of model.safetensors.index.json, of `folder` (or one named .safetensors
 * file). Reads every header at once, so that a missing shard or tensor is found here and not in the middle of loading.
 */
export function openWeights(folder: string): Weights {
  const stat = fs.statSync(folder, { throwIfNoEntry: false });
  if (!stat) throw new TastemakerError('bad-file', `${folder} does not exist.`, 'Check the path of the model folder.');
  const single = stat.isFile() ? folder : path.join(folder, SINGLE);
  const index = path.join(folder, INDEX);
  let tensors: Map<string, SafetensorsTensor>;
  if (stat.isFile() || fs.existsSync(single)) {
    tensors = readSafetensors(single).tensors;
  } else if (fs.existsSync(index)) {
    tensors = new Map();
    const files = new Map<string, SafetensorsFile>();
    const listed = readIndex(index);
    for (const [name, shard] of listed) {
      const file = path.join(folder, shard);
      if (!files.has(shard)) {
        if (!fs.existsSync(file))
          throw new TastemakerError(
            'bad-file',
            `The shard ${shard}, which ${index} names, is missing.`,
            'Copy or download the missing shard into the folder.',
          );
        files.set(shard, readSafetensors(file));
      }
      const tensor = files.get(shard)!.tensors.get(name);
      if (!tensor)
        throw new TastemakerError(
          'bad-file',
          `${file} does not hold the tensor ${JSON.stringify(name)}, though ${INDEX} says so.`,
          'Index and shards are from different models: copy or download the folder again.',
        );
      tensors.set(name, tensor);
    }
    // what the index does not list is there all the same, and read by programs that go by the shards
    for (const [shard, { tensors: held }] of files)
      for (const [name, tensor] of held) {
        const other = listed.get(name);
        if (other !== undefined && other !== shard)
          throw new TastemakerError(
            'bad-file',
            `The tensor ${JSON.stringify(name.slice(0, 200))} is in two shards, ${other} and ${shard}.`,
            'Index and shards are from different models: copy or download the folder again.',
          );
        if (other === undefined) tensors.set(name, tensor);
      }
  } else {
    throw (
      otherCheckpoint(folder) ??
      new TastemakerError(
        'bad-file',
        `${folder} holds neither ${SINGLE} nor ${INDEX}.`,
        'Name a model folder whose weights are in the safetensors format.',
      )
    );
  }
  const get = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor)
      throw new TastemakerError(
        'bad-model',
        `The model in ${folder} has no tensor ${JSON.stringify(name)}.`,
        'Check that config.json and the weights belong to the same model.',
      );
    return tensor;
  };
  return {
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    shape: (name) => get(name).shape,
    dtype: (name) => get(name).dtype,
    load: (name) => get(name).load(),
    pieces: (name) => get(name).pieces(),
  };
}

/** The files in the safetensors format that lie in a folder and that `openWeights` does not read. */
export function unreadFiles(folder: string): string[] {
  const there = fs.readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const read = there.includes(SINGLE)
    ? [SINGLE]
    : fs.existsSync(path.join(folder, INDEX))
      ? [...readIndex(path.join(folder, INDEX)).values()]
      : [];
  return there.filter((name) => !read.includes(name)).sort();
}

/** Bytes of tensors in one file unless told otherwise: 5 GB, the limit of Hugging Face's own split. */
const SHARD_BYTES = 5e9;

/**
 * Tensors in order, cut as huggingface_hub does (`split_state_dict_into_shards_factory`), numbering included: an
 * oversize one closes no shard.
 */
function cutIntoShards(tensors: readonly TensorToWrite[], bytesEach: number, limit: number): TensorToWrite[][] {
  const shards: TensorToWrite[][] = [];
  let open: TensorToWrite[] = [];
  let openBytes = 0;
  for (const tensor of tensors) {
    const bytes = numbersIn(tensor.shape) * bytesEach;
    if (bytes > limit) {
      shards.push([tensor]);
      continue;
    }
    if (openBytes + bytes > limit) {
      shards.push(open);
      [open, openBytes] = [[], 0];
    }
    open.push(tensor);
    openBytes += bytes;
  }
  return open.length > 0 ? [...shards, open] : shards;
}

/**
 * Writes `tensors` into `folder`, which must hold no weights yet: one model.safetensors where they fit in
 * `maxShardBytes`
 * (bytes of tensors; headers come on top), else shards and their index. A larger tensor has a shard of its own.
 * Each file is whole or absent, the index comes last. `onProgress` hears the bytes written and their total. Throws as
 * `writeSafetensors` does.
 */
export function writeWeights(
  folder: string,
  tensors: readonly TensorToWrite[],
  {
    dtype = 'F32',
    metadata,
    maxShardBytes = SHARD_BYTES,
    onProgress,
  }: {
    dtype?: FloatDtype | undefined;
    metadata?: Record<string, string>;
    maxShardBytes?: number | undefined;
    onProgress?: ((bytes: number, total: number) => void) | undefined;
  } = {},
): void {
  if (!(maxShardBytes >= 1))
    throw new TastemakerError(
      'bad-argument',
      `A shard cannot be limited to ${maxShardBytes} bytes.`,
      'Give a number of bytes above 0.',
    );
  const numbers = tensors.reduce((sum, { shape }) => sum + numbersIn(shape), 0);
  const total = numbers * elementBytes[dtype];
  let written = 0;
  const options = {
    dtype,
    ...(metadata && { metadata }),
    onProgress: (bytes: number) => onProgress?.((written += bytes), total),
  };
  const shards = cutIntoShards(tensors, elementBytes[dtype], maxShardBytes);
  if (shards.length <= 1) return writeSafetensors(path.join(folder, SINGLE), tensors, options);

  const digits = (n: number) => String(n).padStart(5, '0');
  const shardOf = new Map<string, string>();
  for (const [i, shard] of shards.entries()) {
    const file = `model-${digits(i + 1)}-of-${digits(shards.length)}.safetensors`;
    for (const { name } of shard) {
      if (shardOf.has(name))
        throw new TastemakerError(
          'bad-argument',
          `Tensor ${JSON.stringify(name)} cannot be written to ${folder}: the name is taken.`,
          'Give every tensor a name of its own.',
        );
      shardOf.set(name, file);
    }
    writeSafetensors(path.join(folder, file), shard, options);
  }
  const index = {
    metadata: { total_parameters: numbers, total_size: total },
    weight_map: Object.fromEntries([...shardOf].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  replaceFile(path.join(folder, INDEX), (fd) =>
    writeFully(fd, new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`)),
  );
}
