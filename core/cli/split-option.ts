// Which split an imported prompt goes to: what the person says, else the file, else the same for the same text, whatever file or order it comes in.

import { createHash } from 'node:crypto';
import type { Split } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { number, oneOf } from './command.ts';

export const SPLITS = ['train', 'validation', 'test'] as const satisfies readonly Split[];
const DEFAULT_SHARE = 0.1;

export const splitOptions = {
  split: oneOf(null, SPLITS, 'Put all prompts into this split.'),
  'validation-share': number(null, [0, 1], `Share of the prompts that go to validation, chosen by a hash of their text; ${DEFAULT_SHARE} where neither this nor --split is given.`),
};

/** The split of each text; `own` is what its row in the file says. */
export function splitBy({ split, 'validation-share': share }: { split: Split | null; 'validation-share': number | null }): (text: string, own?: Split | null) => Split {
  if (split !== null && share !== null) throw new TastemakerError('bad-argument', '--split and --validation-share exclude each other.', 'Give one of them.');
  if (split !== null) return () => split;
  return (text, own = null) => own ?? (createHash('sha256').update(`split/${text}`).digest().readUInt32BE(0) / 2 ** 32 < (share ?? DEFAULT_SHARE) ? 'validation' : 'train');
}
