// The shapes that arguments of calls are made of: ids, texts, lists and ranges, with their limits.

import * as v from 'valibot';

export const id = v.pipe(v.number(), v.integer(), v.minValue(0));
export const text = v.pipe(v.string(), v.maxLength(1_000_000));
export const short = v.pipe(v.string(), v.maxLength(4096));
export const ids = v.pipe(v.array(id), v.maxLength(100_000));
export const runId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/));
export const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
export const offset = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(1e9));
export const limit = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000));
export const split = v.picklist(['train', 'validation', 'test']);
export const places = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100_000));
export const queue = v.picklist([
  'sequential',
  'shuffled',
  'newest',
  'uncertain',
  'disagrees',
  'flagged',
  'requested',
  'drafts',
  'skipped',
  'submitted',
]);
export const rank = v.strictObject({
  completionId: id,
  rank: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(9)),
});
export const kind = v.picklist(['prompts', 'completions', 'rankings']);
export const config = v.record(short, v.union([v.number(), v.string(), v.boolean()]));
export const recipe = v.pipe(v.string(), v.regex(/^[a-z][a-z-]{0,39}$/));
export const onDesk = { labelerId: id, itemId: id };
export const span = {
  completionId: id,
  labelerId: id,
  start: offset,
  end: offset,
  label: short,
  note: v.nullable(text),
};
export const names = v.pipe(v.array(short), v.maxLength(1000));
export const selection = v.strictObject({
  labelers: names,
  policies: names,
  rounds: names,
  splits: v.array(split),
  confidence: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(9)),
  flagged: v.picklist(['answers', 'items']),
  marks: names,
});
export const sampling = v.strictObject({
  temperature: v.pipe(v.number(), v.minValue(0), v.maxValue(10)),
  topK: offset,
  topP: share,
  maxNew: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(4096)),
  seed: offset,
  /** texts that may not come out */
  forbid: v.optional(v.pipe(v.array(short), v.maxLength(50))),
});
