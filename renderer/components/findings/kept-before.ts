// Which weights of a run are kept, and the last of them from before an update: where one may stop, or go on from.

import type { ModelRow } from '#core/contract/models.ts';
import type { RunDetail } from '#core/contract/runs.ts';

/** Weights of an update that lie in the run's folder. */
export interface KeptWeights {
  update: number;
  folder: string;
  sentence: string;
  /** the model that they are already */
  modelId: number | null;
  /** they did best on held-out prompts */
  isBest: boolean;
}

type Kept = Pick<RunDetail, 'run' | 'best' | 'looks'>;
type Model = Pick<ModelRow, 'id' | 'runId' | 'step' | 'best'>;

/** The best, those of looks at held-out prompts, and those that are models already, in order; one of each update. */
export function keptWeights({ run, best, looks }: Kept, models: readonly Model[]): KeptWeights[] {
  const all = new Map<number, KeptWeights>();
  for (const { id, runId, step, best: isBest } of models)
    if (runId === run.id && step !== null)
      all.set(step, { update: step, folder: '', sentence: '', modelId: id, isBest });
  if (best && best.step !== null && best.step > 0 && !all.has(best.step))
    all.set(best.step, {
      update: best.step,
      folder: best.folder,
      sentence: best.sentence,
      modelId: null,
      isBest: true,
    });
  for (const look of looks) if (!all.has(look.update)) all.set(look.update, { ...look, isBest: false });
  return [...all.values()].sort((a, b) => a.update - b.update);
}

/** The best by what was measured on held-out prompts, up to an update; else the last that are kept from before it. */
export function bestBefore(detail: Kept, models: readonly Model[], update: number): KeptWeights | null {
  const upTo = keptWeights(detail, models).filter((kept) => kept.update <= update);
  const best = upTo.find(({ isBest, modelId }) => isBest && modelId === null) ?? upTo.findLast(({ isBest }) => isBest);
  return best ?? upTo.findLast((kept) => kept.update < update) ?? null;
}

/** The last that are kept from before an update; null where none are. */
export const lastBefore = (detail: Kept, models: readonly Model[], update: number): KeptWeights | null =>
  keptWeights(detail, models).findLast((kept) => kept.update < update) ?? null;
