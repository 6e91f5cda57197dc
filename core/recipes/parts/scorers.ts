// Whatever gives an answer a number, behind one interface: a reward model, or the gold score of the demo world.
//
// A scorer says how sure it is as well (spread), where it can tell: an ensemble's deviation, say. What an answer must
// bring is the scorer's to say: token ids for a model, the text and the facts of its prompt for the gold score.

import { gold } from '#core/demo/gold.ts';
import type { Gold } from '#core/demo/gold.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import type { Evaluator } from '#core/models/evaluator.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { scoresOf } from '#core/models/score-reading.ts';
import type { Reading } from '#core/models/score-reading.ts';

export interface Score {
  value: number;
  /** standard deviation of the value, in its units; null where the scorer cannot tell */
  spread: number | null;
}

export interface Scorer<Answer> {
  /** one an answer, in order; null where it has nothing to say of it */
  score(answers: readonly Answer[]): Promise<(Score | null)[]>;
}

/** 'bad-model' where the model in this folder gives no scores. */
export function requireScoreHead({ head }: Pick<Checkpoint, 'head'>, folder: string): void {
  if (isScoreHead(head)) return;
  throw new TastemakerError(
    'bad-model',
    `${folder} has no score head.`,
    'Name a reward model, or train one first.',
    '`tastemaker train reward` does.',
  );
}

/** An answer as token ids, as the model that scores reads it. */
export interface TokenAnswer {
  prompt: readonly number[];
  completion: readonly number[];
}

/** A reward model: its score at the token that its convention says (D6). Throws 'not-finite' as the evaluator does. */
export const rewardScorer = (
  evaluator: Evaluator,
  { weights }: Pick<Checkpoint, 'weights'>,
  reading: Reading,
): Scorer<TokenAnswer> => ({
  score: async (answers) =>
    (await scoresOf(evaluator, weights, answers, reading)).map((value) => ({ value, spread: null })),
});

/** An answer as text, with what its prompt was written from; null facts for a prompt that was not. */
export interface TextAnswer {
  text: string;
  facts: Readonly<Record<string, string>> | null;
}

/** All that the gold score says of one answer, axis by axis: what the labelers of the demo world go by. */
export const goldAxesOf = (text: string, facts: NonNullable<TextAnswer['facts']>): Gold => gold(text.trim(), facts);

/** The gold score of one answer, by itself. */
export const goldOf = (text: string, facts: NonNullable<TextAnswer['facts']>): number =>
  goldAxesOf(text, facts).overall;

/** The gold score of the demo world, which knows what an answer had to say: exact, and only of the world's prompts. */
export const goldScorer: Scorer<TextAnswer> = {
  score: async (answers) =>
    answers.map(({ text, facts }) => (facts ? { value: goldOf(text, facts), spread: 0 } : null)),
};
