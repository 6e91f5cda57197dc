// What a model can be written as: each format a row that says what it is, which models fit it, and how its files are
// made.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { hubName } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { blockFormats } from '#core/formats/gguf-blocks.ts';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import type { TokenizerFiles } from '#core/formats/gguf-tokenizer.ts';
import { writtenFormat } from '#core/formats/gguf-writer.ts';
import { elementBytes, numbersIn } from '#core/formats/safetensors.ts';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { writeWeights } from '#core/formats/sharded-safetensors.ts';
import { copyTokenizer, readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { HEADS, isScoreHead, LINEAR } from '#core/models/heads.ts';
import type { Architecture } from '#core/models/architecture.ts';
import type { StoredCheckpoint } from '#core/models/checkpoint.ts';
import { modelConfig } from '#core/models/config-json.ts';
import { onnxBytes, onnxDefaults, saveOnnx } from '#core/models/export-onnx.ts';
import { readingOf } from '#core/models/score-reading.ts';
import { GGUF_FAMILIES } from '#core/models/gguf-architecture.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { foldedBias, lazyWeights, mergedTensors } from '#core/models/merged-tensors.ts';
import type { MergedTensor } from '#core/models/merged-tensors.ts';
import { isOwnTensor, writeAdapter } from '#core/models/peft.ts';
import { paddingOf, usePadding } from './classifier-padding.ts';
import { folderName } from './copy-model.ts';

export interface FormatOrder {
  /** the folder to fill */
  folder: string;
  /** where the model lies: a folder or a GGUF file */
  model: string;
  opened: StoredCheckpoint;
  name: string;
  licence: string | null;
  /** shapes of an ONNX export; null: its usual ones */
  batch: number | null;
  tokens: number | null;
  onProgress(done: number, total: number): void;
}

export interface ModelFormat {
  name: string;
  title: string;
  sentence: string;
  /** what a folder's name ends with, so that several exports of a model lie side by side */
  suffix: string;
  /** as the model card calls it */
  library: string;
  /** true, or why not */
  fits(opened: StoredCheckpoint, model: string): true | string;
  /** bytes of weights, nearly */
  bytes(opened: StoredCheckpoint): number;
  /** Fills the folder; returns what the reader of the card must know. */
  write(order: FormatOrder): string[];
}

export const tokenizerFiles = (model: string): TokenizerFiles | null => {
  try {
    return readTokenizerFiles(model);
  } catch (error) {
    if (error instanceof TastemakerError) return null; // a model without a tokenizer, or a broken one, is still a model
    throw error;
  }
};

const merged = (opened: StoredCheckpoint): readonly { shape: readonly number[] }[] => mergedTensors(opened).tensors;
const numbers = (opened: StoredCheckpoint): number =>
  merged(opened).reduce((sum, { shape }) => sum + numbersIn(shape), 0);

const LARGEST_HALF = 65_520; // what is nearer to the next number than to 65,504 becomes infinite

/** The same tensors, checked for what half precision cannot hold. */
const forHalves = (tensors: readonly MergedTensor[]): MergedTensor[] =>
  tensors.map(({ name, shape, load }) => ({
    name,
    shape,
    load: () => {
      const data = load();
      const beyond = data.find((value) => Math.abs(value) >= LARGEST_HALF);
      if (beyond !== undefined)
        throw new TastemakerError(
          'bad-model',
          `The tensor "${name}" holds ${beyond}, which is beyond half precision (F16).`,
          'Choose BF16 or F32.',
        );
      return data;
    },
  }));

function writeFolder(dtype: FloatDtype, { folder, model, opened, onProgress }: FormatOrder): string[] {
  const whole = mergedTensors(opened);
  const scorer = isScoreHead(opened.head);
  const {
    model: { architecture, head, tensors },
    bias,
  } = scorer ? foldedBias(whole) : { model: whole, bias: 0 };
  const kept = scorer ? readingOf(model, opened).passedOver : null; // what is passed over at the end of a text stays so
  const found = scorer ? paddingOf(architecture, tokenizerFiles(model)) : null;
  const padding = kept === null || found?.id === kept ? found : { id: kept, content: null };
  const config = {
    ...modelConfig(architecture, head, dtype),
    ...(scorer ? { pad_token_id: padding?.id ?? null } : {}),
    ...(bias === 0 ? {} : { tastemaker: { score_bias: bias } }),
  };
  fs.writeFileSync(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  writeWeights(folder, dtype === 'F16' ? forHalves(tensors) : tensors, {
    dtype,
    metadata: { format: 'pt' },
    onProgress,
  });
  copyTokenizer(model, folder);
  if (!scorer) writeGenerationConfig(folder, architecture);
  else if (padding) usePadding(folder, padding);
  return [
    ...(scorer && !padding
      ? [
          'Its tokenizer has no special token that ends no text, so it has no padding token: score one text at a time, without padding.',
        ]
      : []),
    ...(bias === 0 ? [] : [biasNote(bias)]),
  ];
}

const biasNote = (bias: number): string =>
  `The head’s bias is ${bias}. transformers has no place for it in this family: its scores are ${bias < 0 ? 'higher' : 'lower'} by ${Math.abs(bias)} than Tastemaker’s, for every text alike.`;

/** What ends a text, where the model came without a generation_config.json. */
function writeGenerationConfig(folder: string, { stops, endOfText, pad, beginOfText }: Architecture): void {
  const file = path.join(folder, 'generation_config.json');
  if (fs.existsSync(file)) return;
  fs.writeFileSync(
    file,
    `${JSON.stringify({ ...(beginOfText === null ? {} : { bos_token_id: beginOfText }), eos_token_id: stops.length > 1 ? [...stops] : endOfText, ...(pad === null ? {} : { pad_token_id: pad }) }, null, 2)}\n`,
  );
}

const folderFormat = (dtype: FloatDtype, suffix: string, sentence: string): ModelFormat => ({
  name: `hf-${dtype.toLowerCase()}`,
  title: `Hugging Face folder, ${dtype}`,
  sentence,
  suffix,
  library: 'transformers',
  fits: ({ head }) => HEADS[head].elsewhere,
  bytes: (opened) => elementBytes[dtype] * numbers(opened),
  write: (order) => writeFolder(dtype, order),
});

const adapterFormat: ModelFormat = {
  name: 'adapter',
  title: 'LoRA adapter (PEFT)',
  sentence: 'Only what was trained, to be put on the base model again.',
  suffix: '-adapter',
  library: 'peft',
  fits: ({ adapter, head }) =>
    adapter ? HEADS[head].elsewhere : 'The model is no adapter: all of its weights are its own.',
  bytes: ({ parameters }) =>
    4 * parameters.filter(({ name }) => isOwnTensor(name)).reduce((sum, { shape }) => sum + numbersIn(shape), 0),
  write: ({ folder, model, opened, onProgress }) => {
    const { architecture, head, parameters, stored } = opened;
    const { settings, base } = opened.adapter!;
    const scores = mergedTensors(opened).tensors.filter(({ name }) => isOwnTensor(name));
    const own = parameters.filter(({ name }) => isOwnTensor(name));
    const weights = {
      ...Object.fromEntries(own.map(({ name, inFile }) => [name, stored.load(inFile)])),
      ...Object.fromEntries(scores.map(({ name, load }) => [name, load()])),
    };
    const place = fs.realpathSync(base);
    const hub = hubName(place);
    writeAdapter(folder, { architecture, weights, settings, base, head, called: hub ?? place });
    copyTokenizer(model, folder);
    onProgress(1, 1);
    const bias = weights[LINEAR.bias]?.[0] ?? 0;
    return [
      `The base model is ${hub === null ? `looked for at ${place}` : `${hub} on the hub`} (“base_model_name_or_path” in adapter_config.json).`,
      ...(isGguf(place)
        ? ['The base is a GGUF file, which PEFT does not open by itself: export it as a folder and name that.']
        : []),
      ...(bias === 0 ? [] : [biasNote(bias)]),
      ...(isScoreHead(head) ? baseNote(opened, model) : []),
    ];
  },
};

/** The padding token of an adapter's classifier is its base's, which the adapter cannot change. */
function baseNote({ architecture }: StoredCheckpoint, model: string): string[] {
  if (architecture.pad !== null && !architecture.stops.includes(architecture.pad)) return [];
  const padding = paddingOf(architecture, tokenizerFiles(model));
  return [
    `The base has no padding token that ends no text, and transformers reads scores at the last token that is not padding: set \`model.config.pad_token_id = ${padding?.id ?? null}\`${padding ? '' : ' and score one text at a time, without padding'}.`,
  ];
}

function ggufProblem({ architecture, head }: StoredCheckpoint, model: string): true | string {
  if (isScoreHead(head)) return 'GGUF has no place for the head of a reward model.';
  if (!(GGUF_FAMILIES as readonly string[]).includes(architecture.family))
    return `GGUF is written for the families ${GGUF_FAMILIES.join(', ')}; this model is of the family ${architecture.family}.`;
  try {
    ggufTokenizer(architecture, model);
    return true;
  } catch (error) {
    if (error instanceof TastemakerError) return error.message;
    throw error;
  }
}
const ggufTokenizer = ({ vocabulary, stops }: Architecture, model: string) =>
  ggufTokenizerFields(readTokenizerFiles(model), { vocabulary, stops, file: `The tokenizer of ${model}` });

const ggufFormat = (type: 'F16' | 'Q8_0', sentence: string): ModelFormat => ({
  name: `gguf-${type.toLowerCase()}`,
  title: `GGUF, ${type}`,
  sentence,
  suffix: `-${type}-GGUF`,
  library: 'gguf',
  fits: ggufProblem,
  bytes: (opened) =>
    merged(opened).reduce(
      (sum, { shape }) =>
        sum +
        (numbersIn(shape) / blockFormats[writtenFormat(shape, type)].numbers) *
          blockFormats[writtenFormat(shape, type)].bytes,
      0,
    ),
  write: ({ folder, model, opened, name, licence, onProgress }) => {
    const { architecture, head, tensors } = mergedTensors(opened);
    const weights = lazyWeights(type === 'F16' ? forHalves(tensors) : tensors);
    saveGguf(
      path.join(folder, `${folderName(name)}.${type}.gguf`),
      { architecture, head, weights },
      { type, tokenizer: ggufTokenizer(architecture, model), name, licence, onProgress },
    );
    return [];
  },
});

const onnxFormat: ModelFormat = {
  name: 'onnx',
  title: 'ONNX',
  sentence: 'The forward pass for ONNX Runtime, in F32, with its weights in a file beside it; rows of a fixed length.',
  suffix: '-ONNX',
  library: 'onnx',
  fits: () => true,
  bytes: (opened) => onnxBytes(mergedTensors(opened), onnxDefaults(opened.architecture).tokens),
  write: ({ folder, model, opened, batch, tokens, onProgress }) => {
    const whole = mergedTensors(opened);
    const usual = onnxDefaults(opened.architecture);
    const B = batch ?? usual.batch;
    const T = tokens ?? usual.tokens;
    const scorer = isScoreHead(opened.head);
    saveOnnx(folder, whole, { batch: B, tokens: T, onProgress });
    copyTokenizer(model, folder);
    return [
      `Inputs: \`ids\`, int32 [${B}, ${T}]${scorer ? `, and \`last\`, int32 [${B}], the place of each row’s last token (counted from 0)` : ''}. Output: ${scorer ? `\`scores\`, float32 [${B}]` : `\`logits\`, float32 [${B}, ${T}, ${opened.architecture.vocabulary}]`}.`,
      'Shapes are fixed. Shorter rows are filled up on the right with any token: a token sees only those before it, so what fills a row changes nothing; what the model says at those places means nothing.',
      'It holds operators of ONNX Runtime (com.microsoft), so it runs there: onnxruntime for Python, onnxruntime-node, and others.',
    ];
  },
};

export const MODEL_FORMATS: readonly ModelFormat[] = [
  folderFormat(
    'F32',
    '',
    'The model as it is, in full precision, for transformers and most other programs. An adapter is merged into its base.',
  ),
  folderFormat('BF16', '-BF16', 'The same in half the space: the range of F32 with 8 bits of precision.'),
  folderFormat('F16', '-F16', 'The same in half the space, with 11 bits of precision and numbers up to 65,504.'),
  adapterFormat,
  ggufFormat('F16', 'One file with tokenizer and chat template for llama.cpp and its kin, in half precision.'),
  ggufFormat('Q8_0', 'The same at about 8½ bits a number; what it says differs little.'),
  onnxFormat,
];

export const DEFAULT_FORMAT = 'hf-f32';

/** 'bad-argument' with the list of all where there is none of this name. */
export function formatNamed(name: string): ModelFormat {
  const found = MODEL_FORMATS.find((format) => format.name === name);
  if (found) return found;
  throw new TastemakerError(
    'bad-argument',
    `There is no model format ${JSON.stringify(name.slice(0, 60))}.`,
    `The formats are: ${MODEL_FORMATS.map((format) => format.name).join(', ')}.`,
  );
}

export interface FormatChoice {
  name: string;
  title: string;
  sentence: string;
  problem: string | null;
  bytes: number;
}

/** Every format, with how large this model would be in it, or why it does not fit. */
export function formatsFor(opened: StoredCheckpoint, model: string): FormatChoice[] {
  return MODEL_FORMATS.map(({ name, title, sentence, fits, bytes }) => {
    const verdict = fits(opened, model);
    return {
      name,
      title,
      sentence,
      problem: verdict === true ? null : verdict,
      bytes: verdict === true ? bytes(opened) : 0,
    };
  });
}
