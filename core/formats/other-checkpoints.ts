// What other programs leave where weights in the safetensors format are expected: each recognised by its names, with
// the command that converts it.
//
// The files themselves are never opened: a pickle (.pt, .pth, .bin, .ckpt) can run any program when it is read.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';

/** The first line of every pointer of Git LFS; the second name is the one of its first versions. */
const POINTER = /^version https:\/\/(git-lfs\.github\.com|hawser\.github\.com)\/spec\/v\d/;
const POINTER_BYTES = 64;

/** Throws 'bad-file' where a file's first bytes are those of a Git LFS pointer: the file itself was never fetched. */
export function refusePointer(start: Uint8Array | string, file: string): void {
  const text =
    typeof start === 'string'
      ? start.slice(0, POINTER_BYTES)
      : Buffer.from(start.subarray(0, POINTER_BYTES)).toString('latin1');
  if (POINTER.test(text))
    throw new TastemakerError(
      'bad-file',
      `${file} is a Git LFS pointer, not the file itself.`,
      `Run \`git lfs pull\` in ${path.dirname(file)}, or download the file itself.`,
    );
}

interface Kind {
  /** the names of the files and folders in it, those in its folders as "folder/name" */
  is(names: readonly string[]): boolean;
  what: string;
  hint(folder: string, names: readonly string[]): string;
}

const quoted = (place: string) => (/^[\w./:\\-]+$/.test(place) ? place : JSON.stringify(place));
const some =
  (pattern: RegExp) =>
  (names: readonly string[]): boolean =>
    names.some((name) => pattern.test(name));
/** The folder in which a file of this name lies: the one that was named, or one in it. */
const placeOf = (folder: string, names: readonly string[], pattern: RegExp): string =>
  path.join(folder, path.dirname(names.find((name) => pattern.test(name)) ?? '.'));

const VERL = /(^|\/)model_world_size_\d+_rank_\d+\.pt$/;
const VERL_MEGATRON = /(^|\/)dist_ckpt($|\/)/;
const ZERO = /(^|\/)(\w+_)?zero_pp_rank_\d+_mp_rank_\d+\w*\.pt$|(^|\/)mp_rank_\d+_model_states\.pt$/;
const DCP = /\.distcp$/;

/** What a trainer leaves beside a model. */
const BESIDE = /(^|\/)(training_args|optimizer|scheduler|scaler|rng_state\w*)\.\w+$/;

const KINDS: readonly Kind[] = [
  {
    is: (names) => some(VERL)(names) || (some(VERL_MEGATRON)(names) && some(/(^|\/)huggingface(\/|$)/)(names)),
    what: 'a checkpoint of verl, whose weights are one .pt a process',
    hint: (folder, names) => {
      const fsdp = some(VERL)(names);
      const place = placeOf(folder, names, fsdp ? VERL : VERL_MEGATRON);
      return `Run \`python -m verl.model_merger merge --backend ${fsdp ? 'fsdp' : 'megatron'} --local_dir ${quoted(place)} --target_dir ${quoted(`${place}-merged`)}\`, and name what it makes.`;
    },
  },
  {
    is: (names) => some(ZERO)(names) || names.includes('zero_to_fp32.py'),
    what: 'a checkpoint of DeepSpeed (ZeRO), whose weights are in parts',
    hint: (folder, names) => {
      const inside = names.some((name) => ZERO.test(name) && !name.includes('/'));
      const top = inside ? path.dirname(folder) : folder;
      return `Run \`python zero_to_fp32.py . merged --safe_serialization\` in ${quoted(top)}, and name the folder merged, with config.json and the tokenizer beside the weights.`;
    },
  },
  {
    is: some(DCP),
    what: 'a checkpoint of PyTorch’s FSDP (.distcp), whose weights are in parts',
    hint: (folder, names) => {
      const place = placeOf(folder, names, DCP);
      return `Run \`accelerate merge-weights ${quoted(place)} ${quoted(`${place}-merged`)}\`, and name what it makes, with config.json and the tokenizer beside the weights.`;
    },
  },
  {
    is: (names) =>
      some(/^consolidated\.\d+\.pth$/)(names) ||
      (names.includes('params.json') && some(/\.pth$|^consolidated.*\.safetensors$/)(names)),
    what: 'a model in the layout of Meta (consolidated weights with params.json)',
    hint: (folder) =>
      `Run \`python -m transformers.models.llama.convert_llama_weights_to_hf --input_dir ${quoted(folder)} --output_dir ${quoted(`${folder}-hf`)}\`, and name what it makes.`,
  },
  {
    is: some(/^(adapter_model|value_head)\.(bin|pt)$/),
    what: 'an adapter or a head whose weights are a pickle (.bin)',
    hint: () => 'Save it again where it was made, with save_pretrained(…, safe_serialization=True).',
  },
  {
    is: some(/^pytorch_model([-.].*)?\.bin(\.index\.json)?$/),
    what: 'a model whose weights are a pickle (pytorch_model.bin)',
    hint: (folder) =>
      `Run \`python -c "from transformers import AutoModelForCausalLM as M; M.from_pretrained('${folder.replaceAll('\\', '/')}').save_pretrained('${folder.replaceAll('\\', '/')}-safetensors')"\` (AutoModelForSequenceClassification for a reward model), copy the tokenizer files there, and name what it makes.`,
  },
  {
    is: (names) => names.some((name) => /\.(pt|pth|ckpt|bin)$/.test(name) && !BESIDE.test(name)),
    what: 'a checkpoint of PyTorch, a pickle that is not opened',
    hint: () =>
      'Save the model in the program that wrote it with save_pretrained, which gives config.json and model.safetensors.',
  },
  {
    is: some(/^[^/]+\.(h5|msgpack|npz|tflite|ot)$/),
    what: 'a model in a format of another framework',
    hint: () =>
      'Save the model with transformers as safetensors: save_pretrained gives config.json and model.safetensors.',
  },
  {
    is: some(/^[^/]+\.gguf$/i),
    what: 'a folder of GGUF files',
    hint: (folder, names) =>
      `Name the file itself, such as ${path.join(
        folder,
        names.find((name) => /\.gguf$/i.test(name))!,
      )}.`,
  },
];

const MOST_NAMES = 5000;

/** Names in a folder and in the folders in it, to the given depth. */
function namesIn(folder: string, depth = 2, before = ''): string[] {
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true }).slice(0, MOST_NAMES);
  } catch {
    return [];
  }
  return entries.flatMap((entry) => [
    before + entry.name,
    ...(entry.isDirectory() && depth > 0 && !entry.name.startsWith('.')
      ? namesIn(path.join(folder, entry.name), depth - 1, `${before}${entry.name}/`)
      : []),
  ]);
}

/**
 * Where a folder (or a file in it) is what another program made and no weights lie there that could be read: the
 * refusal that says what it is and what to run; null where nothing is recognised.
 */
export function otherCheckpoint(place: string): TastemakerError | null {
  const stat = fs.statSync(place, { throwIfNoEntry: false });
  if (!stat) return null;
  const isFolder = stat.isDirectory();
  const folder = path.resolve(isFolder ? place : path.dirname(place));
  // the "huggingface" folder of a verl checkpoint holds its configuration alone
  const places =
    isFolder && /^(huggingface|dist_ckpt)$/.test(path.basename(folder)) ? [folder, path.dirname(folder)] : [folder];
  for (const one of places) {
    const names = isFolder
      ? namesIn(one)
      : [
          path.basename(place),
          ...namesIn(one, 0).filter(
            (name) => ZERO.test(name) || VERL.test(name) || /^params\.json$|\.distcp$/.test(name),
          ),
        ];
    const kind = KINDS.find(({ is }) => is(names));
    if (kind) return new TastemakerError('bad-model', `${place} is ${kind.what}.`, kind.hint(one, names));
  }
  return null;
}
