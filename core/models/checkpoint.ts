// Model folders as Hugging Face lays them out: config.json, weights, tokenizer files. Read, checked, written whole or not at all.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { openWeights, writeWeights } from '#core/formats/sharded-safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { parameters } from './architecture.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { readArchitecture, writeArchitecture } from './config-json.ts';
import { families } from './families.ts';

export type WeightArrays = Record<string, Float32Array>;

export interface Checkpoint {
  architecture: Architecture;
  weights: WeightArrays;
  /** what is on top of the trunk: next-token logits or one score */
  head: 'language-model' | 'score';
}

/** The scalar head's parameters (P20 §B.1: weights N(0, 1/(d+1)), bias 0). */
export function scoreParameters(architecture: Architecture, bias = true): Parameter[] {
  const weight: Parameter = { name: 'score.weight', shape: [1, architecture.channels], start: 'normal', decay: true };
  return bias ? [weight, { name: 'score.bias', shape: [1], start: 'zero', decay: false }] : [weight];
}

/** The parameters a checkpoint holds, in file order. */
export function checkpointParameters({ architecture, weights, head }: Checkpoint): Parameter[] {
  const { names } = families[architecture.family];
  const trunk = parameters(architecture);
  return head === 'language-model' ? trunk : [...trunk.filter(({ name }) => name !== `${names.head}.weight`), ...scoreParameters(architecture, 'score.bias' in weights)];
}

/** A model folder whose parts fit together, and none of whose numbers have been read. */
export interface StoredCheckpoint {
  architecture: Architecture;
  head: Checkpoint['head'];
  /** every parameter with the name that the files have for it */
  parameters: { name: string; inFile: string; shape: readonly number[] }[];
  stored: Weights;
}

/** Reads config.json and the headers of the weights, and checks that they describe the same model; errors name the file and the tensor. */
export function openCheckpoint(folder: string): StoredCheckpoint {
  const file = path.join(folder, 'config.json');
  const config = readConfig(file);
  const architecture = readArchitecture(config, file);
  const stored = openWeights(folder);
  const classifier = stored.has('score.weight');
  const head = classifier ? 'score' : 'language-model';
  const { names } = families[architecture.family];
  if (head === 'language-model' && !architecture.tied && !stored.has(`${names.head}.weight`)) {
    throw new TastemakerError('bad-model', `${folder} has neither "${names.head}.weight" nor "score.weight".`, 'The folder holds only a part of a model: export it with its head.');
  }
  const wanted = checkpointParameters({ architecture, head, weights: stored.has('score.bias') ? { 'score.bias': new Float32Array(1) } : {} });
  // the hub's own gpt2 leaves out the "transformer." prefix
  const prefix = names.embedding.slice(0, names.embedding.indexOf('.') + 1);
  const found = wanted.map(({ name, shape }) => {
    const inFile = stored.has(name) || !name.startsWith(prefix) ? name : name.slice(prefix.length);
    if (!stored.has(inFile)) throw new TastemakerError('bad-model', `${folder} lacks the tensor "${name}".`, `config.json describes ${architecture.layers} layers; check that it belongs to these weights.`);
    const there = stored.shape(inFile);
    if (there.join() !== shape.join()) {
      throw new TastemakerError('bad-model', `${folder}: the tensor "${name}" has shape [${there.join(', ')}], config.json asks for [${shape.join(', ')}].`, 'Check that config.json belongs to these weights.');
    }
    return { name, inFile, shape };
  });
  return { architecture, head, parameters: found, stored };
}

/** How many numbers a model has. */
export const parameterCount = ({ parameters: list }: StoredCheckpoint): number => list.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

/** What a model folder describes, without its weights. */
export function loadArchitecture(folder: string): Architecture {
  const file = path.join(folder, 'config.json');
  return readArchitecture(readConfig(file), file);
}

/** Reads a model folder; errors name the file and the tensor. */
export function loadCheckpoint(folder: string): Checkpoint {
  const { architecture, head, parameters: list, stored } = openCheckpoint(folder);
  return { architecture, head, weights: Object.fromEntries(list.map(({ name, inFile }) => [name, stored.load(inFile)])) };
}

function readConfig(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    throw new TastemakerError('bad-file', `${file} cannot be read.`, 'A model folder holds config.json, model.safetensors and tokenizer.json.');
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  } catch (error) {
    throw new TastemakerError('bad-file', `${file} is not valid JSON: ${(error as Error).message}.`, 'Copy the file again from where the model came from.');
  }
  throw new TastemakerError('bad-file', `${file} is not a JSON object.`, 'Copy the file again from where the model came from.');
}

/** Tokenizer and generation files that travel with a model. */
const COMPANIONS = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'generation_config.json', 'vocab.json', 'merges.txt', 'chat_template.jinja'];

/**
 * Writes a model folder under a temporary name and renames it into place, where it replaces all of an older one. Weights
 * beyond `maxShardBytes` (5 GB unless told) go to several files and an index; tokenizer files come from `tokenizerFrom`.
 */
export function saveCheckpoint(folder: string, checkpoint: Checkpoint, { tokenizerFrom, dtype = 'F32', maxShardBytes }: { tokenizerFrom?: string | undefined; dtype?: FloatDtype; maxShardBytes?: number | undefined } = {}): void {
  const { architecture, weights, head } = checkpoint;
  const temporary = `${folder}.writing-${process.pid}`, replaced = `${folder}.replaced-${process.pid}`;
  const config = writeArchitecture(architecture);
  if (dtype !== 'F32') config.dtype = dtype === 'F16' ? 'float16' : 'bfloat16';
  if (head === 'score') Object.assign(config, { architectures: [`${families[architecture.family].classes.stem}ForSequenceClassification`], num_labels: 1, id2label: { 0: 'score' }, label2id: { score: 0 } });
  fs.rmSync(temporary, { recursive: true, force: true });
  try {
    fs.mkdirSync(temporary, { recursive: true });
    fs.writeFileSync(path.join(temporary, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
    writeWeights(temporary, checkpointParameters(checkpoint).map(({ name, shape }) => ({ name, shape, data: weights[name]! })), { dtype, metadata: { format: 'pt' }, maxShardBytes });
    for (const name of tokenizerFrom ? COMPANIONS : []) {
      const from = path.join(tokenizerFrom!, name);
      if (fs.existsSync(from)) fs.copyFileSync(from, path.join(temporary, name));
    }
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
  return { architecture: base.architecture, head: 'score', weights: { ...trunk, ...freshWeights(scoreParameters(base.architecture, bias), 1, seed, std) } };
}
