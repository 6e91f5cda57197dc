// Small JSON files beside a model's weights: which run wrote these very weights and what was measured of them, and how a reward model wants its texts.

import path from 'node:path';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';

/** What a reward model was taught with, for programs that score with it. */
export const REWARD_NOTE = 'tastemaker.json';
/** Where the weights of a folder come from. */
export const MADE_NOTE = 'made.json';

/** Of the very weights in a folder: the run that wrote them, at which step of how many, and what was measured of them there. */
export interface Made {
  /** id of the run */
  run: string;
  step: number;
  /** that the run was asked for */
  steps: number;
  /** by the names of metrics.jsonl (score, kl, reward, gold, validation_loss, …); held out where the run held prompts back */
  metrics: Readonly<Partial<Record<string, number>>>;
  /** the model that KL was measured from, by name */
  reference?: string;
}

/** What `saveCheckpoint` is to write beside the weights so that they say where they come from. */
export const madeNote = (made: Made): Record<string, object> => ({ [MADE_NOTE]: made });

/** Null where the folder has no such note (models of 0.1.0 and of other programs), or none that can be read. */
export function readMade(folder: string): Made | null {
  if (isGguf(folder)) return null;
  try {
    const { run, step, steps, metrics, reference } = readJsonObject(path.join(folder, MADE_NOTE));
    if (typeof run !== 'string' || typeof step !== 'number' || typeof steps !== 'number' || typeof metrics !== 'object' || metrics === null) return null;
    const numbers = Object.entries(metrics).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
    return { run, step, steps, metrics: Object.fromEntries(numbers), ...(typeof reference === 'string' && reference !== '' ? { reference } : {}) };
  } catch {
    return null; // the note is an extra: without it a model is still a model
  }
}
