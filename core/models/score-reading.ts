// How a reward model reads its texts: with or without their end, and at which token its score stands. One convention a
// model, for all that scores.
//
// A model of ours was taught on answers with their end and is read at its last token (D6). Another program's is given
// the text
// as it is, and is read as transformers does: at the last token that is not the padding of its config.json. What comes
// after a
// token changes nothing at it, so reading there is leaving the padding at the end away.

import fs from 'node:fs';
import path from 'node:path';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { settingsOf } from '#core/formats/settings.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { StoredCheckpoint, WeightArrays } from './checkpoint.ts';
import type { Evaluator } from './evaluator.ts';
import { REWARD_NOTE } from './model-notes.ts';
import { isTransformersHead } from './stored-head.ts';
import { sharingPrompts } from './rows.ts';
import type { Group } from './rows.ts';

export interface Reading {
  /** whether a plain answer that has ended is read with its end; a conversation always has the end of its turn */
  appendsEnd: boolean;
  /** the token that is passed over at the end of a text; null for none */
  passedOver: number | null;
}

/**
 * Whether a note beside the model says that it was taught on answers with their end; null where there is none, as with
 * other people's reward models.
 */
export function saidToAppendEnd(folder: string): boolean | null {
  const file = path.join(folder, REWARD_NOTE);
  if (isGguf(folder) || !fs.existsSync(file)) return null;
  return (
    settingsOf(readJsonObject(file), file, {
      hint: `Take ${REWARD_NOTE} from the model it belongs to; without it the model is read as another program’s.`,
    }).flag('appends_end_of_text') ?? null
  );
}

/** The convention of the reward model in a folder. */
export function readingOf(folder: string, opened: StoredCheckpoint = openCheckpoint(folder)): Reading {
  if (saidToAppendEnd(folder) === true) return { appendsEnd: true, passedOver: null };
  // a head of another name is of a program that reads the last token there is
  const asTransformers = opened.parameters.some(({ name, inFile }) => isTransformersHead(name, inFile));
  return { appendsEnd: false, passedOver: asTransformers ? opened.architecture.pad : null };
}

export interface ScoredText {
  prompt: readonly number[];
  completion: readonly number[];
}

/** Whether an answer that has ended is read with its end. */
export const readsEnd = ({ appendsEnd }: Reading, conversation: boolean): boolean => appendsEnd || conversation;

/** The rows that give the scores of these answers; a text of nothing but padding keeps its first token. */
export function rowsToScore(asked: readonly ScoredText[], { passedOver }: Reading): Group[] {
  return asked.map(({ prompt, completion }) => {
    if (passedOver === null) return { prompt, completions: [completion] };
    const end = (list: readonly number[]) => list.findLastIndex((id) => id !== passedOver) + 1;
    const kept = completion.slice(0, end(completion));
    return { prompt: kept.length ? prompt : prompt.slice(0, Math.max(1, end(prompt))), completions: [kept] };
  });
}

/** A score for each of these answers, read as the model's convention says. */
export const scoresOf = async (
  evaluator: Evaluator,
  weights: WeightArrays,
  asked: readonly ScoredText[],
  reading: Reading,
): Promise<number[]> =>
  asked.length ? (await evaluator.scores(weights, sharingPrompts(rowsToScore(asked, reading)))).flat() : [];
