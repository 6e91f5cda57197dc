// Model folders as Hugging Face lays them out: config.json, weights, tokenizer files. Read, checked, written whole or not at all.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { settingsOf } from '#core/formats/settings.ts';
import { openWeights, writeWeights } from '#core/formats/sharded-safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { copyTokenizer } from '#core/formats/tokenizer-files.ts';
import { adapterParameters, adapterScales, isAdapterTensor, mergeAdapter } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import { parameters } from './architecture.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { modelConfig, readArchitecture } from './config-json.ts';
import { families } from './families.ts';
import { openGguf } from './gguf-model.ts';
import { openAdapter, writeAdapter } from './peft.ts';

export type WeightArrays = Record<string, Float32Array>;

export interface Checkpoint {
  architecture: Architecture;
  weights: WeightArrays;
  /** what is on top of the trunk: next-token logits or one score */
  head: 'language-model' | 'score';
  /** low-rank adapters, whose tensors are among the weights, and the folder of the model that all other weights are from */
  adapter?: { settings: AdapterSettings; base: string } | undefined;
}

/** The scalar head's parameters (P20 §B.1: weights N(0, 1/(d+1)), bias 0). */
export function scoreParameters(architecture: Architecture, bias = true): Parameter[] {
  const weight: Parameter = { name: 'score.weight', shape: [1, architecture.channels], start: 'normal', decay: true };
  return bias ? [weight, { name: 'score.bias', shape: [1], start: 'zero', decay: false }] : [weight];
}

/** The parameters a checkpoint holds, in file order; an adapter's come last. */
export function checkpointParameters({ architecture, weights, head, adapter }: Checkpoint): Parameter[] {
  const { names } = families[architecture.family];
  const trunk = parameters(architecture), own = adapter ? adapterParameters(architecture, adapter.settings) : [];
  return head === 'language-model' ? [...trunk, ...own] : [...trunk.filter(({ name }) => name !== `${names.head}.weight`), ...scoreParameters(architecture, 'score.bias' in weights), ...own];
}

/** What the blocks need to know of a checkpoint's adapter: how much of it is added to which matrix. */
export const scalesOf = ({ adapter }: Pick<Checkpoint, 'adapter'>): Record<string, number> | undefined => adapter && adapterScales(adapter.settings);

/** A model folder whose parts fit together, and none of whose numbers have been read. */
export interface StoredCheckpoint {
  architecture: Architecture;
  head: Checkpoint['head'];
  adapter?: Checkpoint['adapter'];
  /** every parameter with the name that the files have for it */
  parameters: { name: string; inFile: string; shape: readonly number[] }[];
  stored: Weights;
  /** scores are (w·h - mean) / deviation, where a model was saved so */
  scaling?: { mean: number; deviation: number } | undefined;
}

/** Reads config.json and the headers of the weights (or those of a GGUF file), and checks that they describe the same model; errors name the file and the tensor. */
export function openCheckpoint(folder: string): StoredCheckpoint {
  return isGguf(folder) ? openGguf(folder) : isAdapterFolder(folder) ? openAdapted(folder) : openFolder(folder);
}

function openFolder(folder: string): StoredCheckpoint {
  const file = path.join(folder, 'config.json'), config = readJsonObject(file);
  const architecture = withStops(readArchitecture(config, file), folder);
  const stored = openWeights(folder);
  // OpenRLHF calls the head as its configuration says; everybody else calls it "score"
  const named = typeof config.value_head_prefix === 'string' ? config.value_head_prefix : 'value_head';
  const headName = stored.has('score.weight') || !stored.has(`${named}.weight`) ? 'score' : named;
  const head = stored.has(`${headName}.weight`) ? 'score' : 'language-model';
  const { names } = families[architecture.family];
  if (head === 'language-model' && !architecture.tied && !stored.has(`${names.head}.weight`)) {
    throw new TastemakerError('bad-model', `${folder} has neither "${names.head}.weight" nor "score.weight".`, 'The folder holds only a part of a model: export it with its head.');
  }
  const wanted = checkpointParameters({ architecture, head, weights: stored.has(`${headName}.bias`) ? { 'score.bias': new Float32Array(1) } : {} });
  // the hub's own gpt2 leaves out the "transformer." prefix
  const prefix = names.embedding.slice(0, names.embedding.indexOf('.') + 1);
  const found = wanted.map(({ name, shape }) => {
    const inFile = name.startsWith('score.') ? name.replace('score', headName) : stored.has(name) || !name.startsWith(prefix) ? name : name.slice(prefix.length);
    if (!stored.has(inFile)) throw new TastemakerError('bad-model', `${folder} lacks the tensor "${name}".`, `config.json describes ${architecture.layers} layers; check that it belongs to these weights.`);
    const there = stored.shape(inFile);
    if (there.join() !== shape.join()) {
      throw new TastemakerError('bad-model', `${folder}: the tensor "${name}" has shape [${there.join(', ')}], config.json asks for [${shape.join(', ')}].`, 'Check that config.json belongs to these weights.');
    }
    return { name, inFile, shape };
  });
  const { mean, std: deviation, normalize_reward: scaled } = config;
  return { architecture, head, parameters: found, stored, ...(head === 'score' && scaled === true && typeof mean === 'number' && typeof deviation === 'number' && deviation > 0 ? { scaling: { mean, deviation } } : {}) };
}

/** An adapter folder as one model: its own tensors, and the base's for all others. */
function openAdapted(folder: string): StoredCheckpoint {
  const place = adapterBase(folder);
  const base = openCheckpoint(place);
  const { settings, parameters: own, stored } = openAdapter(folder, base.architecture);
  const head = own.some(({ name }) => name === 'score.weight') ? 'score' : base.head;
  const { names } = families[base.architecture.family], replaced = new Set(own.map(({ name }) => name));
  const kept = base.parameters.filter(({ name }) => !replaced.has(name) && !(head === 'score' && name === `${names.head}.weight`));
  const from = (name: string) => (own.some(({ inFile }) => inFile === name) ? stored : base.stored);
  return {
    architecture: base.architecture, head, adapter: { settings, base: place }, parameters: [...kept, ...own], ...(base.scaling ? { scaling: base.scaling } : {}),
    stored: { names: () => [...base.stored.names(), ...stored.names()], has: (name) => from(name).has(name), shape: (name) => from(name).shape(name), dtype: (name) => from(name).dtype(name), load: (name) => from(name).load(name) },
  };
}

/** generation_config.json may name more tokens to end at than config.json does. */
function withStops(architecture: Architecture, folder: string): Architecture {
  const file = path.join(folder, 'generation_config.json');
  const ids = fs.existsSync(file) ? settingsOf(readJsonObject(file), file, { hint: 'Take generation_config.json from the model it belongs to, or take it away.' }).ids('eos_token_id', { orNull: true }) ?? [] : [];
  const more = ids.filter((id) => id < architecture.vocabulary);
  return more.every((id) => architecture.stops.includes(id)) ? architecture : { ...architecture, stops: [...new Set([...architecture.stops, ...more])] };
}

/** How many numbers a model has; those of its adapter are not counted, for merged they add none. */
export const parameterCount = ({ parameters: list }: StoredCheckpoint): number => list.filter(({ name }) => !isAdapterTensor(name)).reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

/** What a model folder describes, without its weights. */
export function loadArchitecture(folder: string): Architecture {
  if (isGguf(folder)) return openGguf(folder).architecture;
  if (isAdapterFolder(folder)) return loadArchitecture(adapterBase(folder));
  const file = path.join(folder, 'config.json');
  return withStops(readArchitecture(readJsonObject(file), file), folder);
}

/** Reads a model folder whole; an adapter is added into its base's matrices. Errors name the file and the tensor. */
export function loadCheckpoint(folder: string): Checkpoint {
  const { adapter, ...checkpoint } = loadShared(folder);
  if (!adapter) return checkpoint;
  return { ...checkpoint, weights: mergeAdapter(checkpoint.architecture, checkpoint.weights, adapterScales(adapter.settings), { inPlace: true }) };
}

/** Arrays that several models have in common, by name. */
export type SharedWeights = Map<string, Float32Array[]>;

const sameBits = (a: Float32Array, b: Float32Array): boolean => a.length === b.length && Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength), Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0;

/** Reads a model folder. What it has in common with models that were read into `shared` before is held once: the base of adapters, the frozen blocks of a model that was tuned in part. */
export function loadShared(folder: string, shared: SharedWeights = new Map()): Checkpoint {
  const { architecture, head, adapter, parameters: list, stored, scaling } = openCheckpoint(folder);
  const weights = Object.fromEntries(list.map(({ name, inFile }) => {
    const data = stored.load(inFile), known = shared.get(name) ?? [], same = known.find((other) => sameBits(other, data));
    if (!same) shared.set(name, [...known, data]);
    return [name, same ?? data];
  }));
  if (scaling) {
    weights['score.weight'] = weights['score.weight']!.map((w) => w / scaling.deviation);
    weights['score.bias'] = Float32Array.of(((weights['score.bias']?.[0] ?? 0) - scaling.mean) / scaling.deviation);
  }
  return { architecture, head, weights, ...(adapter ? { adapter } : {}) };
}

export interface SaveOptions {
  tokenizerFrom?: string | undefined;
  dtype?: FloatDtype;
  maxShardBytes?: number | undefined;
  beside?: Readonly<Record<string, object>>;
}

/**
 * Writes a model folder under a temporary name and renames it into place, where it replaces all of an older one. Of an adapted
 * model only the adapter is written, as PEFT does; `mergedCheckpoint` makes a whole one of it. Weights beyond `maxShardBytes` (5 GB unless told) go to several files and an index; tokenizer files come from `tokenizerFrom`,
 * and `beside` are further JSON files by name (model-notes.ts), which appear with the weights.
 */
export function saveCheckpoint(folder: string, checkpoint: Checkpoint, { tokenizerFrom, dtype = 'F32', maxShardBytes, beside = {} }: SaveOptions = {}): void {
  const { architecture, weights, head, adapter } = checkpoint;
  const temporary = `${folder}.writing-${process.pid}`, replaced = `${folder}.replaced-${process.pid}`;
  fs.rmSync(temporary, { recursive: true, force: true });
  try {
    fs.mkdirSync(temporary, { recursive: true });
    if (adapter) writeAdapter(temporary, { architecture, weights, head, settings: adapter.settings, base: adapter.base }, folder);
    else {
      fs.writeFileSync(path.join(temporary, 'config.json'), `${JSON.stringify(modelConfig(architecture, head, dtype), null, 2)}\n`);
      writeWeights(temporary, checkpointParameters(checkpoint).map(({ name, shape }) => ({ name, shape, data: weights[name]! })), { dtype, metadata: { format: 'pt' }, maxShardBytes });
    }
    if (tokenizerFrom) copyTokenizer(tokenizerFrom, temporary);
    for (const [name, note] of Object.entries(beside)) fs.writeFileSync(path.join(temporary, name), `${JSON.stringify(note)}\n`);
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true }); // gigabytes that no one would look for
    throw error;
  }
  // the old folder moves aside in one step: were it removed in place, a crash could leave some of its shards
  fs.rmSync(replaced, { recursive: true, force: true });
  if (fs.existsSync(folder)) fs.renameSync(folder, replaced);
  fs.renameSync(temporary, folder);
  fs.rmSync(replaced, { recursive: true, force: true });
}

/** A model from scratch: N(0, std), residual outputs scaled by 1/√(2·layers) as GPT-2 does, norms 1, biases 0. */
export function freshWeights(list: readonly Parameter[], layers: number, seed: number, std = 0.02): WeightArrays {
  const scale = { normal: std, residual: std / Math.sqrt(2 * layers), zero: 0, one: 0 };
  return Object.fromEntries(list.map(({ name, shape, start }) => {
    const random = createRandom(seed, `weights/${name}`);
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, Float32Array.from({ length: size }, () => (start === 'one' ? 1 : scale[start] * (start === 'zero' ? 0 : random.normal())))];
  }));
}

/** A reward model or critic on a copy of `base`'s trunk, with a fresh head (D9). */
export function withScoreHead(base: Checkpoint, seed: number, bias = true): Checkpoint {
  const { names } = families[base.architecture.family];
  const trunk = Object.fromEntries(Object.entries(base.weights).filter(([name]) => name !== `${names.head}.weight` && !name.startsWith('score.')));
  const std = 1 / Math.sqrt(base.architecture.channels + 1);
  return { ...base, head: 'score', weights: { ...trunk, ...freshWeights(scoreParameters(base.architecture, bias), 1, seed, std) } };
}

/** The same model without an adapter: its products are added into the matrices. */
export function mergedCheckpoint({ adapter, ...checkpoint }: Checkpoint): Checkpoint {
  return adapter ? { ...checkpoint, weights: mergeAdapter(checkpoint.architecture, checkpoint.weights, adapterScales(adapter.settings)) } : checkpoint;
}
