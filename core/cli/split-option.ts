// Which split an imported prompt goes to: what the person says, else the file, else the same for the same text,
// whatever file or order it comes in.

import type { Message, Split } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { splitByShare } from '#core/store/spelling-key.ts';
import { number, oneOf } from './command.ts';

export const SPLITS = ['train', 'validation', 'test'] as const satisfies readonly Split[];
const DEFAULT_SHARE = 0.1;

export const splitOptions = {
  split: oneOf(null, SPLITS, 'Put all prompts into this split, whatever the file says.'),
  'validation-share': number(
    null,
    [0, 1],
    `Share of the prompts that go to validation, chosen by a hash of their text however it is spelled, where their row names no split; ${DEFAULT_SHARE} where neither this nor --split is given.`,
  ),
};

/** The split of each prompt, and the one that is named for it; `own` is what its row in the file says. */
export function splitBy({
  split,
  'validation-share': share,
}: {
  split: Split | null;
  'validation-share': number | null;
}): {
  split: (text: string, messages: Message[] | null, own: Split | null) => Split;
  named: (own: Split | null) => Split | null;
} {
  if (split !== null && share !== null)
    throw new TastemakerError(
      'bad-argument',
      '--split and --validation-share exclude each other.',
      'Give one of them.',
    );
  if (split !== null) return { split: () => split, named: () => split };
  return {
    split: (text, messages, own) => own ?? splitByShare(text, messages, share ?? DEFAULT_SHARE),
    named: (own) => own,
  };
}
