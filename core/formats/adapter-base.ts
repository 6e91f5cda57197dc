// Which folders hold an adapter, as PEFT saves it, and where the model that it sits on lies.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readBytes } from './file-access.ts';
import { brief, readJsonObject } from './json-file.ts';
import { settingsOf } from './settings.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
/** Beside an adapter of ours: where its base lies as seen from the folder, so that a project can be moved. */
export const RELATIVE_BASE = 'base_model_relative_path';

const LONGEST_REF = 1000; // bytes; the name of a commit has 40

export const isAdapterFolder = (folder: string): boolean => fs.existsSync(path.join(folder, ADAPTER_CONFIG));

/** Where a model's tokenizer lies: in its own folder, or for an adapter that has none, in its base's. */
export const tokenizerHome = (model: string): string =>
  isAdapterFolder(model) && !fs.existsSync(path.join(model, 'tokenizer.json')) ? adapterBase(model) : model;

/**
 * Where the base of an adapter lies: as it is named there, looked for in the usual places. 'bad-model' where it is in
 * none, or an adapter itself.
 */
export function adapterBase(folder: string): string {
  const file = path.join(folder, ADAPTER_CONFIG);
  const config = settingsOf(readJsonObject(file), file, {
    hint: `Write the folder of the base model as "base_model_name_or_path" into ${ADAPTER_CONFIG}.`,
  });
  const named = config.text('base_model_name_or_path', { orNull: true });
  const near = config.text(RELATIVE_BASE, { orNull: true });
  const revision = config.text('revision', { orNull: true });
  const places = [
    ...(near ? [path.resolve(folder, near)] : []),
    ...(named
      ? [
          ...(path.isAbsolute(named)
            ? [named]
            : [path.resolve(folder, named), path.resolve(folder, '..', path.basename(named))]),
          ...hubSnapshots(named, revision),
        ]
      : []),
  ];
  const found = places.find((place) =>
    place.endsWith('.gguf')
      ? fs.existsSync(place)
      : isAdapterFolder(place) || fs.existsSync(path.join(place, 'config.json')),
  );
  if (found === undefined) {
    throw new TastemakerError(
      'bad-model',
      `${file}: the base model ${brief(named ?? null)} is not there.`,
      `Write the folder of the base model as "base_model_name_or_path" into ${ADAPTER_CONFIG}, or put it beside the adapter.`,
    );
  }
  // found here, before anything follows the chain: an adapter that names itself would have no end
  if (isAdapterFolder(found))
    throw new TastemakerError(
      'bad-model',
      `${folder} is an adapter over ${found}, which is an adapter itself.`,
      'Export the first one merged, and make that the base.',
    );
  return found;
}

/** What the hub calls a model that lies in its cache, or null for a folder anywhere else. */
export const hubName = (place: string): string | null =>
  /(?:^|[/\\])models--([\w.-]+?)(?:--([\w.-]+))?[/\\]snapshots[/\\]/
    .exec(place)
    ?.slice(1)
    .filter((part) => part !== undefined)
    .join('/') ?? null;

/**
 * The folders in which the hub's cache keeps this name's versions, the one that the revision (or "main") points to
 * first.
 */
function hubSnapshots(name: string, revision: string | undefined): string[] {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(name)) return [];
  const { HF_HUB_CACHE: hub, HF_HOME: home } = process.env;
  const repository = path.join(
    hub ?? path.join(home ?? path.join(os.homedir(), '.cache', 'huggingface'), 'hub'),
    `models--${name.replace('/', '--')}`,
  );
  const snapshots = path.join(repository, 'snapshots');
  if (!fs.existsSync(snapshots)) return [];
  const versions = fs.readdirSync(snapshots);
  const first = (revision !== undefined && /^[\w./-]{1,200}$/.test(revision) ? [revision, 'main'] : ['main']).flatMap(
    (ref) => {
      const file = path.join(repository, 'refs', ref);
      return versions.includes(ref)
        ? [ref]
        : fs.statSync(file, { throwIfNoEntry: false })?.isFile()
          ? [readBytes(file, LONGEST_REF).toString('utf8').trim()]
          : [];
    },
  );
  return [...new Set([...first.filter((version) => versions.includes(version)), ...versions])].map((version) =>
    path.join(snapshots, version),
  );
}
