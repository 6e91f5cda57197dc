// Removing prompts and taking that back: everything that hung on them is there again, to the last bit.

import { expect, test } from 'vitest';
import { addCompletions } from '#core/store/completions.ts';
import { checkProject, createProject } from '#core/store/database.ts';
import { saveDraft } from '#core/store/drafts.ts';
import { redoLast, undoEvent } from '#core/store/events.ts';
import { setFlag } from '#core/store/flags.ts';
import { noteAdded, recordImport } from '#core/store/imported-rows.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMark } from '#core/store/marks.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countListed, listedIds, listedPrompts } from '#core/store/prompt-list.ts';
import { addPrompts, listPrompts, setSplit } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { setRating } from '#core/store/ratings.ts';
import { removePrompts } from '#core/store/remove-prompts.ts';
import { search } from '#core/store/search.ts';
import { completionOf, errorOf, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const TABLES = [
  'prompts',
  'completions',
  'items',
  'item_completions',
  'rankings',
  'ranking_items',
  'ratings',
  'marks',
  'measures',
  'drafts',
  'flags',
  'labelers',
  'policies',
  'item_scores',
];

/** Every row of every table but the log, with its bytes. */
const dump = (project: Project): Record<string, unknown[]> => {
  settleItems(project);
  return Object.fromEntries(
    TABLES.map((table) => [table, query(project, `SELECT * FROM ${table} ORDER BY 1, 2`).all()]),
  );
};

function full(): Project {
  const project = createProject(fresh());
  const promptIds = addPrompts(
    project,
    ['one trumpet', 'two “Straße” 🙂\r\n\0', 'three'].map((text) => ({
      text,
      split: 'train',
      source: 's',
      facts: { R: 'sister' },
    })),
  );
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  const labelerId = ensureLabeler(project, 'ada', 'person').id;
  for (const promptId of promptIds) {
    const ids = addCompletions(
      project,
      [0, 1, 2].map((k) => ({
        ...completionOf(promptId, `answer ${k} to ${promptId}`),
        logprobs: [-0.1, -Infinity],
        samplingLogprobs: [-0, -1 / 3],
      })),
    );
    setMeasures(
      project,
      ids.map((completionId) => ({
        completionId,
        modelId,
        score: -0,
        tokenLogprobs: [-0.5, -Infinity],
        tokenValues: [0.1, 1e300],
      })),
    );
    const itemId = query<{ id: number }>(project, 'SELECT id FROM items WHERE prompt_id = ?').get(promptId)!.id;
    const rankingId = addRanking(project, {
      promptId,
      labelerId,
      itemId,
      status: 'ranked',
      note: 'n',
      durationMs: 1 / 3,
      ranks: ids.map((completionId, i) => ({ completionId, rank: i + 1 })),
    });
    addRanking(project, {
      promptId,
      labelerId,
      itemId,
      status: 'ranked',
      repeatOf: rankingId,
      ranks: ids.map((completionId, i) => ({ completionId, rank: 3 - i })),
    });
    setRating(project, { completionId: ids[0]!, labelerId, axis: 'overall', value: 7 });
    addMark(project, { completionId: ids[1]!, labelerId, start: 0, end: 6, label: 'good' });
    setFlag(project, { labelerId, completionId: ids[2]! }, true);
    setFlag(project, { labelerId, itemId }, true);
    saveDraft(project, itemId, labelerId, { ranks: [{ completionId: ids[0]!, rank: 1 }], note: 'half' });
  }
  return project;
}

test('removed prompts leave nothing behind, and undo brings back every row as it was', () => {
  const project = full();
  const before = dump(project);
  const { removed, eventId } = removePrompts(project, [1, 2, 2]);
  expect(removed).toBe(2);
  for (const [table, rows] of Object.entries(dump(project)).filter(
    ([name]) => !['labelers', 'policies'].includes(name),
  ))
    expect([table, rows.length]).toEqual([table, before[table]!.length / 3]);
  expect(search(project, 'trumpet')).toEqual([]);
  expect(checkProject(project)).toEqual([]);
  undoEvent(project, eventId);
  expect(dump(project)).toEqual(before);
  expect(search(project, 'trumpet')).toHaveLength(1);
  expect(search(project, 'answer').map(({ id }) => id)).toHaveLength(9);
  expect(checkProject(project)).toEqual([]);
  expect(undoEvent(project, eventId)).toBeNull(); // once
  redoLast(project);
  expect(listPrompts(project).map(({ id }) => id)).toEqual([3]);
  undoEvent(project, eventId);
  expect(dump(project)).toEqual(before);
  project.close();
});

test('a prompt that does not exist is named, and nothing goes', () => {
  const project = full();
  const before = dump(project);
  expect(errorOf(() => removePrompts(project, [1, 77]))).toMatchObject({
    code: 'bad-data',
    message: expect.stringContaining('no prompt 77'),
  });
  expect(dump(project)).toEqual(before);
  project.close();
});

test('a split is changed for all or none, and undo gives each prompt its own again', () => {
  const project = full();
  setSplit(project, [2], 'test');
  const eventId = setSplit(project, [1, 2, 3], 'validation')!;
  expect(listPrompts(project).map(({ split }) => split)).toEqual(['validation', 'validation', 'validation']);
  expect(setSplit(project, [1], 'validation')).toBeNull();
  expect(errorOf(() => setSplit(project, [1, 9], 'train')).message).toContain('no prompt 9');
  undoEvent(project, eventId);
  expect(listPrompts(project).map(({ split }) => split)).toEqual(['train', 'test', 'train']);
  project.close();
});

test('what an import added goes with one event, unless something hangs on it by then', () => {
  const project = full();
  const before = dump(project);
  const work = () => {
    const [promptId] = addPrompts(project, [{ text: 'imported', split: 'train', source: 'f.csv' }]) as [number];
    const ids = addCompletions(
      project,
      ['x', 'y'].map((text) => completionOf(promptId, text)),
    );
    addRanking(project, {
      promptId,
      labelerId: 1,
      status: 'ranked',
      ranks: ids.map((completionId, i) => ({ completionId, rank: i + 1 })),
    });
  };
  const added = noteAdded(project, work);
  expect(added.map(({ table, first, last }) => [table, last - first + 1])).toEqual([
    ['prompts', 1],
    ['completions', 2],
    ['items', 1],
    ['rankings', 1],
  ]);
  const eventId = recordImport(project, 'f.csv', added);
  undoEvent(project, eventId);
  expect(dump(project)).toEqual(before);
  const again = noteAdded(project, work);
  const later = recordImport(project, 'f.csv', again);
  addCompletions(project, [completionOf(again[0]!.first, 'drawn since')]);
  expect(errorOf(() => undoEvent(project, later)).code).toBe('bad-data');
  expect(listPrompts(project)).toHaveLength(4);
  project.close();
});

test('pages of prompts: by split and text, in order, with their counts', () => {
  const project = full();
  addPrompts(
    project,
    Array.from({ length: 30 }, (_, i) => ({
      text: `post ${i} about a ${i % 3 === 0 ? 'trumpet' : 'flute'}`,
      split: i % 2 ? ('test' as const) : ('train' as const),
      source: 's',
    })),
  );
  const all = listPrompts(project);
  for (const split of [undefined, 'train', 'test', 'validation'] as const)
    for (const text of [undefined, 'trumpet', 'post 1', 'a', 'nothing like it', '  '])
      for (const offset of [0, 5, 40]) {
        const wanted = all.filter(
          (prompt) =>
            (split === undefined || prompt.split === split) &&
            (text ?? '')
              .trim()
              .split(' ')
              .every((word) => prompt.text.includes(word)),
        );
        const filter = { split, search: text };
        expect([split, text, countListed(project, filter), listedIds(project, filter, 'id', false, offset, 7)]).toEqual(
          [split, text, wanted.length, wanted.slice(offset, offset + 7).map(({ id }) => id)],
        );
      }
  expect(listedPrompts(project, [1])).toEqual([
    {
      id: 1,
      text: 'one trumpet',
      isCut: false,
      isConversation: false,
      split: 'train',
      source: 's',
      completions: 3,
      rankings: 2,
    },
  ]);
  project.close();
});
