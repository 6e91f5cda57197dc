// A look at a folder or file before it is added: which models lie there, and of each file of a model whether it is whole.

import fs from 'node:fs/promises';
import path from 'node:path';
import type { ModelVerdict } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

type FileVerdict = ModelVerdict['files'][number];

const WHAT_WORKS = 'What works today are Hugging Face folders of the families gpt2 and llama: config.json, model.safetensors (or shards with their index) and tokenizer.json.';
const MOST_FOLDERS = 5000, DEEPEST = 8, MOST_MODELS = 200;
const isWeights = (name: string) => name.endsWith('.safetensors');
const INDEX = 'model.safetensors.index.json';

/** A sentence on one line, for the list of a person who wants to know which file is bad. */
const oneLine = (error: unknown) => (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
const hintOf = (error: unknown) => (error instanceof TastemakerError ? error.hint : 'Copy or download the folder again.');

/** A judgement on every model in a file or folder, at any depth. 'bad-file' where there is nothing at that path. */
export async function lookAtModels(place: string): Promise<ModelVerdict[]> {
  const at = path.resolve(place);
  const stat = await fs.stat(at).catch(() => null);
  if (!stat) throw new TastemakerError('bad-file', `There is no file or folder ${at}.`, 'Check the path.');
  if (!stat.isDirectory()) {
    if (at.toLowerCase().endsWith('.gguf')) return [await lookAtGguf(at, stat.size)];
    if (isWeights(at) || path.basename(at) === 'config.json' || path.basename(at) === INDEX) return [await lookAtFolder(path.dirname(at))];
    return [refused(at, stat.size, `${path.basename(at)} is not a model.`, WHAT_WORKS)];
  }
  const verdicts: ModelVerdict[] = [];
  let folders = 0;
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (++folders > MOST_FOLDERS || verdicts.length >= MOST_MODELS) return;
    const entries = await fs.readdir(folder, { withFileTypes: true }).catch(() => []);
    const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
    if (names.includes('config.json') || names.some((name) => isWeights(name) || name === INDEX)) verdicts.push(await lookAtFolder(folder));
    for (const name of names.filter((one) => one.toLowerCase().endsWith('.gguf')).sort()) verdicts.push(await lookAtGguf(path.join(folder, name), (await fs.stat(path.join(folder, name))).size));
    if (depth === DEEPEST) return;
    for (const { name } of entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).sort((a, b) => (a.name < b.name ? -1 : 1))) await walk(path.join(folder, name), depth + 1);
  };
  await walk(at, 0);
  return verdicts.length > 0 ? verdicts.slice(0, MOST_MODELS) : [refused(at, 0, `There is no model in ${at}.`, WHAT_WORKS)];
}

const refused = (place: string, bytes: number, sentence: string, hint: string, files: FileVerdict[] = []): ModelVerdict =>
  ({ path: place, ok: false, sentence, hint, kind: null, family: null, parameters: null, bytes, licence: null, files });

/** GGUF: known by its first four bytes, and not read yet. */
async function lookAtGguf(file: string, bytes: number): Promise<ModelVerdict> {
  const name = path.basename(file);
  const handle = await fs.open(file);
  try {
    const start = Buffer.alloc(4);
    await handle.read(start, 0, 4, 0);
    if (start.toString('latin1') !== 'GGUF') return refused(file, bytes, `${name} is named .gguf but does not begin like a GGUF file.`, 'Copy or download the file again.', [{ name, bytes, ok: false, sentence: 'It does not begin with "GGUF".' }]);
  } finally {
    await handle.close();
  }
  return refused(file, bytes, `${name} is a GGUF file, which this version cannot read yet; reading GGUF comes with a later version.`, WHAT_WORKS, [{ name, bytes, ok: false, sentence: 'GGUF is recognised but not read yet.' }]);
}

async function lookAtFolder(folder: string): Promise<ModelVerdict> {
  const names = (await fs.readdir(folder)).sort();
  const sizes = new Map<string, number>();
  for (const name of names) {
    const stat = await fs.stat(path.join(folder, name)).catch(() => null);
    if (stat?.isFile()) sizes.set(name, stat.size);
  }
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const verdict: ModelVerdict = { path: folder, ok: true, sentence: '', hint: null, kind: null, family: null, parameters: null, bytes, licence: await licenceOf(folder, names), files: [] };
  const fileOf = (name: string): FileVerdict => {
    const known = verdict.files.find((file) => file.name === name) ?? { name, bytes: sizes.get(name) ?? 0, ok: true, sentence: '' };
    if (!verdict.files.includes(known)) verdict.files.push(known);
    return known;
  };
  const judge = async (name: string, look: () => string | Promise<string>, guilty = (_: string) => name): Promise<void> => {
    try {
      const sentence = await look();
      fileOf(name).sentence = sentence;
    } catch (error) {
      Object.assign(fileOf(guilty(oneLine(error))), { ok: false, sentence: oneLine(error) });
      if (verdict.ok) Object.assign(verdict, { ok: false, sentence: oneLine(error), hint: hintOf(error) });
    }
  };
  for (const name of names.filter((one) => isWeights(one) && sizes.has(one)))
    await judge(name, () => {
      const { size } = readSafetensors(path.join(folder, name)).tensors;
      return `Whole: ${size} ${size === 1 ? 'tensor' : 'tensors'}.`;
    });
  // the parts together: family, shapes, missing shards
  let vocabulary: number | null = null;
  await judge('config.json', () => {
    const opened = openCheckpoint(folder);
    const { family, layers, context } = opened.architecture;
    vocabulary = opened.architecture.vocabulary;
    Object.assign(verdict, { family, parameters: parameterCount(opened), kind: opened.head === 'score' ? 'reward' : 'base' });
    return `${family}, ${layers} ${layers === 1 ? 'layer' : 'layers'}, context ${context}; it fits the weights.`;
  }, (sentence) => (sentence.startsWith(path.join(folder, 'config.json')) ? 'config.json' : names.includes(INDEX) ? INDEX : (names.find(isWeights) ?? 'model.safetensors')));
  await judge('tokenizer.json', async () => {
    const tokenizer = await loadTokenizer(folder);
    if (vocabulary !== null && tokenizer.vocabularySize > vocabulary) {
      throw new TastemakerError('bad-model', `The tokenizer in ${folder} does not match the model: it has ${tokenizer.vocabularySize} tokens, the embedding has ${vocabulary} rows.`, 'Copy tokenizer.json from the model these weights belong to.');
    }
    return `${tokenizer.vocabularySize.toLocaleString('en')} tokens.`;
  });
  if (verdict.ok) verdict.sentence = `${verdict.kind === 'reward' ? 'A reward model' : 'A language model'} of the family ${verdict.family} with ${verdict.parameters!.toLocaleString('en')} parameters.`;
  verdict.files.sort((a, b) => (a.name < b.name ? -1 : 1));
  return verdict;
}

/** The licence that the model card names, else the first line of a licence file; null where nothing says. */
export async function licenceOf(folder: string, names: readonly string[]): Promise<string | null> {
  const read = (name: string | undefined) => (name === undefined ? Promise.resolve('') : fs.readFile(path.join(folder, name), 'utf8').catch(() => ''));
  const card = await read(names.find((name) => name.toLowerCase() === 'readme.md'));
  const front = /^---\r?\n([^]*?)\r?\n---/.exec(card)?.[1] ?? '';
  const named = /^license:\s*["']?([^"'\r\n]+)/m.exec(front)?.[1]?.trim();
  if (named) return named;
  const text = await read(names.find((name) => /^licen[cs]e(\.(txt|md))?$/i.test(name)));
  return text.split('\n').map((line) => line.replace(/^#+\s*/, '').trim()).find((line) => line !== '')?.slice(0, 200) ?? null;
}
