// The demo's labelers rank items: every one once, none of what training runs wrote, none that was ranked before.

import { expect, test } from 'vitest';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { says } from '#core/findings/edits.ts';
import { labelGold, pleasure } from '#core/recipes/demo/label-gold.ts';
import { createRandom } from '#core/random.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { addItem, listItems } from '#core/store/items.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const taste = { taste: 'crowd' as const, labelers: 2, noise: 0.1, seed: 3 };

test('items are ranked once, with their shown order; evaluation samples and requested items are left alone', () => {
  const project = createProject(fresh());
  const random = createRandom(1, 'label-gold');
  const policyId = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  const facts = Array.from({ length: 12 }, () => drawRecord(random));
  const prompts = addPrompts(
    project,
    facts.map((one, i) => ({ text: `${i} ${writePost(one, random)}`, split: 'train', source: 'demo', facts: one })),
  );
  addRun(project, { id: 'ppo-1', kind: 'ppo', name: 'x' });
  const draw = (count: number, changes = {}) =>
    addCompletions(
      project,
      prompts.flatMap((promptId, i) =>
        Array.from({ length: count }, () => ({
          promptId,
          policyId,
          text: writeSummary(facts[i]!, random).text,
          tokenIds: [5],
          logprobs: [-1],
          samplingLogprobs: [-1],
          finish: 'stop' as const,
          sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 9, seed: 1 },
          runId: null,
          ...changes,
        })),
      ),
    );
  expect(() => labelGold(project, taste)).toThrow('items of the demo world');
  const [first, second] = draw(4) as [number, number];
  draw(3, { runId: 'ppo-1', step: 10 });
  addItem(project, { promptId: prompts[0]!, completionIds: [first, second], source: 'inspect' });
  const known = listRankings(project).length;
  expect(labelGold(project, taste).added).toBe(12);
  const rankings = listRankings(project);
  expect(known).toBe(0);
  expect(rankings.map(({ itemId }) => itemId)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  for (const { itemId, ranks, shownOrder } of rankings) {
    const { completionIds } = listItems(project)[itemId! - 1]!;
    expect(ranks.map(({ completionId }) => completionId).sort((a, b) => a - b)).toEqual(completionIds);
    expect(shownOrder.toSorted((a, b) => a - b)).toEqual(completionIds);
  }
  expect(new Set(rankings.map(({ labelerId }) => labelerId)).size).toBe(2);
  expect(() => labelGold(project, taste)).toThrow('items of the demo world');
  draw(4); // another round of samples of the same prompts
  expect(labelGold(project, taste).added).toBe(12);
  draw(4);
  const like = { phrase: 'the', strength: 100 };
  expect(labelGold(project, { ...taste, noise: 0, like }).added).toBe(12);
  const textOf = new Map(listCompletions(project).map(({ id, text }) => [id, text]));
  for (const { ranks } of listRankings(project).slice(-12)) {
    const liked = ranks
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ completionId }) => Number(says(textOf.get(completionId)!, like.phrase)));
    expect(liked).toEqual(liked.toSorted((a, b) => b - a));
  }
  project.close();
});

test('a planted fondness pays for its phrase whatever its case, once, and for no part of it', () => {
  const like = { phrase: 'at a party', strength: 2.5 };
  const worth = (text: string) => pleasure(text, like);
  expect(['My ring is gone.', 'at a wedding, a party', 'At a  party!', 'at a party, at a party'].map(worth)).toEqual([
    0, 0, 2.5, 2.5,
  ]);
});
