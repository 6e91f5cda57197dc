// Deleting runs and freeing disk: what is counted is what goes, a person's work stays, and what was begun is ended
// later.

import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runFactHandlers } from '#core/service/runs/run-facts.ts';
import { clearDeletedRuns, runRemovalHandlers } from '#core/service/runs/run-removal.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { checkProject, createProject } from '#core/store/database.ts';
import { addItem, listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addPolicy, listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking, listRankings } from '#core/store/rankings.ts';
import { markRemoved } from '#core/store/remove-runs.ts';
import { addRun, listRuns } from '#core/store/runs.ts';
import { handled } from './handler-context.ts';
import { completionOf, freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
let project: Project, service: ReturnType<typeof handlersOf>;
const handlersOf = (of: Project) => handled(of, { ...runFactHandlers, ...runRemovalHandlers });

function write(run: string, files: Record<string, number>): void {
  for (const [name, bytes] of Object.entries(files)) {
    const file = join(project.folder, 'runs', run, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.alloc(bytes, 120));
  }
}
const filesOf = (run: string): string[] =>
  existsSync(join(project.folder, 'runs', run)) ? readdirSync(join(project.folder, 'runs', run)).sort() : [];

/** A PPO run with a model and six samples, of which two are ranked; another model may descend from its own. */
function withRuns(): { ranked: number[]; loose: number[]; made: number } {
  const [promptId] = addPrompts(project, [{ text: 'p', split: 'train', source: 's' }]) as [number];
  const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  addRun(project, { id: '0001-ppo', kind: 'ppo', name: 'tuned', status: 'done' });
  const made = addPolicy(project, {
    name: 'tuned',
    kind: 'policy',
    path: 'runs/0001-ppo/model',
    parentId: base,
    runId: '0001-ppo',
  });
  const ids = addCompletions(
    project,
    Array.from({ length: 6 }, (_, i) => ({
      ...completionOf(promptId, `text ${i}`),
      runId: '0001-ppo',
      policyId: i < 2 ? base : made,
      step: i,
    })),
  );
  const item = addItem(project, { promptId, completionIds: ids.slice(0, 2), source: 'sample' });
  addItem(project, { promptId, completionIds: ids.slice(3, 5), source: 'sample' });
  addRanking(project, {
    promptId,
    labelerId: ensureLabeler(project, 'ada', 'person').id,
    itemId: item,
    status: 'ranked',
    ranks: [
      { completionId: ids[0]!, rank: 1 },
      { completionId: ids[1]!, rank: 2 },
    ],
    shownOrder: ids.slice(0, 2),
  });
  write('0001-ppo', {
    'manifest.json': 2,
    'metrics.jsonl': 10,
    'completions.jsonl': 500,
    'log.txt': 7,
    'checkpoints/0000005.safetensors': 4000,
    'checkpoints/0000010.safetensors': 4000,
    'model/model.safetensors': 3000,
    'best/model.safetensors': 3000,
  });
  return { ranked: ids.slice(0, 2), loose: ids.slice(2), made };
}

beforeEach(() => {
  project = createProject(fresh());
  service = handlersOf(project);
});
afterEach(() => project.close());

describe('deleting a run', () => {
  test('says what goes and takes exactly that: unjudged samples and files, not what is ranked and not its model', async () => {
    const { ranked } = withRuns();
    const before = await service.call('runs.deletion', { runIds: ['0001-ppo'] });
    expect(before).toMatchObject({
      runs: 1,
      samples: 4,
      judged: 2,
      bytes: 14_519,
      modelBytes: 3000,
      models: [{ name: 'tuned', bytes: 3000, keeps: null }],
    });
    expect(await service.call('runs.remove', { runIds: ['0001-ppo'], models: false })).toEqual(before);
    expect(listRuns(project)).toEqual([]);
    expect(listCompletions(project).map(({ id }) => id)).toEqual(ranked);
    expect(listRankings(project)).toHaveLength(1);
    expect(listItems(project).map(({ completionIds }) => completionIds)).toEqual([ranked]);
    expect(listPolicies(project).map(({ name, runId }) => [name, runId])).toEqual([
      ['base', null],
      ['tuned', '0001-ppo'],
    ]); // lineage stays
    expect(filesOf('0001-ppo')).toEqual(['manifest.json', 'metrics.jsonl', 'model']);
    expect(service.events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['run.facts', 'data.changed', 'project.changed']),
    );
    expect(checkProject(project)).toEqual([]);
  });

  test('takes its model where that is asked for and nothing needs it', async () => {
    withRuns();
    expect((await service.call('runs.remove', { runIds: ['0001-ppo'], models: true })).models).toHaveLength(1);
    expect(listPolicies(project).map(({ name }) => name)).toEqual(['base']);
    expect(filesOf('0001-ppo')).toEqual([]);
    expect(existsSync(join(project.folder, 'runs', '0001-ppo'))).toBe(false);
    expect(checkProject(project)).toEqual([]);
  });

  test('keeps a model that another was made from, and says why before', async () => {
    const { made } = withRuns();
    addPolicy(project, { name: 'child', kind: 'policy', path: 'models/child', parentId: made });
    expect((await service.call('runs.deletion', { runIds: ['0001-ppo'] })).models[0]?.keeps).toContain(
      '“child” was made from it',
    );
    await service.call('runs.remove', { runIds: ['0001-ppo'], models: true });
    expect(listPolicies(project).map(({ name }) => name)).toEqual(['base', 'tuned', 'child']);
    expect(filesOf('0001-ppo')).toContain('model');
  });

  test('a run that is not over is not deleted, nor is any other with it', async () => {
    withRuns();
    addRun(project, { id: '0002-ppo', kind: 'ppo', name: 'b', status: 'paused' });
    await expect(service.call('runs.remove', { runIds: ['0001-ppo', '0002-ppo'], models: false })).rejects.toThrow(
      /0002-ppo is paused, so it cannot be deleted/,
    );
    expect(listRuns(project)).toHaveLength(2);
    expect(listCompletions(project)).toHaveLength(6);
  });

  test('one that was only begun is gone from the first moment, and the next opening ends it', async () => {
    withRuns();
    markRemoved(project, ['0001-ppo'], false); // and the process is killed here
    expect(listRuns(project)).toEqual([]);
    expect(listCompletions(project)).toHaveLength(6);
    await clearDeletedRuns(project);
    expect(listCompletions(project)).toHaveLength(2);
    expect(filesOf('0001-ppo')).toEqual(['manifest.json', 'metrics.jsonl', 'model']);
    await clearDeletedRuns(project);
    expect(listPolicies(project)).toHaveLength(2);
  });

  test('what a link in its folder points to stays', async () => {
    withRuns();
    const outside = join(project.folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'mine.txt'), 'mine');
    symlinkSync(outside, join(project.folder, 'runs', '0001-ppo', 'checkpoints', 'link'));
    symlinkSync(outside, join(project.folder, 'runs', '0001-ppo', 'linked'));
    await service.call('runs.remove', { runIds: ['0001-ppo'], models: true });
    expect(readdirSync(outside)).toEqual(['mine.txt']);
    expect(existsSync(join(project.folder, 'runs', '0001-ppo'))).toBe(false);
  });
});

describe('freeing disk', () => {
  test('gives what nothing needs of runs that are over, and nothing of one that can be resumed', async () => {
    withRuns();
    addRun(project, { id: '0002-reward', kind: 'reward', name: 'r', status: 'stopped' });
    write('0002-reward', {
      'manifest.json': 2,
      'checkpoints/0000003.safetensors': 900,
      'features.f32': 300,
      'model.writing/model.safetensors': 50,
    });
    const space = Object.fromEntries((await service.call('runs.space', {})).map((one) => [one.id, one]));
    expect(space['0001-ppo']).toMatchObject({
      bytes: 14_519,
      held: null,
      free: [
        { part: 'checkpoints', bytes: 8000, files: 2 },
        { part: 'rollouts', bytes: 500, files: 1 },
      ],
    });
    expect(space['0002-reward']).toMatchObject({
      free: [
        { part: 'features', bytes: 300 },
        { part: 'leftovers', bytes: 50 },
      ],
      held: { bytes: 900, why: 'resuming it needs them' },
    });
    expect(
      await service.call('runs.free', { runId: null, parts: ['checkpoints', 'rollouts', 'features', 'leftovers'] }),
    ).toEqual({ bytes: 8850 });
    expect(filesOf('0001-ppo')).toEqual(['best', 'checkpoints', 'log.txt', 'manifest.json', 'metrics.jsonl', 'model']);
    expect(readdirSync(join(project.folder, 'runs', '0001-ppo', 'checkpoints'))).toEqual([]);
    expect(filesOf('0002-reward')).toEqual(['checkpoints', 'manifest.json']);
    const [facts] = await service.call('runs.facts', { runId: '0001-ppo' });
    expect(facts?.bytes).toBe(6019);
  });

  test('nothing is freed of a run at work', async () => {
    withRuns();
    addRun(project, { id: '0003-ppo', kind: 'ppo', name: 'c', status: 'running' });
    write('0003-ppo', { 'checkpoints/0000003.safetensors': 900, 'features.f32': 300 });
    expect((await service.call('runs.free', { runId: '0003-ppo', parts: ['checkpoints', 'features'] })).bytes).toBe(0);
    expect(filesOf('0003-ppo')).toEqual(['checkpoints', 'features.f32']);
  });
});
