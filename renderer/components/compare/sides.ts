// The two sides of a comparison as a person chooses them: models of the project, and what a run kept of its weights.

import type { Checkpoint, PolicySide } from '#core/contract/compare.ts';
import type { ModelRow } from '#core/contract/models.ts';

/** One side that can be chosen; `key` is what a choice is remembered by. */
export interface Side {
  key: string;
  name: string;
  side: PolicySide;
}

export const modelSides = (models: readonly ModelRow[]): Side[] =>
  models
    .filter(({ kind }) => kind !== 'reward')
    .map(({ id, name }) => ({ key: `model ${id}`, name, side: { modelId: id } }));

export const checkpointSides = (runId: string, checkpoints: readonly Checkpoint[]): Side[] =>
  checkpoints.map(({ update, name }) => ({ key: `${runId} ${update}`, name, side: { runId, update } }));
