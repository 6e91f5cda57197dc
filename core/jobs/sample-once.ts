// Samples for one typed prompt, and scores what was written: what the window's "try a model" asks for.

import type { Finish, SamplingParameters } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { readingOf, readsEnd, scoresOf } from '#core/models/score-reading.ts';
import { createSampler } from '#core/models/sampler.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { answerTexts } from './answer-text.ts';
import { encodeAnswers, encodePrompts, isConversation, withStops } from './prompt-tokens.ts';
import type { AskedPrompt } from './prompt-tokens.ts';

export interface SampleOnce { name: string; folder: string; /** folder of a reward model that scores */ reward: string | null; prompt: string; /** the prompt is what a user says to a chat model */ chat?: boolean; k: number; sampling: SamplingParameters }
export interface Written { text: string; finish: Finish; logprob: number; tokens: number; score: number | null }

/** 'too-long' where prompt and completion exceed the context, 'bad-argument' for an empty prompt, a model that cannot write, or a chat with one that has no chat template. */
export async function sampleOnce({ name, folder, reward, prompt, chat = false, k, sampling }: SampleOnce): Promise<Written[]> {
  const checkpoint = loadCheckpoint(folder), tokenizer = await loadTokenizer(folder), { context } = checkpoint.architecture;
  if (checkpoint.head !== 'language-model') throw new TastemakerError('bad-argument', `"${name}" is a reward model; it cannot write.`, 'Choose a base model or a policy.');
  if (chat && tokenizer.chatTemplate === null) throw new TastemakerError('bad-argument', `"${name}" has no chat template, so it can not take a prompt as a message.`, 'Give it the text to go on from, or choose a model that was tuned for chat.');
  const asked: AskedPrompt = { text: prompt, messages: chat && prompt !== '' ? [{ role: 'user', content: prompt }] : null };
  const [ids] = (await encodePrompts(tokenizer, [asked], () => 'The prompt')) as [number[]];
  if (prompt === '' || ids.length === 0) throw new TastemakerError('bad-argument', 'The prompt is empty.', 'Type something for the model to go on from.');
  if (ids.length + sampling.maxNew > context) {
    const room = context - ids.length;
    throw new TastemakerError('too-long', `The prompt has ${ids.length} tokens; with ${sampling.maxNew} new ones it exceeds the ${context} that "${name}" can see.`, room > 0 ? `Ask for at most ${room} new tokens, or shorten the prompt.` : `Shorten the prompt by at least ${1 - room} tokens.`);
  }
  const sampler = createSampler(withStops(checkpoint.architecture, tokenizer), { constants: checkpoint.weights });
  const [written] = await sampler.sample(checkpoint.weights, [{ prompt: ids, streams: Array.from({ length: k }, (_, j) => `try/${j}`) }], sampling);
  const texts = await answerTexts(tokenizer, written!.map(({ tokenIds }) => ({ prompt: ids, ids: tokenIds })));
  const scores = reward === null ? null : await scoreAll(reward, asked, written!.map(({ tokenIds }, i) => ({ text: texts[i]!, ids: tokenIds, tokenizer: tokenizer.hash, finish: written![i]!.finish })));
  return written!.map(({ finish, logprobs, tokenIds }, i) => ({ text: texts[i]!, finish, logprob: logprobs.reduce((a, b) => a + b, 0), tokens: tokenIds.length, score: scores?.[i] ?? null }));
}

/** Under the reward model's own tokenizer; null where it gives no scores, or reads fewer tokens. */
async function scoreAll(folder: string, prompt: AskedPrompt, answers: readonly { text: string; ids: number[]; tokenizer: string; finish: Finish }[]): Promise<number[] | null> {
  const scorer = loadCheckpoint(folder), tokenizer = await loadTokenizer(folder);
  if (scorer.head !== 'score') return null;
  const [ids] = (await encodePrompts(tokenizer, [prompt], () => 'The prompt')) as [number[]];
  const reading = readingOf(folder), end = readsEnd(reading, isConversation(tokenizer, prompt));
  const completions = await encodeAnswers(tokenizer, answers.map(({ text, ids: sampled, tokenizer: hash, finish }) => ({ prompt, text, ended: end && finish === 'stop', sampled: { ids: sampled, tokenizer: hash } })));
  if (ids.length + Math.max(...completions.map(({ length }) => length)) > scorer.architecture.context) return null;
  return scoresOf(createEvaluator(scorer, { constants: scorer.weights }), scorer.weights, completions.map((completion) => ({ prompt: ids, completion })), reading);
}
