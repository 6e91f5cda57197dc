// A project to label in: prompts with four answers each, and everything the desk may write, as rows.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { deskHandlers } from '#core/service/desk/desk.ts';
import { guidelineHandlers } from '#core/service/desk/guidelines.ts';
import { historyHandlers } from '#core/service/desk/history.ts';
import { markHandlers } from '#core/service/desk/marks.ts';
import { changeProjectSettings } from '#core/service/project.ts';
import { sampleHandlers } from '#core/service/data/samples.ts';
import type { DeskItem, QueueName } from '#core/contract/desk.ts';
import type { Rank } from '#core/contract/rankings.ts';
import { addCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { handled } from './handler-context.ts';

const handlers = {
  ...deskHandlers,
  ...markHandlers,
  ...guidelineHandlers,
  ...historyHandlers,
  'samples.flag': sampleHandlers['samples.flag'],
  'samples.request': sampleHandlers['samples.request'],
};

/** Gives fresh paths ending in .tastemaker that go away after the test file. */
export function deskFolders(): () => string {
  const root = mkdtempSync(join(tmpdir(), 'desk-'));
  let count = 0;
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return () => join(root, `p${++count}.tastemaker`);
}

/** An answer that nobody in particular wrote. */
export const answerOf = (promptId: number, text: string): NewCompletion => ({
  promptId,
  policyId: null,
  text,
  tokenIds: [5, 6],
  logprobs: [-0.5, -0.25],
  samplingLogprobs: [-0.5, 0],
  finish: 'stop',
  sampling: { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 },
  runId: null,
});

/**
 * `prompts` items of `k` answers, by the policies "writer-old" and, from `newerFrom` on, "writer-new"; no hidden
 * repeats.
 */
export function deskWorld(folder: string, { prompts = 6, k = 4, newerFrom = Infinity } = {}) {
  const project = createProject(folder);
  const older = addPolicy(project, { name: 'writer-old', kind: 'base', path: 'models/writer-old' });
  const newer = addPolicy(project, { name: 'writer-new', kind: 'policy', path: 'models/writer-new', parentId: older });
  const promptIds = addPrompts(
    project,
    Array.from({ length: prompts }, (_, i) => ({
      text: `Question ${i + 1}?`,
      split: 'train' as const,
      source: 'test',
    })),
  );
  addCompletions(
    project,
    promptIds.flatMap((promptId, i) =>
      Array.from({ length: k }, (_, j) => ({
        ...answerOf(promptId, `Answer ${j + 1} to question ${i + 1}.`),
        policyId: i < newerFrom ? older : newer,
      })),
    ),
  );
  changeProjectSettings(project, { repeats: 0 });
  return {
    project,
    older,
    newer,
    promptIds,
    labelerId: ensureLabeler(project, 'ada', 'person').id,
    bob: ensureLabeler(project, 'bob', 'person').id,
  };
}

export const deskOf = (project: Project) => handled(project, handlers);
export type Desk = ReturnType<typeof deskOf>;

/** A reward model that gives the answers of item i the scores of row i - 1. */
export function addReward(project: Project, scores: readonly (readonly number[])[], k = 4): number {
  const modelId = addPolicy(project, { name: `reward of ${scores.length}`, kind: 'reward', path: 'models/reward' });
  setMeasures(
    project,
    scores.flatMap((row, i) => row.map((score, j) => ({ completionId: i * k + j + 1, modelId, score }))),
  );
  return modelId;
}

/** Ranks of an item's answers by completion id: the first number for the smallest id. */
export const ranksOf = (item: Pick<DeskItem, 'answers'>, ranks: readonly number[]): Rank[] =>
  item.answers
    .map(({ completionId }) => completionId)
    .sort((a, b) => a - b)
    .map((completionId, i) => ({ completionId, rank: ranks[i]! }));

/** Ranks an item and submits it. */
export async function label(
  { call }: Desk,
  labelerId: number,
  item: DeskItem,
  ranks: readonly number[] = [1, 2, 3, 4],
): Promise<number> {
  await call('desk.draft', {
    labelerId,
    itemId: item.itemId,
    changes: { ranks: ranksOf(item, ranks) },
    durationMs: 1000,
  });
  return (await call('desk.submit', { labelerId, itemId: item.itemId, status: 'ranked', durationMs: 2000 })).rankingId;
}

/** The items that a queue gives when each is submitted, at most `most`. */
export async function walk(
  desk: Desk,
  labelerId: number,
  queue: QueueName,
  most = 20,
  ranks?: readonly number[],
): Promise<DeskItem[]> {
  const items: DeskItem[] = [];
  for (
    let item = await desk.call('desk.item', { labelerId, queue });
    item && items.length < most;
    item = await desk.call('desk.item', { labelerId, queue })
  ) {
    items.push(item);
    await label(desk, labelerId, item, ranks);
  }
  return items;
}

/** Every row that the desk writes, less the log. */
export const rowsOf = (project: Project): Record<string, unknown[]> =>
  Object.fromEntries(
    ['rankings', 'ranking_items', 'drafts', 'ratings', 'marks', 'flags'].map((table) => [
      table,
      project.db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all(),
    ]),
  );
