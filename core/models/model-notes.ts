// Small JSON files beside a model's weights: which run wrote these very weights and what was measured of them, and how
// a reward model wants its texts.

import fs from 'node:fs';
import path from 'node:path';
import { isGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { settingsOf } from '#core/formats/settings.ts';

/** What a reward model was taught with, for programs that score with it. */
export const REWARD_NOTE = 'tastemaker.json';
/** Where the weights of a folder come from. */
export const MADE_NOTE = 'made.json';

/**
 * Of the very weights in a folder: the run that wrote them, at which step of how many, and what was measured of them
 * there.
 */
export interface Made {
  /** id of the run */
  run: string;
  step: number;
  /** that the run was asked for */
  steps: number;
  /**
   * by the names of metrics.jsonl (score, kl, reward, gold, validation_loss, …); held out where the run held prompts
   * back
   */
  metrics: Readonly<Partial<Record<string, number>>>;
  /** the model that KL was measured from, by name */
  reference?: string;
  /** why they were kept on the way, where it is not because they did best: at a look at held-out prompts */
  kept?: 'look';
}

/** What `saveCheckpoint` is to write beside the weights so that they say where they come from. */
export const madeNote = (made: Made): Record<string, object> => ({ [MADE_NOTE]: made });

/**
 * Null where the folder has no such note (models of 0.1.0 and of other programs). 'bad-model' naming the key that is
 * missing or in another form.
 */
export function readMade(folder: string): Made | null {
  const file = path.join(folder, MADE_NOTE);
  if (isGguf(folder) || !fs.existsSync(file)) return null;
  const read = settingsOf(readJsonObject(file), file, {
    hint: 'Take the file from the run that wrote these weights, or take it away.',
  });
  const missing = (key: string) => read.refuse(key, 'is missing');
  const metrics = read.object('metrics') ?? missing('metrics');
  const numbers = metrics
    .keys()
    .map((key) => [key, metrics.number(key, { orNull: true })] as const)
    .filter((entry): entry is [string, number] => entry[1] !== undefined);
  const reference = read.text('reference', { orNull: true }) ?? '';
  return {
    run: read.text('run') ?? missing('run'),
    step: read.whole('step') ?? missing('step'),
    steps: read.whole('steps') ?? missing('steps'),
    metrics: Object.fromEntries(numbers),
    ...(reference === '' ? {} : { reference }),
    ...(read.text('kept', { orNull: true }) === 'look' ? { kept: 'look' as const } : {}),
  };
}
