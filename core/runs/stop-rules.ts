// The rules that end a run by themselves, as a person changed them after it began: a file beside the manifest, which
// stays as it is.

import path from 'node:path';
import { makeRunFolder, replaceUnlinked, textUnlinked } from '#core/unlinked.ts';

const fileOf = (runFolder: string): string => path.join(runFolder, 'rules.json');
export const isRule = (setting: string): boolean => setting.startsWith('stop_');

/** The rules that were changed; empty where none was, or where the file says nothing that could be one. */
export function readRules(runFolder: string): Record<string, number> {
  try {
    const said: unknown = JSON.parse(textUnlinked(fileOf(runFolder)) ?? '');
    if (said === null || typeof said !== 'object') return {};
    const isLimit = (entry: [string, unknown]): entry is [string, number] =>
      isRule(entry[0]) && typeof entry[1] === 'number' && Number.isFinite(entry[1]) && entry[1] >= 0;
    return Object.fromEntries(Object.entries(said).filter(isLimit));
  } catch {
    return {};
  }
}

/** These settings with the rules as they are now. */
export function withRules<C extends Readonly<Record<string, unknown>>>(runFolder: string, config: C): C {
  const changed = Object.entries(readRules(runFolder)).filter(([name]) => Object.hasOwn(config, name));
  return changed.length ? { ...config, ...Object.fromEntries(changed) } : config;
}

/** Changes some of the rules; the others stay as they are. Their ranges are the caller's to check. */
export function writeRules(runFolder: string, rules: Readonly<Record<string, number>>): void {
  makeRunFolder(runFolder);
  const all = { ...readRules(runFolder), ...rules };
  replaceUnlinked(fileOf(runFolder), `${JSON.stringify(all)}\n`);
}
