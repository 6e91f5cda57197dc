// What follows from a run by itself: the right reward model and reference are asked, and nothing waits twice.

import { expect, test } from 'vitest';
import type { Config } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { followUp } from '#core/service/runs/run-follow-up.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { completionOf, freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();

/** base, and two reward models "reward" and "reward-2" of runs that are done; one completion that nobody has scored. */
function twoRewards(): Project {
  const project = createProject(fresh());
  const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  for (const [id, name] of [
    ['0001-reward', 'reward'],
    ['0002-reward', 'reward-2'],
  ] as const) {
    addRun(project, { id, kind: 'reward', name, status: 'done' });
    addPolicy(project, { name, kind: 'reward', path: `runs/${id}/model`, parentId: base, runId: id });
  }
  const [promptId] = addPrompts(project, [{ text: 'p', split: 'train', source: 's' }]) as [number];
  addCompletions(project, [{ ...completionOf(promptId, 'x'), policyId: base }]);
  return project;
}
const waits = (project: Project, id: string, config: Config) =>
  addRun(project, {
    id,
    kind: 'score',
    name: `scores by ${String(config.reward)}`,
    status: 'queued',
    request: { recipe: 'score', config, name: null, queuedAt: 1 },
  });
async function started(project: Project, id: string, kind: RunKind): Promise<Config[]> {
  const configs: Config[] = [];
  await followUp(
    project,
    { id, kind, name: '', status: 'done', createdAt: 0, endedAt: 1, error: null },
    async (_, config) => void configs.push(config),
  );
  return configs;
}

test('scoring with "reward-2" that waits does not stand in for scoring with "reward"', async () => {
  const project = twoRewards();
  waits(project, '0003-score', { reward: 'reward-2', reference: 'base' });
  expect(await started(project, '0001-reward', 'reward')).toEqual([{ reward: 'reward', reference: 'base' }]);
  expect(await started(project, '0002-reward', 'reward')).toEqual([]); // that is waiting already
  waits(project, '0004-score', { reward: 'reward', reference: '' });
  expect(await started(project, '0001-reward', 'reward'), 'another reference is another question').toHaveLength(1);
  project.close();
});

test('best weights that were kept as a model are not what the run made', async () => {
  const project = twoRewards();
  addRun(project, { id: '0005-reward', kind: 'reward', name: 'third', status: 'done' });
  for (const name of ['best', 'model'])
    addPolicy(project, {
      name: `third-${name}`,
      kind: 'reward',
      path: `runs/0005-reward/${name}`,
      runId: '0005-reward',
    });
  expect((await started(project, '0005-reward', 'reward')).map(({ reward }) => reward)).toEqual(['third-model']);
  project.close();
});
