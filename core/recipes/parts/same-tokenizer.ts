// Whether the models of a run read the same token ids.

import { TastemakerError } from '#core/errors.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';

/** 'bad-model' naming both where a model of the run cuts texts into other tokens than the policy does. */
export function sameTokenizer(policy: Tokenizer, other: Tokenizer, role: string): void {
  if (other.hash === policy.hash) return;
  throw new TastemakerError(
    'bad-model',
    `The ${role} model's tokenizer (${other.file}) is another than the policy's (${policy.file}): its token ids mean other texts.`,
    'Use models with one tokenizer: train the reward model on a copy of this policy.',
  );
}
