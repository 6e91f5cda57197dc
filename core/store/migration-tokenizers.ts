// The schema change that says of every completion whose its token ids are.

import type Database from 'better-sqlite3';

/**
 * Ids of before are of a tokenizer that no one wrote down: NULL. Whoever reads them keeps them only where they prove to be
 * the reader's own, and encodes the text otherwise.
 */
export const TOKENIZERS = `
ALTER TABLE completions ADD COLUMN tokenizer TEXT; -- the hash of the tokenizer that token_ids are of
`;

/** Says how many there are. */
export function fillTokenizers(db: Database.Database): string[] {
  const { n } = db.prepare('SELECT count(*) AS n FROM completions WHERE tokens > 0').get() as { n: number };
  if (n === 0) return [];
  const [them, their, prove, fail] = n === 1 ? ['it has', 'Its', 'it proves', 'does not'] : ['they have', 'Their', 'they prove', 'do not'];
  return [`Of ${n === 1 ? '1 sampled completion' : `${n.toLocaleString('en')} sampled completions`} it was not written down which tokenizer made the token ids that ${them}. ${their} ids are used where ${prove} to be those of the model that reads them; where they ${fail}, the text is encoded again.`];
}
