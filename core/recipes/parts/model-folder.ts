// The folder of a model that a run made: weights and tokenizer, with a note of which run wrote them at which step.

import path from 'node:path';
import { saveCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { madeNote } from '#core/models/model-notes.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext } from '#core/recipes/recipe.ts';

/** What is written down beside the weights. */
export interface ModelNotes {
  /** the folder whose tokenizer the model has */
  tokenizerFrom: string;
  step: number;
  /** that the run was asked for */
  steps: number;
  /** what was measured of these very weights */
  metrics: MetricRow;
  /** the model that KL is measured from, by name, where there is one */
  reference?: string;
  /** other notes, by the names of their files */
  notes?: Readonly<Record<string, object>>;
}

/** Where in its run's folder a model is written. */
export type ModelPlace = 'model' | 'best' | `looks/${number}`;

/**
 * Writes model/ (what the run ends with), best/ (what it chose on the way) or looks/<update> (where one may want to
 * stop), whole or not at all.
 */
export function writeModel(
  { folder, manifest }: Pick<RunContext, 'folder' | 'manifest'>,
  place: ModelPlace,
  checkpoint: Checkpoint,
  { tokenizerFrom, notes = {}, ...made }: ModelNotes,
): void {
  const { step, steps, metrics, reference } = made;
  const note = madeNote({
    run: manifest.id,
    step,
    steps,
    metrics,
    ...(reference === undefined ? {} : { reference }),
    ...(place.startsWith('looks/') ? { kept: 'look' } : {}),
  });
  saveCheckpoint(path.join(folder, place), checkpoint, { tokenizerFrom, beside: { ...notes, ...note } });
}
