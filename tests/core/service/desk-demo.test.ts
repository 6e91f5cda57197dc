// On what the demo's base model writes, where every third item holds equal texts: no queue asks about two that are the
// same.

import { expect, test } from 'vitest';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { SAMPLE, TASTE } from '#core/recipes/demo/demo-settings.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { startRun } from '#core/runs/start.ts';
import { deskProgress } from '#core/service/desk/desk-progress.ts';
import { answerNumber } from '#core/store/answers.ts';
import { listCompletions } from '#core/store/completions.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { listComparisons } from '#core/store/rankings.ts';
import { deskFolders, deskOf, walk } from './desk-world.ts';

const fresh = deskFolders();

test('with labels and scores, every queue shows different answers only, and each different one once', async () => {
  const project = await createDemoProject(fresh(), { prompts: 80, validation: 0, heldOut: 4, seed: 1 });
  await startRun(project, 'sample', { ...SAMPLE, seed: 1 }, null);
  labelGold(project, { taste: TASTE, labelers: 2, noise: 0.2, seed: 1 });
  const texts = new Map(listCompletions(project).map(({ id, text }) => [id, text]));
  const different = (ids: readonly number[]) => new Set(ids.map((id) => answerNumber(texts.get(id)!))).size;
  const items = listItems(project);
  const holdEqual = items.filter(({ completionIds }) => different(completionIds) < completionIds.length);
  expect(holdEqual.length / items.length).toBeGreaterThan(0.2); // what was measured: 0.37
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  setMeasures(
    project,
    [...texts].map(([completionId, text]) => ({ completionId, modelId, score: answerNumber(text) / 2 ** 50 })),
  ); // a taste of its own
  settleItems(project);
  for (const { chosenId, rejectedId } of listComparisons(project))
    expect(texts.get(chosenId)!.trim()).not.toBe(texts.get(rejectedId)!.trim());

  const desk = deskOf(project);
  const toCompare = items.filter(({ completionIds }) => different(completionIds) > 1).length;
  for (const queue of ['sequential', 'shuffled', 'newest', 'uncertain', 'disagrees'] as const) {
    const labelerId = ensureLabeler(project, `for ${queue}`, 'person').id;
    const before = await deskProgress(project, labelerId, queue);
    const shown = await walk(desk, labelerId, queue, 200, [1, 1, 1, 1]);
    for (const { answers } of shown) {
      expect(answers.length).toBeGreaterThan(1);
      expect(new Set(answers.map(({ text }) => text.trim())).size).toBe(answers.length);
    }
    expect(shown.length, queue).toBeGreaterThan(20);
    const isAll = queue !== 'disagrees'; // where two disagree is a part of them
    const reached = new Set(shown.map(({ itemId }) => itemId)).size;
    expect([queue, ...(isAll ? [reached, before.total] : [toCompare, toCompare])]).toEqual([
      queue,
      toCompare,
      toCompare,
    ]);
    expect(shown.some(({ answers }) => answers.some(({ times }) => times > 1))).toBe(true);
  }
  project.close();
});
