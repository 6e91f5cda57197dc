// A model without its weights: what plans are made of.

import { numbersIn } from '#core/models/architecture.ts';
import { checkpointParameters, openCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { blankHead, isScoreHead, isScoreTensor } from '#core/models/heads.ts';
import type { ScoreHeadName } from '#core/models/heads.ts';

/** `weights` says only what the head holds. */
export type ModelShape = Checkpoint;

/** As a folder's files describe it. Throws where they do not. */
export function modelShape(folder: string): ModelShape {
  const { architecture, head, adapter, parameters } = openCheckpoint(folder);
  const held = parameters.filter(({ name }) => isScoreTensor(name));
  return {
    architecture,
    head,
    ...(adapter ? { adapter } : {}),
    weights: Object.fromEntries(held.map(({ name }) => [name, new Float32Array(0)])),
  };
}

/** What the run would refuse itself is estimated all the same: a model that writes, whatever its head is. */
export const asWriter = (model: ModelShape): ModelShape => ({ ...model, head: 'language-model', weights: {} });
/** The model with a fresh head that scores in place of its own. */
export const withScores = (model: ModelShape, bias: boolean, head: ScoreHeadName = 'linear'): ModelShape => ({
  ...model,
  head,
  weights: blankHead({ architecture: model.architecture, head }, bias),
});
/** A model that scores, whatever its head is. */
export const asJudge = (model: ModelShape): ModelShape => (isScoreHead(model.head) ? model : withScores(model, true));
/** The same with its adapter added up, as it is read where nothing of it learns. */
export const whole = (model: ModelShape): ModelShape => ({ ...model, adapter: undefined });

export const bytesOfShape = (model: ModelShape): number => 4 * numbersIn(checkpointParameters(model));
