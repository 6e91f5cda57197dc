// How many prompts of an import differ from another only in their spelling, and what is said of them.

import type { Message } from '#core/contract/prompts.ts';
import { spellingOf } from '#core/store/spelling-key.ts';
import type { ImportRow } from './import-rows.ts';
import type { LookUp } from './known-rows.ts';

/** What a row asks; null where it names a prompt of the project by number. */
export function askedBy(row: ImportRow): { text: string; messages: Message[] | null } | null {
  if ('promptId' in row) return null;
  return { text: 'prompt' in row ? row.prompt : row.text, messages: row.messages };
}

/**
 * Counts the new prompts of an import, row by row, that are another spelling of one that the project has or that came
 * before.
 */
export function countSpellings() {
  const exact = new Set<string>();
  const spelled = new Set<string>();
  let alike = 0;
  return {
    see: (row: ImportRow, know: LookUp) => {
      const asked = askedBy(row);
      if (!asked) return;
      const key = JSON.stringify([asked.text, asked.messages]);
      if (exact.has(key)) return;
      exact.add(key);
      if (know.prompt(asked.text, asked.messages) !== undefined) return;
      const spelling = spellingOf(asked.text, asked.messages);
      const own = spelling.toString('latin1');
      if (spelled.has(own) || know.spelled(spelling)) alike++;
      spelled.add(own);
    },
    alike: () => alike,
  };
}

/** In sentences; none where every prompt is spelled in one way. */
export const spellingNotes = (alike: number, settled: number): string[] => [
  ...(alike === 0
    ? []
    : [
        `${alike.toLocaleString('en')} ${alike === 1 ? 'prompt differs' : 'prompts differ'} only in the spelling from another (accents, line ends or spaces around): all spellings of a prompt go to one split.`,
      ]),
  ...(settled === 0
    ? []
    : [`${settled.toLocaleString('en')} of them would have gone to another split than the spelling before them.`]),
];
