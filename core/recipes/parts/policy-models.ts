// The models of a run that tunes a policy: the policy itself, the reference that holds it, and the reward model that
// scores what it writes.

import type { Checkpoint } from '#core/models/checkpoint.ts';
import { loadShared } from '#core/models/checkpoint.ts';
import type { Forbidden } from '#core/models/forbidden.ts';
import { readingOf } from '#core/models/score-reading.ts';
import type { Reading } from '#core/models/score-reading.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { forbiddenTexts, textsIn } from './forbidden-texts.ts';
import { sameTokenizer } from './same-tokenizer.ts';
import { requireScoreHead } from './scorers.ts';

/** What was read of models before, so that what they have in common is held once: [tensor][values]. */
type Held = Map<string, Float32Array[]>;

export interface HeldPolicy {
  /** as the run begins with it */
  policy: Checkpoint;
  reference: Checkpoint;
  /** what the manifest calls the reference: a policy that is its own has no other, nor has a run of 0.1.0 */
  referenceRole: 'policy' | 'reference';
}

/** Policy and reference; adapters over one base hold one copy of it. */
export function loadHeldPolicy(context: RunContext, held: Held = new Map()): HeldPolicy {
  const { policy: own, reference: other } = context.manifest.models;
  const policy = loadShared(context.model('policy'), held);
  return other && other.path !== own!.path
    ? { policy, reference: loadShared(context.model('reference'), held), referenceRole: 'reference' }
    : { policy, reference: policy, referenceRole: 'policy' };
}

export interface PolicyModels extends HeldPolicy {
  reward: Checkpoint;
  /** how the reward model reads its texts */
  reading: Reading;
  /** of all three */
  tokenizer: Tokenizer;
  /** tokens that each of them can read */
  room: number;
  /** the texts that the policy may not write, under its vocabulary */
  forbidden: Forbidden | null;
}

/**
 * All three. 'bad-model' where the reward model gives no scores, or one of them reads other tokens than the policy.
 * `forbid` are the texts that it may not write, as the setting has them.
 */
export async function loadPolicyModels(context: RunContext, forbid: string): Promise<PolicyModels> {
  const held: Held = new Map();
  const two = loadHeldPolicy(context, held);
  const reward = loadShared(context.model('reward'), held);
  requireScoreHead(reward, context.model('reward'));
  const tokenizer = await loadTokenizer(context.model('policy'));
  const reading = readingOf(context.model('reward'));
  for (const role of new Set([two.referenceRole, 'reward']))
    sameTokenizer(tokenizer, await loadTokenizer(context.model(role)), role);
  const room = Math.min(...[two.policy, two.reference, reward].map(({ architecture }) => architecture.context));
  const forbidden = await forbiddenTexts(tokenizer, two.policy.architecture.vocabulary, textsIn(forbid));
  return { ...two, reward, reading, tokenizer, room, forbidden };
}
