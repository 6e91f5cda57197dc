// The schema change that tells prompts apart from other spellings of theirs: what is the same for all of them, with an
// index.

import type Database from 'better-sqlite3';
import type { Message } from '#core/contract/prompts.ts';
import { spellingOf } from './spelling-key.ts';

export const SPELLING = `
ALTER TABLE prompts ADD COLUMN spelling BLOB; -- spelling-key.ts: the same for texts that differ only in their spelling
CREATE INDEX prompts_by_spelling ON prompts (spelling, split);
`;

/**
 * Works out the spelling of every prompt, and says how many have another; which of them stand in two splits is said
 * whenever the project is opened.
 */
export function fillSpelling(db: Database.Database): string[] {
  db.function('spelling_of', { deterministic: true }, (text, messages) =>
    spellingOf(text as string, messages === null ? null : (JSON.parse(messages as string) as Message[])),
  );
  db.exec('UPDATE prompts SET spelling = spelling_of(text, messages)');
  const { n } = db
    .prepare(
      'SELECT coalesce(sum(n - 1), 0) AS n FROM (SELECT count(*) AS n FROM prompts GROUP BY spelling HAVING count(*) > 1)',
    )
    .get() as { n: number };
  return n === 0
    ? []
    : [
        `${n.toLocaleString('en')} ${n === 1 ? 'prompt differs' : 'prompts differ'} only in the spelling from another: from now on all spellings of a prompt go to one split.`,
      ];
}
