// How a run that learnt from rankings ends: its validation is reported, what was held out is written down, and the
// model has its folder.

import path from 'node:path';
import { writeJsonl } from '#core/formats/jsonl.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { writeModel } from './model-folder.ts';
import type { ModelNotes } from './model-folder.ts';
import type { Validated } from './reward-validation.ts';

export interface RankedEnding {
  step: number;
  /** that the run was asked for */
  steps: number;
  /** false where it was stopped, and where it had been at its end before it was resumed: then this was reported */
  reports: boolean;
  /** keeps the state in a checkpoint */
  save(): void;
}

/** `found` goes to metrics.jsonl and validation.jsonl; `checkpoint`, of which it was found, to model/. */
export function endRanked(
  context: RunContext,
  { step, steps, reports, save }: RankedEnding,
  { checked, rows }: Validated,
  checkpoint: Checkpoint,
  notes: Pick<ModelNotes, 'tokenizerFrom' | 'reference' | 'notes'>,
): void {
  if (reports) {
    if (Object.keys(checked).length) context.report(steps, steps, checked);
    save();
  }
  writeJsonl(path.join(context.folder, 'validation.jsonl'), rows);
  writeModel(context, 'model', checkpoint, { ...notes, step, steps, metrics: checked });
}
