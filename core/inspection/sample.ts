// Samples for one typed prompt, and scores of what was written: what the window's "try a model" asks for.

import type { Message } from '#core/contract/prompts.ts';
import type { Finish, SamplingParameters } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import { forbiddenTexts } from '#core/recipes/parts/forbidden-texts.ts';
import { encodePrompts, promptText } from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt } from '#core/recipes/parts/prompt-tokens.ts';
import type { Sampled } from '#core/models/sampler.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { scoreAnswers } from './score-answers.ts';
import type { AnswerToScore } from './score-answers.ts';

export interface SampleQuestion {
  model: ModelPlace;
  /** a reward model that scores */ reward: ModelPlace | null;
  prompt: string;
  /** a conversation in place of the prompt, the last turn the user's */ messages?: readonly Message[];
  /** texts at which an answer ends besides */ stops?: readonly string[];
  k: number;
  sampling: SamplingParameters;
}
/** `tokens` and `logprob` are of what is shown; `stoppedAt`: the text that ended it, which is not shown. */
export interface TriedCompletion {
  text: string;
  finish: Finish;
  logprob: number;
  tokens: number;
  score: number | null;
  stoppedAt: string | null;
}
/**
 * `read`: what the model went on from, its template filled in. `unscored`: why there are no scores, where there is a
 * reward model.
 */
export interface Tried {
  completions: TriedCompletion[];
  read: string;
  unscored: string | null;
}

/** How an answer ends before the model ended it: the text before the stop, the stop, and the tokens it took. */
interface Cut {
  text: string;
  at: string;
  tokens: number;
}

/**
 * 'too-long' where prompt and completion exceed the context, 'bad-argument' for an empty prompt, a model that cannot
 * write, or a conversation with one that has no chat template.
 */
export async function sample(models: HeldModels, question: SampleQuestion): Promise<Tried> {
  const { prompt, messages = [], stops = [], k, sampling } = question;
  const model = await models.of(question.model);
  const { tokenizer } = model;
  requireWriter(model);
  refuseConversation(model, messages);
  const asked: AskedPrompt = { text: prompt, messages: messages.length > 0 ? [...messages] : null };
  const [ids] = (await encodePrompts(tokenizer, [asked], () => 'The prompt')) as [number[]];
  if ((messages.at(-1)?.content ?? prompt) === '' || ids.length === 0)
    throw new TastemakerError('bad-argument', 'The prompt is empty.', 'Type something for the model to go on from.');
  refuseTooLong(model, ids.length, sampling.maxNew);

  const forbidden = await forbiddenTexts(tokenizer, model.checkpoint.architecture.vocabulary, sampling.forbid ?? []);
  const [written] = (await model.sampler.sample(
    model.checkpoint.weights,
    [{ prompt: ids, streams: Array.from({ length: k }, (_, j) => `try/${j}`) }],
    { ...sampling, forbidden },
  )) as [Sampled[]];
  const texts = await answerTexts(
    tokenizer,
    written.map(({ tokenIds }) => ({ prompt: ids, ids: tokenIds })),
  );
  const cuts = await Promise.all(written.map(({ tokenIds }, i) => cutAt(tokenizer, ids, tokenIds, texts[i]!, stops)));
  const { scores, why } = await scoresOrWhy(
    models,
    question.reward,
    asked,
    written.map(({ tokenIds, finish }, i) => {
      const cut = cuts[i];
      return cut
        ? { text: cut.text, ended: true, sampled: null }
        : { text: texts[i]!, ended: finish === 'stop', sampled: { ids: tokenIds, tokenizer: tokenizer.hash } };
    }),
  );
  const completions = written.map((one, i) => shown(one, texts[i]!, cuts[i] ?? null, scores?.[i] ?? null));
  return { completions, read: promptText(tokenizer, asked), unscored: why };
}

function shown(
  { finish, logprobs, tokenIds }: Sampled,
  text: string,
  cut: Cut | null,
  score: number | null,
): TriedCompletion {
  const tokens = cut?.tokens ?? tokenIds.length;
  return {
    text: cut?.text ?? text,
    finish: cut ? 'stop' : finish,
    logprob: logprobs.slice(0, tokens).reduce((a, b) => a + b, 0),
    tokens,
    score,
    stoppedAt: cut?.at ?? null,
  };
}

function refuseConversation({ tokenizer, name }: HeldModel, messages: readonly Message[]): void {
  if (messages.length === 0) return;
  if (tokenizer.chatTemplate === null)
    throw new TastemakerError(
      'bad-argument',
      `"${name}" has no chat template, so it can not take a prompt as a message.`,
      'Give it the text to go on from, or choose a model that was tuned for chat.',
    );
  if (messages.at(-1)!.role !== 'user')
    throw new TastemakerError(
      'bad-argument',
      'The conversation does not end with the user.',
      'Write what the user says next.',
    );
}

function refuseTooLong({ checkpoint, name }: HeldModel, tokens: number, maxNew: number): void {
  const { context } = checkpoint.architecture;
  if (tokens + maxNew <= context) return;
  const room = context - tokens;
  throw new TastemakerError(
    'too-long',
    `The prompt has ${tokens} tokens; with ${maxNew} new ones it exceeds the ${context} that "${name}" can see.`,
    room > 0
      ? `Ask for at most ${room} new tokens, or shorten the prompt.`
      : `Shorten the prompt by at least ${1 - room} tokens.`,
  );
}

/**
 * Where the first of these texts stands in an answer: what comes before it, and how many tokens had to be written for
 * it to be there; null where none does.
 */
async function cutAt(
  tokenizer: Tokenizer,
  prompt: readonly number[],
  ids: readonly number[],
  text: string,
  stops: readonly string[],
): Promise<Cut | null> {
  const [first] = stops
    .map((stop) => ({ stop, at: stop === '' ? -1 : text.indexOf(stop) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at);
  if (!first) return null;
  let few = 1;
  let enough = ids.length;
  while (few < enough) {
    const middle = (few + enough) >> 1;
    const [part] = await answerTexts(tokenizer, [{ prompt, ids: ids.slice(0, middle), part: true }]);
    if (part!.includes(first.stop)) enough = middle;
    else few = middle + 1;
  }
  return { text: text.slice(0, first.at), at: first.stop, tokens: few };
}

/** What keeps the reward model from scoring is said, and keeps nobody from reading the answers. */
async function scoresOrWhy(
  models: HeldModels,
  reward: ModelPlace | null,
  prompt: AskedPrompt,
  answers: readonly AnswerToScore[],
): Promise<{ scores: number[] | null; why: string | null }> {
  if (reward === null) return { scores: null, why: null };
  try {
    return { scores: (await scoreAnswers(models, { model: reward, prompt, answers })).scores, why: null };
  } catch (error) {
    if (!(error instanceof TastemakerError)) throw error;
    return { scores: null, why: error.message };
  }
}
