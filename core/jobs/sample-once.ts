// Samples for one typed prompt, and scores what was written: what the window's "try a model" asks for.

import type { Finish, SamplingParameters } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { encodePrompts, withStops } from './prompt-tokens.ts';

export interface SampleOnce { name: string; folder: string; /** folder of a reward model that scores */ reward: string | null; prompt: string; /** the prompt is what a user says to a chat model */ chat?: boolean; k: number; sampling: SamplingParameters }
export interface Written { text: string; finish: Finish; logprob: number; tokens: number; score: number | null }

/** 'too-long' where prompt and completion exceed the context, 'bad-argument' for an empty prompt, a model that cannot write, or a chat with one that has no chat template. */
export async function sampleOnce({ name, folder, reward, prompt, chat = false, k, sampling }: SampleOnce): Promise<Written[]> {
  const checkpoint = loadCheckpoint(folder), tokenizer = await loadTokenizer(folder), { context } = checkpoint.architecture;
  if (checkpoint.head !== 'language-model') throw new TastemakerError('bad-argument', `"${name}" is a reward model; it cannot write.`, 'Choose a base model or a policy.');
  if (chat && tokenizer.chatTemplate === null) throw new TastemakerError('bad-argument', `"${name}" has no chat template, so it can not take a prompt as a message.`, 'Give it the text to go on from, or choose a model that was tuned for chat.');
  const [ids] = (await encodePrompts(tokenizer, [{ text: prompt, messages: chat && prompt !== '' ? [{ role: 'user', content: prompt }] : null }], () => 'The prompt')) as [number[]];
  if (ids.length === 0) throw new TastemakerError('bad-argument', 'The prompt is empty.', 'Type something for the model to go on from.');
  if (ids.length + sampling.maxNew > context) {
    const room = context - ids.length;
    throw new TastemakerError('too-long', `The prompt has ${ids.length} tokens; with ${sampling.maxNew} new ones it exceeds the ${context} that "${name}" can see.`, room > 0 ? `Ask for at most ${room} new tokens, or shorten the prompt.` : `Shorten the prompt by at least ${1 - room} tokens.`);
  }
  const sampler = createSampler(withStops(checkpoint.architecture, tokenizer), { constants: checkpoint.weights });
  const [written] = await sampler.sample(checkpoint.weights, [{ prompt: ids, streams: Array.from({ length: k }, (_, j) => `try/${j}`) }], sampling);
  const texts = await tokenizer.decodeBatch(written!.map(({ tokenIds }) => tokenIds));
  const scores = reward === null ? null : await scoresOf(reward, checkpoint.architecture.vocabulary, ids, written!.map(({ tokenIds }) => tokenIds));
  return written!.map(({ finish, logprobs, tokenIds }, i) => ({ text: texts[i]!, finish, logprob: logprobs.reduce((a, b) => a + b, 0), tokens: tokenIds.length, score: scores?.[i] ?? null }));
}

/** Null where the reward model reads another vocabulary, or not so many tokens. */
async function scoresOf(folder: string, vocabulary: number, prompt: number[], completions: number[][]): Promise<number[] | null> {
  const scorer = loadCheckpoint(folder), longest = prompt.length + Math.max(...completions.map(({ length }) => length));
  if (scorer.head !== 'score' || scorer.architecture.vocabulary !== vocabulary || longest > scorer.architecture.context) return null;
  return (await createEvaluator(scorer, { constants: scorer.weights }).scores(scorer.weights, [{ prompt, completions }]))[0]!;
}
