// A look at a folder or file before it is added: which models lie there, and of each file of a model whether it is
// whole.

import fs from 'node:fs/promises';
import path from 'node:path';
import type { ModelVerdict } from '#core/contract/models.ts';
import { TastemakerError, sentenceOf } from '#core/errors.ts';
import { ADAPTER_CONFIG, adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf, readGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { readStart } from '#core/formats/file-access.ts';
import { leadsOutside, refuseOutside } from '#core/formats/model-links.ts';
import { otherCheckpoint } from '#core/formats/other-checkpoints.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { COMPANIONS } from '#core/formats/tokenizer-files.ts';
import { conventionsOf, describeConventions } from '#core/recipes/parts/conventions.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import type { StoredCheckpoint } from '#core/models/checkpoint.ts';
import { FAMILY_NAMES } from '#core/models/config-json.ts';
import { GGUF_FAMILIES } from '#core/models/gguf-architecture.ts';
import { packingOf } from '#core/models/packing.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

type FileVerdict = ModelVerdict['files'][number];

const WHAT_WORKS = `What works are Hugging Face folders of the families ${FAMILY_NAMES.join(', ')} (config.json, model.safetensors or shards with their index, tokenizer.json), and GGUF files of the families ${GGUF_FAMILIES.join(', ')}.`;
const MOST_FOLDERS = 5000;
const DEEPEST = 8;
const MOST_MODELS = 200;
const isWeights = (name: string) => name.endsWith('.safetensors');
const INDEX = 'model.safetensors.index.json';

/** A sentence on one line, for the list of a person who wants to know which file is bad. */
const oneLine = (error: unknown) =>
  sentenceOf(error)
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
    .join(' ');
const hintOf = (error: unknown) =>
  error instanceof TastemakerError ? error.hint : 'Copy or download the folder again.';

/** A judgement on every model in a file or folder, at any depth. 'bad-file' where there is nothing at that path. */
export async function lookAtModels(place: string): Promise<ModelVerdict[]> {
  const at = path.resolve(place);
  const stat = await fs.stat(at).catch(() => null);
  if (!stat) throw new TastemakerError('bad-file', `There is no file or folder ${at}.`, 'Check the path.');
  if (!stat.isDirectory()) {
    if (isGguf(at)) return [await lookAtGguf(at, stat.size)];
    if (
      isWeights(at) ||
      path.basename(at) === 'config.json' ||
      path.basename(at) === ADAPTER_CONFIG ||
      path.basename(at) === INDEX
    )
      return [await lookAtFolder(path.dirname(at))];
    const other = otherCheckpoint(at);
    return [
      refused(at, stat.size, other?.message ?? `${path.basename(at)} is not a model.`, other?.hint ?? WHAT_WORKS),
    ];
  }
  const verdicts: ModelVerdict[] = [];
  let folders = 0;
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (++folders > MOST_FOLDERS || verdicts.length >= MOST_MODELS) return;
    const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    const isModel =
      names.includes('config.json') ||
      names.includes(ADAPTER_CONFIG) ||
      names.some((name) => isWeights(name) || name === INDEX);
    // what another program left is judged where it is found, not once more in each folder of its parts
    const other =
      isModel || (names.length === 0 && depth < DEEPEST) || names.some(isGguf) ? null : otherCheckpoint(folder);
    if (other) {
      verdicts.push(refused(folder, 0, other.message, other.hint));
      return;
    }
    if (isModel) verdicts.push(await lookAtFolder(folder));
    for (const name of names.filter(isGguf).sort())
      verdicts.push(await lookAtGguf(path.join(folder, name), (await fs.stat(path.join(folder, name))).size));
    if (depth === DEEPEST) return;
    for (const { name } of entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1)))
      await walk(path.join(folder, name), depth + 1);
  };
  await walk(at, 0);
  return verdicts.length > 0
    ? verdicts.slice(0, MOST_MODELS)
    : [refused(at, 0, `There is no model in ${at}.`, WHAT_WORKS)];
}

const refused = (
  place: string,
  bytes: number,
  sentence: string,
  hint: string,
  files: FileVerdict[] = [],
): ModelVerdict => ({
  path: place,
  ok: false,
  sentence,
  hint,
  kind: null,
  family: null,
  parameters: null,
  bytes,
  memoryBytes: null,
  packing: null,
  base: null,
  licence: null,
  licenceText: null,
  conventions: [],
  notes: [],
  files,
});

/**
 * What a model of so many numbers takes in memory: 4 bytes each once loaded, whatever they are packed as, and what the
 * program itself takes.
 */
export const memoryOf = (parameters: number): number => 4 * parameters + 200e6;

function licenceIn(file: string): string | null {
  try {
    const licence = readGguf(file).metadata['general.license'];
    return typeof licence === 'string' && licence.trim() !== '' ? licence.slice(0, 200) : null;
  } catch {
    return null; // what is wrong with the file is said elsewhere
  }
}

/** A GGUF file is a model in one: its parts, tokenizer included, are whole or it is not. */
async function lookAtGguf(file: string, bytes: number): Promise<ModelVerdict> {
  const name = path.basename(file);
  try {
    const opened = openCheckpoint(file);
    const { family, layers, context, vocabulary } = opened.architecture;
    const parameters = parameterCount(opened);
    const tokenizer = await loadTokenizer(file);
    const { vocabularySize, chatTemplate } = tokenizer;
    const packing = packingOf(opened);
    if (vocabularySize > vocabulary)
      throw new TastemakerError(
        'bad-model',
        `${file} has ${vocabularySize} tokens, but its embedding only ${vocabulary} rows.`,
        'Convert the model to GGUF again.',
      );
    const says = [
      `${family}, ${layers} ${layers === 1 ? 'layer' : 'layers'}, context ${context}, ${packing}`,
      `${vocabularySize.toLocaleString('en')} tokens${chatTemplate === null ? '' : ' and a chat template'}`,
    ];
    return {
      path: file,
      ok: true,
      sentence: `A language model of the family ${family} with ${parameters.toLocaleString('en')} parameters, packed as ${packing}.`,
      hint: null,
      kind: 'base',
      family,
      parameters,
      bytes,
      memoryBytes: memoryOf(parameters),
      packing,
      base: null,
      licence: licenceIn(file),
      licenceText: null,
      conventions: describeConventions(conventionsOf(tokenizer, file, opened)),
      notes: opened.notes,
      files: [{ name, bytes, ok: true, sentence: `${says.join('; ')}.` }],
    };
  } catch (error) {
    return refused(file, bytes, oneLine(error), hintOf(error), [{ name, bytes, ok: false, sentence: oneLine(error) }]);
  }
}

/** A look at one folder: what is found out file by file, and the judgement so far. */
interface Look {
  folder: string;
  names: readonly string[];
  sizes: ReadonlyMap<string, number>;
  isAdapter: boolean;
  verdict: ModelVerdict;
}

async function lookAtFolder(folder: string): Promise<ModelVerdict> {
  const look = await beginLook(folder);
  const { names, sizes, isAdapter, verdict } = look;
  const linked = names.filter((name) => leadsOutside(path.join(folder, name)));
  // what is trained from it takes these along
  for (const name of linked.filter((one) => COMPANIONS.includes(one)))
    await judge(look, name, () => String(refuseOutside(path.join(folder, name))));
  for (const name of names.filter((one) => isWeights(one) && sizes.has(one)))
    await judge(look, name, () => {
      const { size } = readSafetensors(path.join(folder, name)).tensors;
      return `Whole: ${size} ${size === 1 ? 'tensor' : 'tensors'}.`;
    });
  const outside = linked
    .filter((name) => !COMPANIONS.includes(name))
    .map((name) => `${name} is a link to a file outside the model’s folder: it is neither copied nor exported.`);
  const opened = await judgeParts(look, outside);
  if (!isAdapter || verdict.ok || sizes.has('tokenizer.json')) await judgeTokenizer(look, opened);
  if (verdict.ok)
    verdict.sentence = `${isAdapter ? 'An adapter that makes a' : 'A'} ${verdict.kind === 'reward' ? 'reward model' : 'language model'} of the family ${verdict.family} with ${verdict.parameters!.toLocaleString('en')} parameters.`;
  if (verdict.base !== null) verdict.licence ??= await licenceOf(verdict.base);
  verdict.files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return verdict;
}

async function beginLook(folder: string): Promise<Look> {
  const names = (await fs.readdir(folder)).sort();
  const sizes = new Map<string, number>();
  for (const name of names) {
    const stat = await fs.stat(path.join(folder, name)).catch(() => null);
    if (stat?.isFile()) sizes.set(name, stat.size);
  }
  const isAdapter = isAdapterFolder(folder);
  const verdict: ModelVerdict = {
    path: folder,
    ok: true,
    sentence: '',
    hint: null,
    kind: null,
    family: null,
    parameters: null,
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    memoryBytes: null,
    packing: null,
    base: isAdapter ? baseNamed(folder) : null,
    licence: await licenceOf(folder),
    licenceText: licenceText(folder, names),
    conventions: [],
    notes: [],
    files: [],
  };
  return { folder, names, sizes, isAdapter, verdict };
}

/** What `work` says of a file, or what it refuses: then the file that is `guilty` of it is bad, and so is the model. */
async function judge(
  { sizes, verdict }: Look,
  name: string,
  work: () => string | Promise<string>,
  guilty = (_: string) => name,
): Promise<void> {
  const fileOf = (called: string): FileVerdict => {
    const known = verdict.files.find((file) => file.name === called) ?? {
      name: called,
      bytes: sizes.get(called) ?? 0,
      ok: true,
      sentence: '',
    };
    if (!verdict.files.includes(known)) verdict.files.push(known);
    return known;
  };
  try {
    const sentence = await work();
    fileOf(name).sentence = sentence;
  } catch (error) {
    Object.assign(fileOf(guilty(oneLine(error))), { ok: false, sentence: oneLine(error) });
    if (verdict.ok) Object.assign(verdict, { ok: false, sentence: oneLine(error), hint: hintOf(error) });
  }
}

/** The parts together: family, shapes, missing shards. Null where they do not make a model. */
async function judgeParts(look: Look, outside: readonly string[]): Promise<StoredCheckpoint | null> {
  const { folder, names, isAdapter, verdict } = look;
  const config = isAdapter ? ADAPTER_CONFIG : 'config.json';
  let found: StoredCheckpoint | null = null;
  await judge(
    look,
    config,
    () => {
      const opened = openCheckpoint(folder);
      const parameters = parameterCount(opened);
      const { family, layers, context } = opened.architecture;
      found = opened;
      Object.assign(verdict, {
        family,
        parameters,
        memoryBytes: memoryOf(parameters),
        packing: packingOf(opened),
        notes: [...opened.notes, ...outside],
        kind: isScoreHead(opened.head) ? 'reward' : 'base',
        ...(opened.adapter ? { base: opened.adapter.base } : {}),
      });
      return `${opened.adapter ? `An adapter of rank ${opened.adapter.settings.rank} over ` : ''}${family}, ${layers} ${layers === 1 ? 'layer' : 'layers'}, context ${context}; it fits ${opened.adapter ? 'its base' : 'the weights'}. Its head is ${opened.headFrom}.`;
    },
    (sentence) =>
      names.find((name) => sentence.startsWith(path.join(folder, name))) ??
      (isAdapter ? config : names.includes(INDEX) ? INDEX : (names.find(isWeights) ?? 'model.safetensors')),
  );
  return found;
}

/** The base of an adapter may have it, where there is one. */
async function judgeTokenizer(look: Look, opened: StoredCheckpoint | null): Promise<void> {
  const { folder, sizes, isAdapter, verdict } = look;
  await judge(look, 'tokenizer.json', async () => {
    const tokenizer = await loadTokenizer(folder);
    const { vocabulary } = opened?.architecture ?? { vocabulary: Infinity };
    if (tokenizer.vocabularySize > vocabulary) {
      throw new TastemakerError(
        'bad-model',
        `The tokenizer in ${folder} does not match the model: it has ${tokenizer.vocabularySize} tokens, the embedding has ${vocabulary} rows.`,
        'Copy tokenizer.json from the model these weights belong to.',
      );
    }
    verdict.conventions = opened ? describeConventions(conventionsOf(tokenizer, folder, opened)) : [];
    return `${tokenizer.vocabularySize.toLocaleString('en')} tokens${isAdapter && !sizes.has('tokenizer.json') ? ', as its base has them' : ''}.`;
  });
}

/**
 * The licence that the model card names, else the first line of a licence file; of a GGUF file what it says itself;
 * null where nothing says.
 */
export async function licenceOf(folder: string): Promise<string | null> {
  if (isGguf(folder)) return licenceIn(folder);
  const names = await fs.readdir(folder).catch(() => []);
  const card =
    startOf(
      folder,
      names.find((name) => name.toLowerCase() === 'readme.md'),
      CARD_LOOKED_AT,
    ) ?? '';
  const named = licenceNamed(card);
  if (named) return named;
  return (
    licenceText(folder, names)
      ?.split('\n')
      .map((line) => line.replace(/^#+/, '').trim())
      .find((line) => line !== '')
      ?.slice(0, 200) ?? null
  );
}

/** "license:" in the front matter of a card. */
function licenceNamed(card: string): string | null {
  const lines = card.split(/\r?\n/);
  const end = lines.indexOf('---', 1);
  const line =
    lines[0] === '---' && end > 0 ? lines.slice(1, end).find((one) => one.startsWith('license:')) : undefined;
  return (
    line
      ?.slice('license:'.length)
      .trim()
      .replaceAll(/^["']|["']$/g, '')
      .slice(0, 200)
      .trim() || null
  );
}

const CARD_LOOKED_AT = 100_000;
const LICENCE_SHOWN = 12_000; // bytes: most licences whole
const LICENCE_FILE = /^licen[cs]e(\.(txt|md))?$/i;

/** The first lines of the licence file, null where there is none. */
function licenceText(folder: string, names: readonly string[]): string | null {
  return startOf(
    folder,
    names.find((one) => LICENCE_FILE.test(one)),
    LICENCE_SHOWN,
  );
}

/** The first bytes of a text beside a model; null where there is none, or none of the model's own. */
function startOf(folder: string, name: string | undefined, bytes: number): string | null {
  if (name === undefined || leadsOutside(path.join(folder, name))) return null;
  try {
    return readStart(path.join(folder, name), bytes).toString('utf8').trim() || null;
  } catch {
    return null; // a folder of that name, a pipe, or one that may not be read
  }
}

/** The base of an adapter: where it lies, else what the adapter calls it. */
function baseNamed(folder: string): string | null {
  try {
    return adapterBase(folder);
  } catch {
    try {
      const named = readJsonObject(path.join(folder, ADAPTER_CONFIG)).base_model_name_or_path;
      return typeof named === 'string' ? named : null;
    } catch {
      return null; // what is wrong with the file is said elsewhere
    }
  }
}
