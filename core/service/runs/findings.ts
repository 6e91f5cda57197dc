// The calls about what was found out about a policy.

import type { Handlers } from '#core/service/handlers.ts';
import { getRun } from '#core/store/runs.ts';

export const findingHandlers = {
  'findings.run': ({ project, inspector }, { runId }) =>
    inspector.ask('findings', { projectFolder: project.folder, runId: getRun(project, runId).id }),
} satisfies Partial<Handlers>;
