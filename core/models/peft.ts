// Adapter folders as PEFT lays them out: adapter_config.json and adapter_model.safetensors over a base model elsewhere.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { ADAPTER_CONFIG, adapterBase, RELATIVE_BASE } from '#core/formats/adapter-base.ts';
import { brief, readJsonObject } from '#core/formats/json-file.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { adapterParameters, isAdapterTensor, isCalled, matrixWords } from './adapter.ts';
import type { AdapterSettings } from './adapter.ts';
import type { Architecture, Parameter } from './architecture.ts';
import { families } from './families.ts';

export const ADAPTER_WEIGHTS = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

export interface StoredAdapter {
  settings: AdapterSettings;
  /** folder (or GGUF file) of the model it sits on */
  base: string;
  /** A and B of every adapted matrix, and the score head where it has one; named as in the base */
  parameters: { name: string; inFile: string; shape: readonly number[] }[];
  stored: Weights;
}

/** Options that change the arithmetic, with the values that are implemented. */
const SUPPORTED: Record<string, readonly unknown[]> = {
  peft_type: ['LORA'], use_dora: [false], use_qalora: [false], use_bdlora: [false], use_rslora: [true, false], bias: ['none'], lora_bias: [false], layer_replication: [], trainable_token_indices: [], target_parameters: [], alora_invocation_tokens: [],
  init_lora_weights: [true, false, 'gaussian', 'eva', 'orthogonal'],
};

/** What rank_pattern and alpha_pattern say of a matrix: numbers by the end of its name, or all of it between ^ and $. */
function patternOf(value: unknown, key: string, refuse: (what: string, hint: string) => never): (name: string) => number | undefined {
  const entries = Object.entries((value ?? {}) as Record<string, unknown>).map(([pattern, number]) => {
    const word = pattern.replaceAll('\\.', '.').replace(/^\^/, '').replace(/\$$/, '');
    if (typeof number !== 'number' || !(number > 0) || !Number.isFinite(number) || !/^[\w.]+$/.test(word)) refuse(`"${key}" holds ${brief(pattern)}: ${brief(number)}`, 'What works: names of matrices, or the ends of names, each with a number above 0.');
    return { word, whole: pattern.startsWith('^'), number: number as number };
  });
  return (name) => entries.find(({ word, whole }) => (whole ? name === word : isCalled(name, word)))?.number;
}

/** Reads settings and the header of the weights, and checks both against the base's architecture. */
export function openAdapter(folder: string, architecture: Architecture): StoredAdapter {
  const file = path.join(folder, ADAPTER_CONFIG), config = readJsonObject(file), weights = path.join(folder, ADAPTER_WEIGHTS);
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file}: ${what}.`, hint);
  };
  for (const [key, wanted] of Object.entries(SUPPORTED)) {
    const value = config[key];
    if (value !== undefined && value !== null && !wanted.includes(value) && !(Array.isArray(value) && value.length === 0)) refuse(`"${key}" is ${brief(value)}`, wanted.length ? `What works: ${wanted.map((item) => JSON.stringify(item)).join(', ')}.` : 'Adapters with this option are not read; merge it with PEFT and add the merged model.');
  }
  const { r, lora_alpha: alpha } = config;
  if (typeof r !== 'number' || !Number.isInteger(r) || r < 1 || r > 65536) return refuse(`"r" is ${brief(r ?? null)}, not a whole number above 0`, 'Take adapter_config.json from the adapter it belongs to.');
  if (typeof alpha !== 'number' || !Number.isFinite(alpha)) return refuse(`"lora_alpha" is ${brief(alpha ?? null)}, not a number`, 'Take adapter_config.json from the adapter it belongs to.');
  const { tensors } = readSafetensors(weights);
  const known = new Map([...tensors.keys()].map((name) => [name.replace(PREFIX, '').replace(/\.lora_([AB])\.default\.weight$/, '.lora_$1.weight').replace(/^score\.modules_to_save\.default\./, 'score.'), name]));
  const matrices = [...known.keys()].filter((name) => name.endsWith('.lora_A.weight')).map((name) => name.slice(0, -'.lora_A.weight'.length));
  if (matrices.length === 0) throw new TastemakerError('bad-model', `${weights} holds no adapter: no tensor is called ….lora_A.weight.`, 'Save the adapter again with save_pretrained.');
  const rankOf = patternOf(config.rank_pattern, 'rank_pattern', refuse), alphaOf = patternOf(config.alpha_pattern, 'alpha_pattern', refuse);
  const ranks = Object.fromEntries(matrices.map((name) => [name, rankOf(name) ?? r]));
  const rankStabilised = config.use_rslora === true;
  const expected: Parameter[] = adapterParameters(architecture, { rank: r, matrices, ranks });
  const rest = [...known.keys()].filter((name) => !expected.some((parameter) => parameter.name === name) && !/^score\.(weight|bias)$/.test(name));
  if (rest.length) throw new TastemakerError('bad-model', `${weights}: the tensor ${JSON.stringify(rest[0]!.slice(0, 200))} belongs to no matrix of the base model that can be adapted.`, 'Adapters of the matrices in the blocks work, and a "score" head; check that it was made for this base model.');
  const head: Parameter[] = [
    ...(known.has('score.weight') ? [{ name: 'score.weight', shape: [1, architecture.channels], start: 'normal', decay: true } as const] : []),
    ...(known.has('score.bias') ? [{ name: 'score.bias', shape: [1], start: 'zero', decay: false } as const] : []),
  ];
  const parameters = [...expected, ...head].map(({ name, shape }) => {
    const inFile = known.get(name);
    if (!inFile) throw new TastemakerError('bad-model', `${weights} lacks the tensor "${name}".`, 'Each adapted matrix needs lora_A and lora_B: save the adapter again.');
    const there = tensors.get(inFile)!.shape;
    if (there.join() !== shape.join()) throw new TastemakerError('bad-model', `${weights}: the tensor "${name}" has shape [${there.join(', ')}], ${ADAPTER_CONFIG} and the base model ask for [${shape.join(', ')}].`, 'Check that the adapter was made for this base model, and that its configuration belongs to it.');
    return { name, inFile, shape };
  });
  const alphas = Object.fromEntries(matrices.map((name) => [name, alphaOf(name)] as const).filter((entry): entry is [string, number] => entry[1] !== undefined));
  const get = (name: string) => tensors.get(name)!;
  return {
    settings: { rank: r, alpha, rankStabilised, matrices, ...(matrices.every((name) => ranks[name] === r) ? {} : { ranks }), ...(Object.keys(alphas).length ? { alphas } : {}) }, base: adapterBase(folder), parameters,
    stored: { names: () => [...tensors.keys()], has: (name) => tensors.has(name), shape: (name) => get(name).shape, dtype: (name) => get(name).dtype, load: (name) => get(name).load() },
  };
}

/** Writes the two files into `folder`; `base` is where the base lies, `home` where the folder will be in the end. With `called` the base is named so, and nothing is said of where it lies. */
export function writeAdapter(folder: string, { architecture, weights, settings, base, head, called = null }: { architecture: Architecture; weights: Readonly<Record<string, Float32Array>>; settings: AdapterSettings; base: string; head: 'language-model' | 'score'; called?: string | null }, home = folder): void {
  const { rank, alpha, rankStabilised, matrices, ranks, alphas } = settings;
  const list = [...adapterParameters(architecture, settings), ...(head === 'score' ? Object.keys(weights).filter((name) => name.startsWith('score.')).map((name) => ({ name, shape: name === 'score.weight' ? [1, architecture.channels] : [1] })) : [])];
  const config = {
    peft_type: 'LORA', task_type: head === 'score' ? 'SEQ_CLS' : 'CAUSAL_LM', base_model_name_or_path: called ?? base, ...(called === null ? { [RELATIVE_BASE]: path.relative(home, base) } : {}),
    r: rank, lora_alpha: alpha, lora_dropout: 0, rank_pattern: ranks ?? {}, alpha_pattern: alphas ?? {}, use_rslora: rankStabilised, bias: 'none', fan_in_fan_out: families[architecture.family].layout === 'in-out',
    target_modules: matrixWords(architecture, matrices), modules_to_save: head === 'score' ? ['score'] : null, inference_mode: true, init_lora_weights: true,
  };
  fs.writeFileSync(path.join(folder, ADAPTER_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
  writeSafetensors(path.join(folder, ADAPTER_WEIGHTS), list.map(({ name, shape }) => ({ name: PREFIX + name, shape, data: weights[name]! })), { metadata: { format: 'pt' } });
}

/** Tensors that an adapter brings itself; all others are its base's. */
export const isOwnTensor = (name: string): boolean => isAdapterTensor(name) || name.startsWith('score.');
