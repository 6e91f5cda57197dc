// Puts together the small model folders of our own cases from weights and tokenizers that several of them share.

import fs from 'node:fs';
import path from 'node:path';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import type { NamedTensor } from '#core/formats/safetensors.ts';

export const OWN_CASES = path.resolve('tests', 'fixtures', 'cases');

type Json = Record<string, unknown>;
/** A number, or the name of one that JSON has not: NaN, Infinity. */
type Value = number | string;

/**
 * How a tensor differs: away (null), other values altogether, or a copy (of another) with a few values by their place.
 */
type Change = null | { shape: number[]; values: Value[] } | { as?: string; put?: [number, Value][] };

/**
 * How a model folder differs from weights and a tokenizer that lie in tests/fixtures/cases; materials.py there reads
 * the same.
 */
export interface Made {
  weights?: string;
  tokenizer?: string;
  config?: Json;
  /** keys that config.json lacks */
  without?: string[];
  tensors?: Record<string, Change>;
  /** the name of the file of weights, where it is another */
  file?: string;
  /** in two files with an index */
  shards?: boolean;
  tokenizer_json?: Json;
  /** null takes a key away */
  tokenizer_config?: Json;
  /** further files of tensors */
  beside?: Record<string, Record<string, { shape: number[]; values: Value[] }>>;
  files?: Record<string, unknown>;
  remove?: string[];
}

const readJson = (file: string): Json => JSON.parse(fs.readFileSync(file, 'utf8')) as Json;

function changed(tensors: Map<string, NamedTensor>, name: string, change: NonNullable<Change>): NamedTensor {
  if ('values' in change) return { name, shape: change.shape, data: Float32Array.from(change.values, Number) };
  const from = tensors.get(change.as ?? name)!;
  const data = from.data.slice();
  for (const [at, value] of change.put ?? []) data[at] = Number(value);
  return { name, shape: from.shape, data };
}

function writeWeights(
  folder: string,
  tensors: readonly NamedTensor[],
  { file = 'model.safetensors', shards = false }: Made,
): void {
  if (tensors.length === 0) return;
  const metadata = { format: 'pt' };
  const half = Math.floor(tensors.length / 2);
  if (!shards) return writeSafetensors(path.join(folder, file), tensors, { metadata });
  const files = [tensors.slice(0, half), tensors.slice(half)].map((some, i) => ({
    some,
    name: `model-0000${i + 1}-of-00002.safetensors`,
  }));
  for (const { some, name } of files) writeSafetensors(path.join(folder, name), some, { metadata });
  const weightMap = Object.fromEntries(files.flatMap(({ some, name }) => some.map((tensor) => [tensor.name, name])));
  fs.writeFileSync(
    path.join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: weightMap }),
  );
}

/** Writes the folder that `made` describes. */
export function buildModel(folder: string, made: Made): void {
  fs.mkdirSync(folder, { recursive: true });
  const source = made.weights === undefined ? null : path.join(OWN_CASES, 'weights', made.weights);
  const config: Json = { ...(source ? readJson(path.join(source, 'config.json')) : {}), ...made.config };
  for (const key of made.without ?? []) delete config[key];
  if (Object.keys(config).length > 0)
    fs.writeFileSync(path.join(folder, 'config.json'), JSON.stringify(config, null, 1));

  const stored = source ? readSafetensors(path.join(source, 'model.safetensors')).tensors : new Map();
  const tensors = new Map<string, NamedTensor>();
  for (const [name, tensor] of stored) tensors.set(name, { name, shape: tensor.shape, data: tensor.load() });
  for (const [name, change] of Object.entries(made.tensors ?? {})) {
    if (change === null) tensors.delete(name);
    else tensors.set(name, changed(tensors, name, change));
  }
  writeWeights(
    folder,
    [...tensors.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    made,
  );

  if (made.tokenizer !== undefined) {
    const from = path.join(OWN_CASES, 'tokenizers', made.tokenizer);
    const tokenizer = { ...readJson(path.join(from, 'tokenizer.json')), ...made.tokenizer_json };
    const settings = { ...readJson(path.join(from, 'tokenizer_config.json')), ...made.tokenizer_config };
    const kept = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(kept));
  }
  for (const [file, some] of Object.entries(made.beside ?? {})) {
    const written = Object.entries(some).map(([name, values]) => changed(tensors, name, values));
    writeSafetensors(path.join(folder, file), written, { metadata: { format: 'pt' } });
  }
  for (const [name, text] of Object.entries(made.files ?? {})) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), typeof text === 'string' ? text : JSON.stringify(text));
  }
  for (const name of made.remove ?? []) fs.rmSync(path.join(folder, name));
}
