// What follows from a run by itself: a new reward model, or new completions, are scored, so that queues and lists can
// use it.

import type { Config } from '#core/contract/recipes.ts';
import type { Run, RunKind } from '#core/contract/runs.ts';
import { modelMadeBy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { anyUnmeasured } from '#core/store/run-completions.ts';
import { getRequest, listRuns } from '#core/store/runs.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { currentPolicy, currentReward } from '#core/service/current-models.ts';

const isAskedFor = (asked: Config | undefined, wanted: Config): boolean =>
  asked !== undefined && Object.entries(wanted).every(([name, value]) => asked[name] === value);

export async function followUp(
  project: Project,
  { id, kind, status }: Run,
  start: (recipe: RunKind, config: Config, name: string | null) => Promise<unknown>,
): Promise<void> {
  const recipe = recipeOf(kind);
  const scores = recipe?.model?.kind === 'reward';
  if (status !== 'done' || (!scores && recipe?.shows !== 'drawn')) return;
  const reward = scores ? modelMadeBy(project, id) : currentReward(project);
  const reference = referenceOf(project, currentPolicy(project));
  if (!reward || !anyUnmeasured(project, reward.id, reference?.id ?? null)) return;
  const config: Config = { reward: reward.name, reference: reference?.name ?? '' };
  const waits = listRuns(project, { kind: 'score', status: 'queued' }).some((run) =>
    isAskedFor(getRequest(project, run.id)?.config, config),
  );
  if (!waits) await start('score', config, null);
}
