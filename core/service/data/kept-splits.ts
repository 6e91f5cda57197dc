// Prompts of an import that are there already, in another split than the file or the person names now: they keep
// theirs, and that is said.

import type { Message, Split } from '#core/contract/prompts.ts';
import type { Project } from '#core/store/project.ts';
import { findPrompt, listPrompts } from '#core/store/prompts.ts';
import { askedBy } from './import-spellings.ts';
import type { ImportRow } from './import-rows.ts';
import type { LookUp } from './known-rows.ts';

/**
 * Sees every row before it is added; the splits are looked up at the end, when all are. `named` is the split that a row
 * is given, null where nothing names one.
 */
export function watchKeptSplits(project: Project, named: (own: Split | null) => Split | null) {
  const first = new Map<string, { text: string; messages: Message[] | null }>();
  const wanted = new Map<string, Set<Split>>();
  // of the new: it goes there, or to the split of its other spelling, which is said elsewhere
  const given = new Map<string, Split>();
  return {
    see: (row: ImportRow, know: LookUp) => {
      const asked = askedBy(row);
      const split = 'split' in row ? named(row.split) : null;
      if (!asked || split === null) return;
      const key = JSON.stringify([asked.text, asked.messages]);
      const isFresh = !first.has(key) && know.prompt(asked.text, asked.messages) === undefined;
      first.set(key, asked);
      if (isFresh) given.set(key, split);
      if (given.get(key) === split) return;
      if (!wanted.has(key)) wanted.set(key, new Set());
      wanted.get(key)!.add(split);
    },
    notes: (): string[] => {
      const ids = new Map(
        [...wanted].flatMap(([key, splits]) => {
          const { text, messages } = first.get(key)!;
          const id = findPrompt(project, text, messages);
          return id === undefined ? [] : [[id, splits] as const];
        }),
      );
      const count = listPrompts(project, { ids: [...ids.keys()] }).filter(({ id, split }) =>
        [...ids.get(id)!].some((one) => one !== split),
      ).length;
      return count === 0
        ? []
        : [
            `${count === 1 ? '1 prompt was' : `${count.toLocaleString('en')} prompts were`} there already, in another split than is named here: ${count === 1 ? 'it keeps its' : 'they keep their'} split.`,
          ];
    },
  };
}
