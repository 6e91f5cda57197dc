// Exporting a model: its files in a format that other programs read, with a card that says where it comes from.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { tokenizerHome } from '#core/formats/adapter-base.ts';
import { asFileError } from '#core/formats/file-access.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { leadsOutside } from '#core/formats/model-links.ts';
import { conventionsOf } from '#core/recipes/parts/conventions.ts';
import type { Conventions } from '#core/recipes/parts/conventions.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import type { StoredCheckpoint } from '#core/models/checkpoint.ts';
import { REWARD_NOTE } from '#core/models/model-notes.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { folderName } from './copy-model.ts';
import { cardText } from './model-card.ts';
import type { CardFacts } from './model-card.ts';
import { formatNamed } from './model-formats.ts';
import { wholeFolder } from './whole-folder.ts';

const CARD = 'README.md';
const FIRST_CARD = 'README.original.md';
const LICENCE_FILE = /^(licen[cs]e|notice)(\.(txt|md))?$/i;
const ROOM = 64e6; // bytes: tokenizer, card and the like

export interface ModelExport {
  /** where the model lies: a folder or a GGUF file */
  model: string;
  format: string;
  /** what `exportPlace` gave */
  into: string;
  facts: CardFacts;
  /** the model and what it descends from: whose licence files go along where it has none */
  origins: readonly string[];
  /** shapes of an ONNX export; null: its usual ones */
  batch?: number | null;
  tokens?: number | null;
}

/**
 * The folder that an export will be: the one that is named, or where that is there already, one in it named after the
 * model and the format. A name ending in .gguf means one file.
 */
export function exportPlace(place: string, name: string, format: string): string {
  const found = fs.statSync(place, { throwIfNoEntry: false });
  if (found && !found.isDirectory())
    throw new TastemakerError('bad-argument', `${place} is a file.`, 'Name a folder; nothing is overwritten.');
  return path.resolve(found ? path.join(place, `${folderName(name)}${formatNamed(format).suffix}`) : place);
}

/** 'disk' with a sentence where the files would not fit. */
function checkRoom(into: string, bytes: number): void {
  let folder = path.dirname(into);
  while (!fs.existsSync(folder)) folder = path.dirname(folder);
  const { bavail, bsize } = fs.statfsSync(folder);
  const free = bavail * bsize;
  const gb = (n: number) => `${(n / 1e9).toFixed(n < 1e9 ? 2 : 1)} GB`;
  if (bytes + ROOM > free)
    throw new TastemakerError(
      'disk',
      `The export needs ${gb(bytes + ROOM)}, and the disk of ${folder} has ${gb(free)} free.`,
      'Free some space, or choose another disk or a smaller format.',
    );
}

/**
 * Writes a model in a format, whole or not at all; nothing is overwritten. Tensors are read and written one at a time.
 * 'bad-argument' where the format does not fit the model or the place is taken, 'disk' where there is no room,
 * 'bad-model' and 'bad-file' for a damaged model.
 */
export async function exportModel(
  { model, format: name, into, facts, origins, batch = null, tokens = null }: ModelExport,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<{ path: string; bytes: number }> {
  const format = formatNamed(name);
  const opened = openCheckpoint(model);
  const asFile = isGguf(into) && format.library === 'gguf';
  const verdict = format.fits(opened, model);
  if (verdict !== true)
    throw new TastemakerError(
      'bad-argument',
      `“${facts.name}” cannot be written as ${format.title}. ${verdict}`,
      'Choose another format; they are listed with what fits.',
    );
  checkRoom(into, format.bytes(opened));
  const conventions = await conventionsIn(model, opened);
  let bytes = 0;
  await wholeFolder(
    into,
    (folder) => {
      const notes = format.write({
        folder,
        model,
        opened,
        name: facts.name,
        licence: facts.licence,
        batch,
        tokens,
        onProgress,
      });
      copyBeside(model, origins, folder);
      fs.writeFileSync(path.join(folder, CARD), cardText(facts, opened, format, notes, conventions));
      const counted = fs.readdirSync(folder).filter((file) => !asFile || isGguf(file));
      bytes = counted.reduce((sum, file) => sum + fs.statSync(path.join(folder, file)).size, 0);
    },
    asFile ? (names) => names.find(isGguf)! : undefined,
  );
  return { path: into, bytes };
}

/**
 * What belongs to the model besides its weights and tokenizer: its first card, licence files, our note on a reward
 * model.
 */
function copyBeside(model: string, origins: readonly string[], folder: string): void {
  const namesIn = (place: string): string[] =>
    fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() ? fs.readdirSync(place) : [];
  const copy = (place: string, name: string, as = name) => {
    const from = path.join(place, name);
    // through links: the hub's own store is made of them
    if (fs.statSync(from).isFile() && !leadsOutside(from)) fs.copyFileSync(from, path.join(folder, as));
  };
  const own = namesIn(model);
  try {
    for (const name of own.filter((one) => one.toLowerCase() === CARD.toLowerCase())) copy(model, name, FIRST_CARD);
    if (own.includes(REWARD_NOTE)) copy(model, REWARD_NOTE);
    const licensed = origins.find((place) => namesIn(place).some((name) => LICENCE_FILE.test(name)));
    for (const name of licensed === undefined ? [] : namesIn(licensed).filter((one) => LICENCE_FILE.test(one)))
      copy(licensed!, name);
  } catch (error) {
    throw asFileError(error, model);
  }
}

/** How the model wants its texts; null for weights that lie alone. */
async function conventionsIn(model: string, opened: StoredCheckpoint): Promise<Conventions | null> {
  const home = tokenizerHome(model);
  return isGguf(home) || fs.existsSync(path.join(home, 'tokenizer.json'))
    ? conventionsOf(await loadTokenizer(model), model, opened)
    : null;
}
