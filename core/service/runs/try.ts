// Trying a model: samples for a typed prompt, at once, even while a run is at work.

import type { Written } from '#core/jobs/sample-once.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { currentReward } from '#core/service/current-models.ts';

export const tryHandlers = {
  'models.try': async ({ project, runs }, { modelId, prompt, chat = false, k, sampling }) => {
    const policy = policyById(project, modelId), reward = currentReward(project);
    const task = { kind: 'sample', name: policy.name, folder: policyPath(project, policy), reward: reward && policyPath(project, reward), prompt, chat, k, sampling };
    const completions = await runs.interactive<Written[]>(task);
    return { completions, waitedMs: runs.waitedMs() };
  },
} satisfies Partial<Handlers>;
