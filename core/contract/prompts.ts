// Prompts, how they are listed, searched and dealt out to splits; the calls about them.

import * as v from 'valibot';
import type { SampleRow } from './samples.ts';
import type { Ranking, Rating, Mark } from './rankings.ts';
import type { Saved } from './desk.ts';
import { call } from './call.ts';
import { id, short, ids, share, offset, limit, split } from './schemas.ts';

export type Split = 'train' | 'validation' | 'test';
export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** Fields of other people's files that have no place of their own here, kept for the way back. */
export type Extra = Record<string, string | number | boolean | null>;

/**
 * What is asked. `messages` is the conversation up to the answer, null for plain text; `reference` is a person's answer
 * where there is one; `facts` belong to the demo world.
 */
export interface Prompt {
  id: number;
  text: string;
  messages: Message[] | null;
  reference: string | null;
  split: Split;
  source: string;
  facts: Record<string, string> | null;
  extra: Extra | null;
}

/**
 * A prompt in a list. `title` is what tells it from others: of a conversation its last turn, of a text by a template
 * the field that names it, else the text without what all rows begin with. `excerpt`: where the words that were
 * searched for stand, if not in the title.
 */
export interface PromptRow {
  id: number;
  title: string;
  excerpt: string | null;
  split: Split;
  source: string;
  completions: number;
  rankings: number;
}

/** What the list of prompts is narrowed to and ordered by; `id` is the order in which they came in. */
export const promptList = {
  split: v.optional(split),
  search: v.optional(short),
  has: v.optional(v.picklist(['rankings', 'marks', 'ratings', 'flags'])),
  sort: v.optional(v.picklist(['id', 'title', 'split', 'completions', 'rankings'])),
  descending: v.optional(v.boolean()),
};
const promptShape = v.strictObject(promptList);
export type PromptList = v.InferOutput<typeof promptShape>;

/** `terms`: the words that were searched for, each to be shown where it stands. */
export interface PromptPage {
  total: number;
  rows: PromptRow[];
  terms: string[];
}

/** What would go with some prompts. */
export interface PromptWeight {
  prompts: number;
  completions: number;
  rankings: number;
  ratings: number;
  marks: number;
  flags: number;
}

export interface PromptFound {
  prompt: Prompt;
  completions: SampleRow[];
  rankings: Ranking[];
  marks: Mark[];
  ratings: Rating[];
}

export interface SearchHit {
  kind: 'prompt' | 'completion';
  id: number;
  promptId: number;
  excerpt: string;
}

export const PROMPT_CALLS = {
  'prompts.page': call<PromptPage>('again')({ ...promptList, offset, limit }),
  /** `scoredBy`: the reward model whose scores are meant; left out, the current one. */
  'prompts.get': call<PromptFound>('again')({ promptId: id, scoredBy: v.optional(id) }),
  'prompts.setSplit': call<Saved>('once')({ promptIds: ids, split }),
  /** Deals all prompts out anew by share, seeded; what is over goes to train. */
  'prompts.divide': call<Record<Split, number>>('once')({ validation: share, test: share, seed: offset }),
  /** What hangs on these prompts, and would go with them. */
  'prompts.weigh': call<PromptWeight>('again')({ promptIds: ids }),
  /** With everything that hangs on them; `events.undo` brings it all back. */
  'prompts.remove': call<Saved & { removed: number }>('once')({ promptIds: ids }),
  'search.find': call<{ hits: SearchHit[] }>('again')({ text: short, limit }),
  /** Brings all spellings of a prompt into one split; `eventIds` undo it, in this order. */
  'prompts.unite': call<{ moved: number; eventIds: number[] }>('once')({}),
} as const;
