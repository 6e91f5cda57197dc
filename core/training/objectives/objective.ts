// An objective: a loss over rows with what it is fed. What trains and what says beforehand how much that takes use the
// same one.

import type { Types } from '#core/autodiff/compile.ts';
import type { Headed } from '#core/models/heads.ts';
import type { RowShape } from '#core/models/rows.ts';
import type { Loss, LossBuild } from '#core/training/trainer.ts';

/** `Beside`: what the feeds hang on besides the shape of the rows. */
export interface Objective<Beside = unknown> {
  /** what its graph hangs on besides model and rows: plain data */
  key: unknown;
  loss(headed: Headed): (given: LossBuild) => Loss;
  feeds(headed: Headed, shape: RowShape, beside?: Beside): Types;
}
