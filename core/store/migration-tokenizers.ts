// The schema change that says of every completion whose its token ids are.

import type Database from 'better-sqlite3';

/**
 * Ids of before are of a tokenizer that no one wrote down: NULL. Whoever reads them keeps them only where they prove to
 * be
 * the reader's own, and encodes the text otherwise.
 */
export const TOKENIZERS = `
ALTER TABLE completions ADD COLUMN tokenizer TEXT; -- the hash of the tokenizer that token_ids are of
`;

/** Says how many there are. */
export function fillTokenizers(db: Database.Database): string[] {
  const { n } = db.prepare('SELECT count(*) AS n FROM completions WHERE tokens > 0').get() as { n: number };
  if (n === 0) return [];
  return [
    `For ${n === 1 ? '1 sampled completion' : `${n.toLocaleString('en')} sampled completions`} it was not written down which tokenizer made the token ids. They are used where they prove to be those of the model that reads them; elsewhere the text is encoded again.`,
  ];
}
