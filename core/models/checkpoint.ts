// Model folders as Hugging Face lays them out: config.json, weights, tokenizer files. Read, checked, written whole or
// not at all.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { otherCheckpoint } from '#core/formats/other-checkpoints.ts';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { settingsOf } from '#core/formats/settings.ts';
import { joinedWeights, openWeights, unreadFiles, writeWeights } from '#core/formats/sharded-safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { copyTokenizer, namedEnd, readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { adapterParameters, adapterScales, isAdapterTensor, mergeAdapter } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { configSettings, modelConfig, NO_END, readArchitecture } from './config-json.ts';
import { families } from './families.ts';
import { openGguf } from './gguf-model.ts';
import { adjustedHead, headParameters, HEADS, isScoreHead, isScoreTensor, LINEAR, trunkParameters } from './heads.ts';
import type { HeadName, ScoreHeadName } from './heads.ts';
import { REWARD_NOTE } from './model-notes.ts';
import { openAdapter, writeAdapter } from './peft.ts';
import { classesOf, HEAD_FILE, isClassifier, scalingOf, scoreHeadOf, withHeadFile } from './stored-head.ts';
import type { ScoreHead } from './stored-head.ts';
import { accountForTensors, isHeadName, quotedTensor } from './tensor-accounts.ts';
import { largestDifference, refuseNotFinite } from './weight-numbers.ts';

export type WeightArrays = Record<string, Float32Array>;

export interface Checkpoint {
  architecture: Architecture;
  weights: WeightArrays;
  /** what is on top of the trunk */
  head: HeadName;
  /**
   * low-rank adapters, whose tensors are among the weights, and the folder of the model that all other weights are from
   */
  adapter?: { settings: AdapterSettings; base: string } | undefined;
}

/** The parameters a checkpoint holds, in file order; an adapter's come last. */
export function checkpointParameters({ architecture, weights, head, adapter }: Checkpoint): Parameter[] {
  return [
    ...trunkParameters(architecture),
    ...headParameters({ architecture, head }, (name) => name in weights),
    ...(adapter ? adapterParameters(architecture, adapter.settings) : []),
  ];
}

/** What the blocks need to know of a checkpoint's adapter: how much of it is added to which matrix. */
export const scalesOf = ({ adapter }: Pick<Checkpoint, 'adapter'>): Record<string, number> | undefined =>
  adapter && adapterScales(adapter.settings);

/** A model folder whose parts fit together, and none of whose numbers have been read. */
export interface StoredCheckpoint {
  architecture: Architecture;
  head: Checkpoint['head'];
  adapter?: Checkpoint['adapter'];
  /** every parameter with the name that the files have for it */
  parameters: { name: string; inFile: string; shape: readonly number[] }[];
  stored: Weights;
  /** where the head was read, for a person */
  headFrom: string;
  /** sentences about what was found and is not as one would expect; surplus tensors among them */
  notes: string[];
  /** scores are (w·h - mean) / deviation, where a model was saved so */
  scaling?: { mean: number; deviation: number } | undefined;
}

/**
 * Reads config.json and the headers of the weights (or those of a GGUF file), and checks that they describe the same
 * model; errors name the file and the tensor.
 */
export function openCheckpoint(folder: string): StoredCheckpoint {
  return isGguf(folder) ? openGguf(folder) : isAdapterFolder(folder) ? openAdapted(folder) : openFolder(folder);
}

function openFolder(folder: string): StoredCheckpoint {
  const file = path.join(folder, 'config.json');
  const other = fs.existsSync(file) ? null : otherCheckpoint(folder);
  if (other) throw other;
  const json = readJsonObject(file);
  const config = configSettings(json, file);
  const described = withStops(readArchitecture(json, file), folder);
  const { names } = families[described.family];
  const stored = withHeadFile(folder, openWeights(folder));
  const scorer = scoreHeadOf(folder, config, stored);
  const scaling = scalingOf(config);
  // the hub's own gpt2 leaves out the "transformer." prefix
  const prefix = names.embedding.slice(0, names.embedding.indexOf('.') + 1);
  const inFileOf = (name: string) =>
    scorer && isScoreTensor(name)
      ? scorer.inFile(name)
      : stored.has(name) || !name.startsWith(prefix)
        ? name
        : name.slice(prefix.length);
  const own = headOf(folder, described, stored, scorer, inFileOf, classesOf(config));
  const { architecture } = own;
  const head = scorer?.name ?? 'language-model';
  const isHeld = (name: string) => stored.has(inFileOf(name));
  const wanted = [...trunkParameters(architecture), ...headParameters({ architecture, head }, isHeld)];
  const found = wanted.map(({ name, shape }) => {
    const inFile = own.instead.get(name) ?? inFileOf(name);
    if (!stored.has(inFile))
      throw new TastemakerError(
        'bad-model',
        `${folder} lacks the tensor "${name}".`,
        `config.json describes ${architecture.layers} layers; check that it belongs to these weights.`,
      );
    const there = stored.shape(inFile);
    if (there.join() !== shape.join()) {
      throw new TastemakerError(
        'bad-model',
        `${folder}: the tensor "${name}" has shape [${there.join(', ')}], config.json asks for [${shape.join(', ')}].`,
        'Check that config.json belongs to these weights.',
      );
    }
    return { name, inFile, shape };
  });
  const surplus = accountForTensors(
    folder,
    stored,
    architecture,
    new Set(found.map(({ inFile }) => inFile)),
    own.known,
  );
  return {
    architecture,
    head,
    parameters: found,
    stored,
    headFrom: own.from,
    notes: [...own.notes, ...surplus, ...unreadNotes(folder)],
    ...(scorer && scaling ? { scaling } : {}),
  };
}

/** Files and times, so that what was found out about the numbers in them holds until one changes. */
const stampOf = (folder: string): string =>
  JSON.stringify([
    path.resolve(folder),
    fs
      .readdirSync(folder)
      .filter((name) => name.endsWith('.safetensors'))
      .map((name) => {
        const { size, mtimeMs } = fs.statSync(path.join(folder, name));
        return [name, size, mtimeMs];
      }),
  ]);

/**
 * The head that a folder's model is read with, said in words, and what follows: whether the output matrix is the
 * embedding
 * after all, what is read under another name, and which tensors are `known` to be left aside.
 */
function headOf(
  folder: string,
  described: Architecture,
  stored: Weights,
  scorer: ScoreHead | null,
  inFileOf: (name: string) => string,
  classes: readonly string[],
): { architecture: Architecture; from: string; notes: string[]; known: string[]; instead: Map<string, string> } {
  const { names } = families[described.family];
  const output = `${names.head}.weight`;
  const embedding = `${names.embedding}.weight`;
  const hasOutput = stored.has(output);
  const plain = {
    architecture: described,
    notes: [] as string[],
    known: [] as string[],
    instead: new Map<string, string>(),
  };
  const difference = () =>
    stored.has(inFileOf(embedding)) && stored.shape(output).join() === stored.shape(inFileOf(embedding)).join()
      ? largestDifference(stored, output, inFileOf(embedding), stampOf(folder))
      : Infinity;
  if (scorer) {
    const named = classes.find((name) => /(ForCausalLM|LMHeadModel)$/.test(name));
    const isSecond = hasOutput && !(described.tied && difference() === 0);
    if (isSecond && named !== undefined && scorer.inFile(LINEAR.weight) === LINEAR.weight)
      throw new TastemakerError(
        'bad-model',
        `${folder} holds two heads, "${output}" and "${LINEAR.weight}", and config.json says ${named}.`,
        'Take the one away that does not belong to the model, or say …ForSequenceClassification where it is a reward model.',
      );
    const notes =
      isClassifier(classes) || named === undefined
        ? []
        : [`config.json says ${named}, but the weights hold the head ${scorer.from}: it is read as a reward model.`];
    return {
      ...plain,
      from: scorer.from,
      notes: [
        ...notes,
        ...biasNotes(folder, stored, scorer),
        ...(isSecond ? [`"${output}" is left aside: a reward model does not use it.`] : []),
      ],
      known: hasOutput ? [output] : [],
    };
  }
  if (!described.tied) {
    if (!hasOutput)
      throw new TastemakerError(
        'bad-model',
        `${folder} has neither "${output}" nor "${LINEAR.weight}".`,
        'The folder holds only a part of a model: export it with its head.',
      );
    return { ...plain, from: `"${output}"` };
  }
  if (!hasOutput) return { ...plain, from: 'the embedding, to which it is tied' };
  if (!stored.has(inFileOf(embedding)))
    return { ...plain, from: `"${output}", to which the embedding is tied`, instead: new Map([[embedding, output]]) };
  const apart = difference();
  if (apart === 0) return { ...plain, from: 'the embedding, to which it is tied', known: [output] };
  return {
    ...plain,
    architecture: { ...described, tied: false },
    from: `"${output}"`,
    notes: [
      `config.json ties the head to the embedding, but the weights hold another "${output}"${apart === Infinity ? '' : ` (the largest difference is ${Number(apart.toPrecision(7))})`}: that one is taken, as transformers does.`,
    ],
  };
}

/**
 * The bias of a classifier's head, which transformers has no place for and leaves away; a model of ours has it, as its
 * note says.
 */
function biasNotes(folder: string, stored: Weights, { name, inFile }: ScoreHead): string[] {
  const isTransformers = HEADS[name].elsewhere === true && inFile(LINEAR.bias) === LINEAR.bias;
  const bias =
    isTransformers && stored.has(LINEAR.bias) && !fs.existsSync(path.join(folder, REWARD_NOTE))
      ? (stored.load(LINEAR.bias)[0] ?? 0)
      : 0;
  return bias === 0
    ? []
    : [
        `"${LINEAR.bias}" is read: transformers leaves it away, so its scores are ${bias < 0 ? 'higher' : 'lower'} by ${Number(Math.abs(bias).toPrecision(7))}, for every text alike.`,
      ];
}

/** What lies beside the weights in the same format. A head in a file that is not read is refused. */
function unreadNotes(folder: string): string[] {
  const files = unreadFiles(folder).filter((name) => name !== HEAD_FILE);
  for (const name of files) {
    const held = openWeights(path.join(folder, name)).names();
    if (held.length <= 4 && held.some((tensor) => isHeadName(tensor) || isHeadName(name.replace('.safetensors', '')))) {
      throw new TastemakerError(
        'bad-model',
        `${folder} holds the head ${quotedTensor(held[0] ?? name)} in ${name}, which is not read.`,
        `What is read beside the weights is ${HEAD_FILE}, as LlamaFactory writes it; take the file away to use the model without it.`,
      );
    }
  }
  return files.length ? [`Not read: ${files.join(', ')}.`] : [];
}

/** An adapter folder as one model: its own tensors, and the base's for all others. */
function openAdapted(folder: string): StoredCheckpoint {
  const place = adapterBase(folder);
  const base = openCheckpoint(place);
  const opened = openAdapter(folder, base.architecture);
  const { settings, parameters: own, stored, task, headFrom, notes } = opened;
  const brings = opened.head !== null;
  if (!brings && task === 'SEQ_CLS' && !isScoreHead(base.head))
    throw new TastemakerError(
      'bad-model',
      `${folder} says that it is an adapter of the task SEQ_CLS, but it holds no head: there is no "${LINEAR.weight}".`,
      'Save it again with modules_to_save=["score"]: save_pretrained then writes the head.',
    );
  if (!brings && task === 'CAUSAL_LM' && isScoreHead(base.head))
    throw new TastemakerError(
      'bad-model',
      `${folder} says that it is an adapter of the task CAUSAL_LM, but its base ${place} is a reward model.`,
      'Name the language model that it was trained on as its base.',
    );
  const head = opened.head ?? base.head;
  const { names } = families[base.architecture.family];
  const replaced = new Set(own.map(({ name }) => name));
  const kept = base.parameters.filter(
    ({ name }) =>
      !replaced.has(name) &&
      !(isScoreHead(head) && name === `${names.head}.weight`) &&
      !(brings && isScoreTensor(name)),
  );
  const isOwn = (name: string) => own.some(({ inFile }) => inFile === name);
  const mine: Weights = { ...stored, has: (name) => isOwn(name) && stored.has(name) };
  return {
    architecture: base.architecture,
    head,
    adapter: { settings, base: place },
    parameters: [...kept, ...own],
    ...(base.scaling ? { scaling: base.scaling } : {}),
    headFrom: brings ? headFrom : `${base.headFrom} of its base`,
    notes: [...base.notes, ...notes],
    stored: joinedWeights(mine, base.stored),
  };
}

/**
 * Where config.json names no end, the tokenizer's is it; generation_config.json may name more tokens to end at.
 * 'bad-model' where none of them names one.
 */
function withStops(described: Architecture, folder: string): Architecture {
  const file = path.join(folder, 'generation_config.json');
  const ids = fs.existsSync(file)
    ? (settingsOf(readJsonObject(file), file, {
        hint: 'Take generation_config.json from the model it belongs to, or take it away.',
      }).ids('eos_token_id', { orNull: true }) ?? [])
    : [];
  const more = ids.filter((id) => id < described.vocabulary);
  const end = described.endOfText === NO_END ? (endNamed(folder, described) ?? more[0]) : described.endOfText;
  if (end === undefined)
    throw new TastemakerError(
      'bad-model',
      `${folder} does not say which token ends a text: neither config.json nor its tokenizer names one.`,
      'Add "eos_token" to tokenizer_config.json, or "eos_token_id" to config.json, as the model was trained.',
    );
  const architecture = { ...described, endOfText: end, stops: described.stops.length ? described.stops : [end] };
  return more.every((id) => architecture.stops.includes(id))
    ? architecture
    : { ...architecture, stops: [...new Set([...architecture.stops, ...more])] };
}

/** The end that the tokenizer in this folder names. */
function endNamed(folder: string, { vocabulary }: Architecture): number | undefined {
  const id = fs.existsSync(path.join(folder, 'tokenizer.json')) ? namedEnd(readTokenizerFiles(folder)) : null;
  return id === null || id >= vocabulary ? undefined : id;
}

/** How many numbers a model has; those of its adapter are not counted, for merged they add none. */
export const parameterCount = ({ parameters: list }: StoredCheckpoint): number =>
  list
    .filter(({ name }) => !isAdapterTensor(name))
    .reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

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
  return {
    ...checkpoint,
    weights: mergeAdapter(checkpoint.architecture, checkpoint.weights, adapterScales(adapter.settings), {
      inPlace: true,
    }),
  };
}

/** Arrays that several models have in common, by name. */
export type SharedWeights = Map<string, Float32Array[]>;

const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length &&
  Buffer.compare(
    Buffer.from(a.buffer, a.byteOffset, a.byteLength),
    Buffer.from(b.buffer, b.byteOffset, b.byteLength),
  ) === 0;

/**
 * Reads a model folder; 'not-finite' naming the tensor where a weight is NaN or infinite. What it has in common with
 * models that were read into `shared` before is held once: the base of adapters, the frozen blocks of a model that was
 * tuned in part.
 */
export function loadShared(folder: string, shared: SharedWeights = new Map()): Checkpoint {
  const { architecture, head, adapter, parameters: list, stored, scaling } = openCheckpoint(folder);
  const weights = Object.fromEntries(
    list.map(({ name, inFile }) => {
      const data = stored.load(inFile);
      const known = shared.get(name) ?? [];
      const same = known.find((other) => sameBits(other, data));
      if (!same) shared.set(name, [...known, data]);
      return [name, same ?? data];
    }),
  );
  refuseNotFinite(
    folder,
    list.map(({ name, shape }) => ({ name, shape, pieces: [weights[name]!] })),
  );
  if (scaling)
    Object.assign(weights, adjustedHead(head, weights, { center: scaling.mean, unit: scaling.deviation }, 'all'));
  return { architecture, head, weights, ...(adapter ? { adapter } : {}) };
}

export interface SaveOptions {
  tokenizerFrom?: string | undefined;
  dtype?: FloatDtype;
  maxShardBytes?: number | undefined;
  beside?: Readonly<Record<string, object>>;
}

/**
 * Writes a model folder under a temporary name and renames it into place, where it replaces all of an older one. Of an
 * adapted
 * model only the adapter is written, as PEFT does; `mergedCheckpoint` makes a whole one of it. Weights beyond
 * `maxShardBytes` (5 GB unless told) go to several files and an index; tokenizer files come from `tokenizerFrom`,
 * and `beside` are further JSON files by name (model-notes.ts), which appear with the weights.
 */
export function saveCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  { tokenizerFrom, dtype = 'F32', maxShardBytes, beside = {} }: SaveOptions = {},
): void {
  const { architecture, weights, head, adapter } = checkpoint;
  const temporary = `${folder}.writing-${process.pid}`;
  const replaced = `${folder}.replaced-${process.pid}`;
  fs.rmSync(temporary, { recursive: true, force: true });
  try {
    fs.mkdirSync(temporary, { recursive: true });
    if (adapter)
      writeAdapter(temporary, { architecture, weights, head, settings: adapter.settings, base: adapter.base }, folder);
    else {
      fs.writeFileSync(
        path.join(temporary, 'config.json'),
        `${JSON.stringify(modelConfig(architecture, head, dtype), null, 2)}\n`,
      );
      writeWeights(
        temporary,
        checkpointParameters(checkpoint).map(({ name, shape }) => ({ name, shape, data: weights[name]! })),
        { dtype, metadata: { format: 'pt' }, maxShardBytes },
      );
    }
    if (tokenizerFrom) copyTokenizer(tokenizerFrom, temporary);
    for (const [name, note] of Object.entries(beside))
      fs.writeFileSync(path.join(temporary, name), `${JSON.stringify(note)}\n`);
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
  return Object.fromEntries(
    list.map(({ name, shape, start }) => {
      const random = createRandom(seed, `weights/${name}`);
      const size = shape.reduce((a, b) => a * b, 1);
      return [
        name,
        Float32Array.from({ length: size }, () =>
          start === 'one' ? 1 : scale[start] * (start === 'zero' ? 0 : random.normal()),
        ),
      ];
    }),
  );
}

/** A reward model or critic on a copy of `base`'s trunk, with a fresh head (D9). */
export function withScoreHead(base: Checkpoint, seed: number, bias = true, head: ScoreHeadName = 'linear'): Checkpoint {
  const { architecture } = base;
  const before = new Set(headParameters(base).map(({ name }) => name));
  const trunk = Object.fromEntries(Object.entries(base.weights).filter(([name]) => !before.has(name)));
  const std = 1 / Math.sqrt(architecture.channels + 1);
  const own = headParameters({ architecture, head }, () => bias);
  return { ...base, head, weights: { ...trunk, ...freshWeights(own, 1, seed, std) } };
}

/** The same model without an adapter: its products are added into the matrices. */
export function mergedCheckpoint({ adapter, ...checkpoint }: Checkpoint): Checkpoint {
  return adapter
    ? {
        ...checkpoint,
        weights: mergeAdapter(checkpoint.architecture, checkpoint.weights, adapterScales(adapter.settings)),
      }
    : checkpoint;
}
