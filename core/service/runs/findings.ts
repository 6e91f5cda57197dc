// The calls about what was found out about a policy.

import { LIVING } from '#core/contract/runs.ts';
import { curveChoices } from '#core/inspection/best-of-n.ts';
import { runCurves } from '#core/inspection/curve.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { getRun } from '#core/store/runs.ts';
import { keptFindings } from './kept-findings.ts';
import { takeRollouts } from './take-rollouts.ts';

export const findingHandlers = {
  'findings.run': ({ project, finder }, { runId, anew }) => {
    const { id, status } = getRun(project, runId);
    const run = { id, folder: runFolderOf(project.folder, id), orOlder: !anew && LIVING.includes(status) };
    return keptFindings(project, run, () =>
      finder.ask('findings', { projectFolder: project.folder, runId: id }, `findings of ${id}`),
    );
  },
  'findings.take': async ({ project, emit }, { runId, answers }) => {
    const completionIds = await takeRollouts(project, getRun(project, runId).id, answers);
    emit('data.changed', {});
    return { completionIds };
  },
  'findings.curve': ({ project }, { runIds }) =>
    runCurves(
      project.folder,
      runIds.map((id) => getRun(project, id).id),
    ),
  'findings.beside': ({ project }, { runId }) => curveChoices(project, getRun(project, runId).id),
  'findings.pool': ({ project, finder }, { runId, poolId }) =>
    finder.ask('pool', {
      projectFolder: project.folder,
      runId: getRun(project, runId).id,
      poolId: getRun(project, poolId).id,
    }),
} satisfies Partial<Handlers>;
