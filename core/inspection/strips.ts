// The strips under an answer: what PPO sees of each of its tokens, by models as they are now.
//
// ln π, ln π_ref and their difference, which is what the KL penalty counts (algorithms.md §1.4), the value of what was
// read before the token, and the advantage that PPO would give it, unwhitened (docs/algorithms/attribution.md).

import type { Credit, Strips } from '#core/contract/inspect.ts';
import { TastemakerError } from '#core/errors.ts';
import { isConversation } from '#core/recipes/parts/prompt-tokens.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
import { readsEnd } from '#core/models/score-reading.ts';
import { episodeRewards } from '#core/training/episode-rewards.ts';
import { generalisedAdvantages } from '#core/training/estimators.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { readWriting, requireFits, requireSameTokens } from './read-text.ts';
import type { WrittenText } from './read-text.ts';
import { requireScorer, scoring } from './score-answers.ts';

export interface StripsQuestion extends WrittenText {
  policy: ModelPlace;
  reference: ModelPlace | null;
  /** whose scores and values; the critic of PPO starts as it */
  reward: ModelPlace | null;
  credit: CreditSettings;
}
export interface CreditSettings extends Credit {
  /** tokens that an answer may have */
  limit: number;
}

/**
 * 'bad-argument' of models that are not what they are asked as or read other tokens than the policy, and of an empty
 * prompt or answer; 'too-long' where the text does not fit.
 */
export async function strips(models: HeldModels, question: StripsQuestion): Promise<Strips> {
  const policy = await models.of(question.policy);
  requireWriter(policy);
  const text = await readWriting(policy, question);
  const [prompt, answer] = [text.ids.slice(0, text.prompt), text.ids.slice(text.prompt)];
  if (prompt.length === 0 || answer.length === 0)
    throw new TastemakerError(
      'bad-argument',
      `The ${prompt.length === 0 ? 'prompt' : 'answer'} is empty.`,
      'Choose a sample with some text.',
    );
  const asked = [{ prompt, completions: [answer] }];
  const logprobsBy = async (model: HeldModel): Promise<number[]> => {
    requireWriter(model);
    requireSameTokens(policy, model);
    requireFits(model, text.ids.length);
    return (await model.evaluator.logprobs(model.checkpoint.weights, asked))[0]![0]!;
  };
  const logprob = await logprobsBy(policy);
  const reference = question.reference && (await logprobsBy(await models.of(question.reference)));
  const judged = question.reward && (await judge(models, policy, question.reward, question, { prompt, answer }));
  const { credit } = question;
  const advantage =
    reference && judged
      ? generalisedAdvantages(
          episodeRewards(
            { logprobs: logprob, referenceLogprobs: reference, ...judged },
            credit.beta,
            credit.limit,
            credit.placement,
          ),
          judged.values,
          credit,
        ).advantages.slice(0, answer.length)
      : null;
  return {
    ...text,
    logprob,
    reference,
    kl: reference && logprob.map((value, t) => value - reference[t]!),
    value: judged && judged.values.slice(0, answer.length),
    advantage,
  };
}

/** Score of the answer, and values before each of its tokens and after the last. */
const judge = (
  models: HeldModels,
  policy: HeldModel,
  place: ModelPlace,
  question: StripsQuestion,
  { prompt, answer }: { prompt: number[]; answer: number[] },
): Promise<{ score: number; values: number[] }> =>
  scoring(place, async () => {
    const model = await models.of(place);
    requireScorer(model);
    requireSameTokens(policy, model);
    requireScorer(model, prompt.length + answer.length);
    const { evaluator, checkpoint } = model;
    const reading = model.reading();
    const isRead = !question.ended || readsEnd(reading, isConversation(model.tokenizer, question.prompt));
    const completion = isRead ? answer : answer.slice(0, -1);
    const [score] = await rewardScorer(evaluator, checkpoint, reading).score([{ prompt, completion }]);
    const [[values]] = (await evaluator.values(checkpoint.weights, [{ prompt, completions: [answer] }])) as [
      [number[]],
    ];
    return { score: score!.value, values };
  });
