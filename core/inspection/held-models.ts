// The models that questions are put to, held with their compiled graphs for as long as there is room.
//
// Two things make a question slow: reading a model, and compiling a graph for the shape of its texts. Both are kept.
// Lengths are rounded up coarsely, so that a text that grows while it is typed meets few shapes. Weights and graphs are
// let go in the order of their last use, before the process would take more memory than it may.

import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import type { Executable, Program } from '#core/autodiff/compile.ts';
import { chosenDevice } from '#core/autodiff/device.ts';
import { createExecutableCache } from '#core/autodiff/executable-cache.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint, openCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import type { Evaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import type { Sampler } from '#core/models/sampler.ts';
import { readingOf } from '#core/models/score-reading.ts';
import type { Reading } from '#core/models/score-reading.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { modelStamp } from './model-stamp.ts';

/** A model by its place on the disk; `name` is what a person calls it. */
export interface ModelPlace {
  name: string;
  folder: string;
}

export interface HeldModel extends ModelPlace {
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
  evaluator: Evaluator;
  /** of language models */
  sampler: Sampler;
  /** how a reward model reads its texts */
  reading(): Reading;
  /** A graph of its own for a task, compiled when it is not at hand. */
  graph(key: string, program: () => Program): Promise<Executable>;
}

export interface HeldModels {
  /**
   * The model as it lies there now; it stays until the question is answered. Throws what loading throws: a sentence
   * that names the file.
   */
  of(place: ModelPlace): Promise<HeldModel>;
  /**
   * A question has been answered: lets go of what is more than the limit, least recently used first. The model asked
   * last keeps its weights, whatever they take.
   */
  answered(): Promise<void>;
  /** the names of what is held, least recently used first */
  names(): string[];
}

export interface HoldOptions {
  /** bytes of memory that the process may take before models go */
  limit: number;
  /** how much the process takes now */
  takes?: () => number;
}

const GRAPHS = 8; // of each kind and model: the lengths that a text has while it grows
const SHORTEST = 32;

/** Powers of two and the middle between them: at most half more is computed than there is. */
export function coarseLength(tokens: number): number {
  const above = 2 ** Math.ceil(Math.log2(Math.max(SHORTEST, tokens)));
  return tokens <= (3 / 4) * above && above > SHORTEST ? (3 / 4) * above : above;
}

interface Held {
  stamp: string;
  model: HeldModel;
  /** Releases compiled graphs alone, or the weights with them. */
  releaseGraphs(): Promise<void>;
  release(): Promise<void>;
  bytes: number;
}

const bytesOf = (weights: Checkpoint['weights']): number =>
  Object.values(weights).reduce((sum, { byteLength }) => sum + byteLength, 0);

export function createHeldModels({ limit, takes = memoryOfProcess }: HoldOptions): HeldModels {
  const kept = new Map<string, Held>(); // least recently used first
  const needed = new Set<string>(); // of the question that is being answered
  const device = chosenDevice();
  // a card's graphs hold a copy of the weights each, which no one counts for us
  const copies = device.provider === 'cpu' ? 0 : GRAPHS;
  const inUse = (): number => takes() + copies * [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);

  /** Until `more` bytes fit, or nothing is left but what the question needs. */
  async function makeRoom(more: number): Promise<void> {
    for (const [key, held] of kept) {
      if (inUse() + more <= limit) return;
      if (needed.has(key)) continue;
      kept.delete(key);
      await held.release();
    }
  }

  async function load(place: ModelPlace, stamp: string): Promise<Held> {
    const { parameters } = openCheckpoint(place.folder);
    await makeRoom(4 * parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0));
    const checkpoint = loadCheckpoint(place.folder);
    const tokenizer = await loadTokenizer(place.folder);
    return { stamp, ...modelOf(place, checkpoint, tokenizer), bytes: bytesOf(checkpoint.weights) };
  }

  return {
    of: async (place) => {
      const key = path.resolve(place.folder);
      const stamp = modelStamp(key);
      const known = kept.get(key);
      kept.delete(key);
      if (known && known.stamp !== stamp) await known.release();
      const held = known?.stamp === stamp ? known : await load(place, stamp);
      kept.set(key, held);
      needed.add(key);
      return { ...held.model, name: place.name };
    },
    answered: async () => {
      needed.clear();
      const last = [...kept.keys()].at(-1);
      if (last === undefined) return;
      needed.add(last);
      await makeRoom(0);
      needed.clear();
      if (inUse() > limit) await kept.get(last)!.releaseGraphs();
    },
    names: () => [...kept.values()].map(({ model }) => model.name),
  };
}

const memoryOfProcess = (): number => process.memoryUsage.rss();

/** What is made of a model that has been read; its graphs are compiled when they are first asked for. */
function modelOf(
  place: ModelPlace,
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
): Pick<Held, 'model' | 'releaseGraphs' | 'release'> {
  // threads that wait actively between questions would take a core from the run
  const how = { spin: false };
  const shapes = { graphs: GRAPHS, rounded: coarseLength, constants: checkpoint.weights, ...how };
  const evaluator = createEvaluator(checkpoint, shapes);
  const sampler = createSampler(withStops(checkpoint.architecture, tokenizer), shapes);
  const graphs = createExecutableCache(GRAPHS);
  const releaseGraphs = async (): Promise<void> => {
    await Promise.all([evaluator.release(), sampler.release(), graphs.release()]);
  };
  let reading: Reading | null = null;
  return {
    model: {
      ...place,
      checkpoint,
      tokenizer,
      evaluator,
      sampler,
      reading: () => (reading ??= readingOf(place.folder)),
      graph: (key, program) => graphs.get(key, () => compile(program(), { constants: checkpoint.weights, ...how })),
    },
    releaseGraphs,
    release: async () => {
      await releaseGraphs();
      // now, not when the collector comes by: what is loaded next needs the room
      for (const buffer of new Set(Object.values(checkpoint.weights).map((data) => data.buffer as ArrayBuffer)))
        buffer.transfer(0);
    },
  };
}

/** 'bad-argument' where it is not a model that writes. */
export function requireWriter({ checkpoint, name }: HeldModel): void {
  if (checkpoint.head !== 'language-model')
    throw new TastemakerError(
      'bad-argument',
      `"${name}" is a reward model; it cannot write.`,
      'Choose a base model or a policy.',
    );
}
