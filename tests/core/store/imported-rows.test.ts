// An import is whole or gone: its journal says what each part added, and what is needed by then stays and is told.

import { expect, test } from 'vitest';
import { addCompletions } from '#core/store/completions.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { saveDraft } from '#core/store/drafts.ts';
import { listEvents, undoEvent } from '#core/store/events.ts';
import { beginImport } from '#core/store/imported-rows.ts';
import { listItems } from '#core/store/items.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import { addMarks } from '#core/store/marks.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking, addRankings, listRankings } from '#core/store/rankings.ts';
import { addRatings } from '#core/store/ratings.ts';
import { completionOf, errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const TABLES = [
  'labelers',
  'prompts',
  'completions',
  'items',
  'item_completions',
  'rankings',
  'ranking_items',
  'ratings',
  'marks',
  'events',
  'settings',
];
const dump = (project: Project) =>
  Object.fromEntries(TABLES.map((table) => [table, query(project, `SELECT * FROM ${table} ORDER BY 1, 2`).all()]));

/** One part of an import: rows of every table that an import writes, `count` prompts of them. */
const part = (project: Project, name: string, count: number) => () => {
  const labelerId = ensureLabeler(project, `labeler of ${name}`, 'person').id;
  for (let i = 0; i < count; i++) {
    const [promptId] = addPrompts(project, [{ text: `${name} ${i}`, split: 'train', source: name }]) as [number];
    const ids = addCompletions(
      project,
      ['x', 'y'].map((text) => completionOf(promptId, text)),
    );
    addRankings(
      project,
      [{ promptId, labelerId, status: 'ranked', ranks: ids.map((completionId, k) => ({ completionId, rank: k + 1 })) }],
      { events: false },
    );
    addRatings(project, [{ completionId: ids[0]!, labelerId, axis: 'a', value: 3, low: 1, high: 7 }]);
    addMarks(project, [{ completionId: ids[1]!, labelerId, start: 0, end: 1, label: 'good', note: null }]);
  }
};

test('one that was broken off is taken back at the next opening, and that is said once', () => {
  const { project } = smallProject(fresh());
  const before = dump(project);
  const { folder } = project;
  const journal = beginImport(project, 'pairs.jsonl');
  for (let i = 0; i < 3; i++) journal.part(part(project, `part ${i}`, 100));
  expect(query(project, 'SELECT count(*) AS n FROM prompts').get()).toEqual({ n: 302 });
  project.close(); // as a kill would leave it
  const again = openProject(folder, { write: true });
  expect(again.notices).toEqual([
    'The import of pairs.jsonl was broken off and has been taken back; import the file again.',
  ]);
  expect(dump(again)).toEqual(before);
  expect(checkProject(again)).toEqual([]);
  again.close();
  const third = openProject(folder, { write: true });
  expect(third.notices).toEqual([]);
  third.close();
});

test('one that is finished stays, and its one event takes all of it away', () => {
  const { project } = smallProject(fresh());
  const before = dump(project);
  const { folder } = project;
  const journal = beginImport(project, 'pairs.jsonl');
  journal.part(part(project, 'first', 3));
  addPrompts(project, [{ text: 'from elsewhere', split: 'train', source: 'desk' }]); // others go on meanwhile
  journal.part(part(project, 'second', 3));
  const eventId = journal.finish()!;
  expect(query(project, "SELECT name FROM settings WHERE name GLOB 'importing/*'").all()).toEqual([]);
  project.close();
  const again = openProject(folder, { write: true });
  expect(query(again, 'SELECT count(*) AS n FROM prompts').get()).toEqual({ n: 9 });
  undoEvent(again, eventId);
  const { events: _, prompts, labelers: __, ...after } = dump(again);
  const { events: ___, prompts: own, labelers: ____, ...others } = before;
  expect(after).toEqual(others);
  expect(prompts).toHaveLength(own!.length + 1);
  again.close();
});

test('what a person has made with its rows is not lost with them, and what stays can be undone', () => {
  const { project, labelerId } = smallProject(fresh());
  const { folder } = project;
  const journal = beginImport(project, 'pairs.jsonl');
  journal.part(part(project, 'import', 4));
  const items = listItems(project).filter(({ promptId }) => promptId > 2);
  const [ranked, drafted] = items as [(typeof items)[number], (typeof items)[number]];
  addRanking(project, {
    promptId: ranked.promptId,
    itemId: ranked.id,
    labelerId,
    status: 'ranked',
    ranks: ranked.completionIds.map((completionId, i) => ({ completionId, rank: i + 1 })),
  });
  saveDraft(project, drafted.id, labelerId, { note: 'half a thought' });
  project.close();
  const again = openProject(folder, { write: true });
  expect(again.notices[0]).toMatch(
    /taken back; import the file again\. 8 rows stay, because something was made with them meanwhile\./,
  );
  expect(listRankings(again, { labelerId })).toHaveLength(1);
  expect(listItems(again).filter(({ promptId }) => promptId > 2)).toHaveLength(2);
  expect(listLabelers(again).map(({ name }) => name)).toEqual(['ada']);
  expect(checkProject(again)).toEqual([]);
  expect(listEvents(again).at(-1)).toMatchObject({ kind: 'import', detail: { file: 'pairs.jsonl', prompts: 2 } });
  again.close();
});

test('on a full disk a part leaves nothing, and the rest is taken back when there is room', () => {
  const { project } = smallProject(fresh());
  const before = dump(project);
  const { folder } = project;
  const journal = beginImport(project, 'pairs.jsonl');
  journal.part(part(project, 'first', 50));
  project.db.pragma(`max_page_count = ${String(project.db.pragma('page_count', { simple: true }))}`);
  expect(errorOf(() => journal.part(part(project, 'x'.repeat(3000), 400))).code).toBe('disk');
  project.db.pragma('max_page_count = 1000000');
  expect(query(project, 'SELECT count(*) AS n FROM prompts').get()).toEqual({ n: 52 });
  const steps = journal.takeBack();
  let step = steps.next();
  while (!step.done) step = steps.next();
  expect(step.value).toBe(0);
  expect(dump(project)).toEqual(before);
  project.close();
  const again = openProject(folder, { write: true });
  expect(again.notices).toEqual([]);
  again.close();
});
