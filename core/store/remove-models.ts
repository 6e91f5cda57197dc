// Taking a model off the project's list as a change that can be taken back: its row, and what it said of completions.

import { MOST_KEPT_MEASURES } from '#core/contract/models.ts';
import { recordEvent } from './events.ts';
import { capture } from './inverse.ts';
import { policyById, removePolicy } from './policies.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';

/** What an event of this kind says of the model. */
export interface RemovedModel {
  modelId: number;
  name: string;
  /** the role in which a person had chosen it */
  chosen: 'policy' | 'reward' | null;
  /** how many completions it had measured, and whether that comes back with it */
  measured: number;
  kept: boolean;
}
/** How many completions a model has measured. */
export const measuredBy = (project: Project, modelId: number): number =>
  query<{ n: number }>(project, 'SELECT count(*) AS n FROM measures WHERE model_id = ?').get(modelId)!.n;

/** As removePolicy; the event holds its row and, up to `most`, its measures. */
export function removeModel(
  project: Project,
  id: number,
  {
    chosen,
    needs,
    most = MOST_KEPT_MEASURES,
  }: Pick<RemovedModel, 'chosen'> & { needs: readonly string[]; most?: number },
): { eventId: number } & RemovedModel {
  return transaction(project, () => {
    const { name } = policyById(project, id);
    const measured = measuredBy(project, id);
    const kept = measured <= most;
    const steps = [
      capture(project, 'policies', id),
      ...(kept && measured > 0 ? [capture(project, 'measures of a model', id)] : []),
    ];
    removePolicy(project, id, needs);
    const removed: RemovedModel = { modelId: id, name, chosen, measured, kept };
    return { ...removed, eventId: recordEvent(project, null, 'model.remove', { ...removed }, steps) };
  });
}
