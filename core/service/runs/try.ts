// Trying a model: samples for a typed prompt, at once, also while a run is at work; and how the model is used to being
// asked.

import { recipeOf } from '#core/recipes/table.ts';
import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import type { PromptManner } from '#core/contract/try.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { chainOf } from '#core/runs/model-chain.ts';
import { followLines } from '#core/runs/new-lines.ts';
import { listPolicies, policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listRuns } from '#core/store/runs.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { currentReward } from '#core/service/current-models.ts';
import { templateOf } from '#core/service/data/prompt-titles.ts';
import { templatesOf } from '#core/service/data/templates.ts';
import { hasChatTemplate } from '#core/service/models/chat-model.ts';

export const tryHandlers = {
  'models.manner': ({ project }, { modelId }) => {
    const template = templateOf(
      listPrompts(project, { limit: LOOKED_AT })
        .filter(({ messages }) => !messages)
        .map(({ text }) => text),
      templatesOf(project),
    );
    return { ...mannerOf(project, policyById(project, modelId)), template };
  },

  'models.try': async ({ project, inspector }, { modelId, prompt, messages = [], stops = [], k, sampling }) => {
    const policy = policyById(project, modelId);
    const reward = currentReward(project);
    const placeOf = (model: Policy) => ({ name: model.name, folder: policyPath(project, model) });
    const tried = await inspector.ask('sample', {
      model: placeOf(policy),
      reward: reward && placeOf(reward),
      prompt,
      messages,
      stops,
      k,
      sampling,
    });
    return {
      ...tried,
      reward: tried.completions.some(({ score }) => score !== null) ? reward!.name : null,
    };
  },
} satisfies Partial<Handlers>;

const LOOKED_AT = 50;
const BEGINNING = 1 << 16;

/** As the run that tuned it last gave it prompts; a model that no run tuned is asked as its template has it. */
function mannerOf(project: Project, policy: Policy): Omit<PromptManner, 'template'> {
  if (!hasChatTemplate(policyPath(project, policy)))
    return { as: 'text', chat: false, because: 'it has no chat template' };
  const kinds = new Map(listRuns(project).map(({ id, kind }) => [id, kind]));
  for (const { runId } of chainOf(listPolicies(project), policy).toReversed()) {
    const kind = runId === null ? undefined : kinds.get(runId);
    if (runId === null || recipeOf(kind ?? '')?.shows !== 'samples') continue;
    const rows = followLines(path.join(runFolderOf(project.folder, runId), 'data.jsonl'))
      .read(BEGINNING)
      .lines.map((line) => JSON.parse(line) as { messages?: unknown });
    if (rows.length > 0)
      return rows.some(({ messages }) => messages)
        ? { as: 'conversation', chat: true, because: `run ${runId} gave it conversations` }
        : { as: 'text', chat: true, because: `run ${runId} gave it plain text` };
  }
  return { as: 'conversation', chat: true, because: 'it has a chat template, and no run here tuned it otherwise' };
}
