// Samples for one typed prompt, and scores what was written: what the window's "try a model" asks for.

import type { Finish, SamplingParameters } from '#core/contract/samples.ts';
import type { Message } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { readingOf, readsEnd, scoresOf } from '#core/models/score-reading.ts';
import { createSampler } from '#core/models/sampler.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { answerTexts } from '#core/recipes/parts/answer-text.ts';
import {
  encodeAnswers,
  encodePrompts,
  isConversation,
  promptText,
  withStops,
} from '#core/recipes/parts/prompt-tokens.ts';
import type { AskedPrompt } from '#core/recipes/parts/prompt-tokens.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';

export interface SampleOnce {
  name: string;
  folder: string;
  /** a reward model that scores */ reward: { name: string; folder: string } | null;
  prompt: string;
  /** a conversation in place of the prompt, the last turn the user's */ messages?: readonly Message[];
  /** texts at which an answer ends besides */ stops?: readonly string[];
  k: number;
  sampling: SamplingParameters;
}
/** `tokens` and `logprob` are of what is shown; `stoppedAt`: the text that ended it, which is not shown. */
export interface Written {
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
  completions: Written[];
  read: string;
  unscored: string | null;
}

/**
 * 'too-long' where prompt and completion exceed the context, 'bad-argument' for an empty prompt, a model that cannot
 * write, or a conversation with one that has no chat template.
 */
export async function sampleOnce({
  name,
  folder,
  reward,
  prompt,
  messages = [],
  stops = [],
  k,
  sampling,
}: SampleOnce): Promise<Tried> {
  const checkpoint = loadCheckpoint(folder);
  const tokenizer = await loadTokenizer(folder);
  const { context } = checkpoint.architecture;
  if (checkpoint.head !== 'language-model')
    throw new TastemakerError(
      'bad-argument',
      `"${name}" is a reward model; it cannot write.`,
      'Choose a base model or a policy.',
    );
  const isChat = messages.length > 0;
  if (isChat && tokenizer.chatTemplate === null)
    throw new TastemakerError(
      'bad-argument',
      `"${name}" has no chat template, so it can not take a prompt as a message.`,
      'Give it the text to go on from, or choose a model that was tuned for chat.',
    );
  if (isChat && messages.at(-1)!.role !== 'user')
    throw new TastemakerError(
      'bad-argument',
      'The conversation does not end with the user.',
      'Write what the user says next.',
    );
  const asked: AskedPrompt = { text: prompt, messages: isChat ? [...messages] : null };
  const [ids] = (await encodePrompts(tokenizer, [asked], () => 'The prompt')) as [number[]];
  if ((isChat ? messages.at(-1)!.content : prompt) === '' || ids.length === 0)
    throw new TastemakerError('bad-argument', 'The prompt is empty.', 'Type something for the model to go on from.');
  if (ids.length + sampling.maxNew > context) {
    const room = context - ids.length;
    throw new TastemakerError(
      'too-long',
      `The prompt has ${ids.length} tokens; with ${sampling.maxNew} new ones it exceeds the ${context} that "${name}" can see.`,
      room > 0
        ? `Ask for at most ${room} new tokens, or shorten the prompt.`
        : `Shorten the prompt by at least ${1 - room} tokens.`,
    );
  }
  const sampler = createSampler(withStops(checkpoint.architecture, tokenizer), { constants: checkpoint.weights });
  const [written] = await sampler.sample(
    checkpoint.weights,
    [{ prompt: ids, streams: Array.from({ length: k }, (_, j) => `try/${j}`) }],
    sampling,
  );
  const texts = await answerTexts(
    tokenizer,
    written!.map(({ tokenIds }) => ({ prompt: ids, ids: tokenIds })),
  );
  const cuts = await Promise.all(written!.map(({ tokenIds }, i) => cutAt(tokenizer, ids, tokenIds, texts[i]!, stops)));
  const { scores, why } =
    reward === null
      ? { scores: null, why: null }
      : await scoreAll(
          reward,
          asked,
          written!.map(({ tokenIds, finish }, i) => {
            const cut = cuts[i];
            return cut
              ? { text: cut.text, ids: [], tokenizer: tokenizer.hash, finish: 'stop' }
              : { text: texts[i]!, ids: tokenIds, tokenizer: tokenizer.hash, finish };
          }),
        );
  const completions = written!.map(({ finish, logprobs, tokenIds }, i): Written => {
    const cut = cuts[i];
    const tokens = cut?.tokens ?? tokenIds.length;
    return {
      text: cut?.text ?? texts[i]!,
      finish: cut ? 'stop' : finish,
      logprob: logprobs.slice(0, tokens).reduce((a, b) => a + b, 0),
      tokens,
      score: scores?.[i] ?? null,
      stoppedAt: cut?.at ?? null,
    };
  });
  return { completions, read: promptText(tokenizer, asked), unscored: why };
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
): Promise<{ text: string; at: string; tokens: number } | null> {
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

interface Scores {
  scores: number[] | null;
  why: string | null;
}

/**
 * Under the reward model's own tokenizer; what keeps it from scoring is said, and keeps nobody from reading the
 * answers.
 */
async function scoreAll(
  { name, folder }: NonNullable<SampleOnce['reward']>,
  prompt: AskedPrompt,
  answers: readonly { text: string; ids: number[]; tokenizer: string; finish: Finish }[],
): Promise<Scores> {
  const without = (why: string): Scores => ({ scores: null, why: `“${name}” gives no scores: ${why}` });
  try {
    const scorer = loadCheckpoint(folder);
    const tokenizer = await loadTokenizer(folder);
    if (scorer.head !== 'score') return without('it is no reward model.');
    const [ids] = (await encodePrompts(tokenizer, [prompt], () => 'The prompt')) as [number[]];
    const reading = readingOf(folder);
    const end = readsEnd(reading, isConversation(tokenizer, prompt));
    const completions = await encodeAnswers(
      tokenizer,
      answers.map(({ text, ids: sampled, tokenizer: hash, finish }) => ({
        prompt,
        text,
        ended: end && finish === 'stop',
        sampled: { ids: sampled, tokenizer: hash },
      })),
    );
    const { context } = scorer.architecture;
    const longest = ids.length + Math.max(...completions.map(({ length }) => length));
    if (longest > context) return without(`prompt and answer have ${longest} tokens, and it reads ${context}.`);
    return {
      scores: await scoresOf(
        createEvaluator(scorer, { constants: scorer.weights }),
        scorer.weights,
        completions.map((completion) => ({ prompt: ids, completion })),
        reading,
      ),
      why: null,
    };
  } catch (error) {
    if (error instanceof TastemakerError) return without(error.message);
    throw error;
  }
}
