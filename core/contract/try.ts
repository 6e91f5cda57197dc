// Trying a model: how it is given its prompts, what may be typed for it, what it wrote; the calls that try one.

import * as v from 'valibot';
import type { Finish } from './samples.ts';
import { call } from './call.ts';
import { id, text, short, sampling } from './schemas.ts';

/**
 * `as` is how its runs gave it prompts, and `because` why that is known; `chat`: it could be the other way too.
 * `template`: how the project's plain prompts are put together.
 */
export interface PromptManner {
  as: 'text' | 'conversation';
  because: string;
  chat: boolean;
  template: string | null;
}

export const typedMessages = v.pipe(
  v.array(v.strictObject({ role: v.picklist(['system', 'user', 'assistant']), content: text })),
  v.minLength(1),
  v.maxLength(200),
);
export const stopTexts = v.pipe(v.array(short), v.maxLength(20));

/** `read`: what the model went on from. `stoppedAt`: the stop text that ended an answer, which is not part of it. */
export interface TriedModel {
  completions: {
    text: string;
    finish: Finish;
    logprob: number;
    tokens: number;
    score: number | null;
    stoppedAt: string | null;
  }[];
  read: string;
  /** why there are no scores, where there is a reward model */
  unscored: string | null;
  /** the model that scored */
  reward: string | null;
}

export const TRY_CALLS = {
  /** How this model is given its prompts, as far as its runs and files tell. */
  'models.manner': call<PromptManner>('again')({ modelId: id }),
  /** Sampling at once: of the text to go on from, or of `messages` that a user says last. A run goes on meanwhile. */
  'models.try': call<TriedModel>('again')({
    modelId: id,
    prompt: text,
    messages: v.optional(typedMessages),
    stops: v.optional(stopTexts),
    k: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)),
    sampling,
  }),
} as const;
