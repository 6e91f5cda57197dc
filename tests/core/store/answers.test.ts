// Equal texts are one answer: in rankings, comparisons, items and what reward models say of them, and in files of
// before.

import Database from 'better-sqlite3';
import fc from 'fast-check';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { alike, answerNumber, spread, tied } from '#core/store/answers.ts';
import { applyMigrations } from '#core/store/apply-migrations.ts';
import { countComparisons } from '#core/store/comparison-count.ts';
import { addCompletions, deleteCompletions, listCompletions } from '#core/store/completions.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { undoEvent, undoLast } from '#core/store/events.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { addItem } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, hashOfPrompt } from '#core/store/prompts.ts';
import { addRanking, listComparisons, listRankings, replaceRanking } from '#core/store/rankings.ts';
import { removePrompts } from '#core/store/remove-prompts.ts';
import { temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const LOOKS = ['Café au lait.\nTwo cups.', 'Cafe\u0301 au lait.\r\nTwo cups.', '  Café au lait.\rTwo cups.\n'];
const sampled = (promptId: number, text: string) => ({
  promptId,
  policyId: null,
  text,
  tokenIds: [],
  logprobs: [],
  samplingLogprobs: [],
  finish: 'stop' as const,
  sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 8, seed: 1 },
  runId: null,
});

/** A prompt whose answers 1, 2 and 4 look the same and 3 and 5 do not, all in item 1. */
function world(texts = [LOOKS[0]!, LOOKS[1]!, 'Tea.', LOOKS[2]!, 'Water.']) {
  const project = createProject(fresh());
  const [promptId] = addPrompts(project, [{ text: 'What to drink?', split: 'train', source: 'test' }]) as [number];
  addCompletions(
    project,
    texts.map((text) => sampled(promptId, text)),
  );
  return { project, promptId, labelerId: ensureLabeler(project, 'ada', 'person').id };
}
const ranked = (...ranks: number[]) => ranks.map((rank, i) => ({ completionId: i + 1, rank }));
const answersOf = (project: Project) =>
  query<{ answers: number }>(project, 'SELECT answers FROM items ORDER BY id')
    .all()
    .map(({ answers }) => answers);
const ranksOf = (project: Project, id = 1) =>
  listRankings(project, { id })[0]!
    .ranks.toSorted((a, b) => a.completionId - b.completionId)
    .map(({ rank }) => rank);

test('a text is the same in any spelling of its accents, line ends and outer space, and in no other way', () => {
  expect(new Set(LOOKS.map(answerNumber)).size).toBe(1);
  expect(new Set(['a', 'A', 'a.', 'a b', 'a  b', '', 'ａ'].map(answerNumber)).size).toBe(7);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.constantFrom('', ' ', '\n', '\r\n', '\t'), (text, space) => {
      const number = answerNumber(text);
      expect([
        answerNumber(space + text + space),
        answerNumber(text.normalize('NFD')),
        answerNumber(text.replaceAll('\n', '\r\n')),
      ]).toEqual([number, number, number]);
      expect(Number.isSafeInteger(number) && number > 0).toBe(true);
      expect(answerNumber(`${text}x`)).not.toBe(number);
    }),
  );
});

test('answers that are alike stand together; the rank of one is that of all, of several the best', () => {
  const { project } = world();
  expect(alike(project, [5, 4, 3, 2, 1])).toEqual([[5], [4, 2, 1], [3]]);
  expect(tied([3, 1, 2], ['a', 'b', 'a'])).toEqual([2, 1, 2]);
  expect(spread(ranked(2, 1), [[1, 2, 4], [3], [5]])).toEqual(
    [1, 2, 4].map((completionId) => ({ completionId, rank: 1 })),
  );
  project.close();
});

test('however a ranking is written, equal texts share the best of their ranks and make no comparison', () => {
  const { project, promptId, labelerId } = world();
  const row = { promptId, labelerId, status: 'ranked' as const };
  addRanking(project, { ...row, ranks: ranked(5, 4, 3, 2, 1) });
  expect(ranksOf(project)).toEqual([2, 2, 3, 2, 1]);
  replaceRanking(project, 1, { ...row, ranks: ranked(1, 9, 3, 2, 4) });
  expect(ranksOf(project)).toEqual([1, 1, 3, 1, 4]);
  const pairs = listComparisons(project).map(({ chosenId, rejectedId }) => [chosenId, rejectedId]);
  expect(pairs).toEqual([
    [1, 3],
    [1, 5],
    [2, 3],
    [2, 5],
    [3, 5],
    [4, 3],
    [4, 5],
  ]);
  expect(countComparisons(project)).toBe(7);
  query(project, 'UPDATE ranking_items SET rank = completion_id').run(); // by a program of before
  expect(listComparisons(project)).toHaveLength(7); // of ten
  project.close();
});

test('a ranking of before that comes back by undo is tied too', () => {
  const { project, promptId, labelerId } = world();
  addRanking(project, { promptId, labelerId, status: 'ranked', ranks: ranked(1, 1, 2, 1, 3) });
  query(project, 'UPDATE ranking_items SET rank = completion_id').run();
  replaceRanking(project, 1, { promptId, labelerId, status: 'ranked', ranks: ranked(2, 2, 1, 2, 3) });
  undoLast(project, labelerId);
  expect(ranksOf(project)).toEqual([1, 1, 3, 1, 5]);
  project.close();
});

test('an item knows how many answers it has, whatever is added, removed and brought back', () => {
  const { project, promptId } = world();
  addItem(project, { promptId, completionIds: [1, 2, 4], source: 'inspect' });
  expect(answersOf(project)).toEqual([3, 1]);
  const { eventId } = removePrompts(project, [promptId]);
  expect(answersOf(project)).toEqual([]);
  undoEvent(project, eventId);
  expect(answersOf(project)).toEqual([3, 1]);
  deleteCompletions(project, [5]);
  expect(answersOf(project)).toEqual([2, 1]);
  expect(checkProject(project)).toEqual([]);
  project.close();
});

test('prompts removed by an older version come back with what their answers say', () => {
  const { project, promptId } = world();
  const { eventId } = removePrompts(project, [promptId]);
  project.db.exec('DROP TRIGGER events_never_change');
  query(project, 'UPDATE events SET inverse = replace(inverse, \'"answer":\', \'"unknown":\') WHERE id = ?').run(
    eventId,
  );
  undoEvent(project, eventId);
  expect(
    query<{ answer: number }>(project, 'SELECT answer FROM completions ORDER BY id')
      .all()
      .map(({ answer }) => answer),
  ).toEqual(listCompletions(project).map(({ text }) => answerNumber(text)));
  expect(answersOf(project)).toEqual([3]);
  project.close();
});

test('the gap is between the best two different answers; equal ones have none, and disagree with nothing', () => {
  const { project, promptId, labelerId } = world();
  addCompletions(
    project,
    ['Same.', 'Same. '].map((text) => sampled(promptId, text)),
  ); // item 2
  const modelId = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  setMeasures(
    project,
    [3, 3.5, 2, 3.4, 0, 9, 8].map((score, i) => ({ completionId: i + 1, modelId, score })),
  );
  // 3, 5, and the equal ones last
  addRanking(project, { promptId, labelerId, status: 'ranked', ranks: ranked(3, 4, 1, 5, 2) });
  addRanking(project, {
    promptId,
    labelerId,
    status: 'ranked',
    ranks: [
      { completionId: 6, rank: 2 },
      { completionId: 7, rank: 1 },
    ],
  });
  settleItems(project);
  expect(query(project, 'SELECT item_id, gap, agreed FROM item_scores').all()).toEqual([
    { item_id: 1, gap: 1.5, agreed: 1 / 3 },
  ]); // of its three pairs the model orders 3 before 5 alike
  expect(query(project, 'SELECT item_id FROM disagreements').all()).toEqual([{ item_id: 1 }]);
  project.close();
});

test('a project of before: equal texts are counted, their ranks tied, their scores worked out anew, and that is said', () => {
  const folder = fresh();
  mkdirSync(folder, { recursive: true });
  const db = new Database(join(folder, 'project.db'));
  const made = createProject(fresh());
  db.pragma(`application_id = ${made.db.pragma('application_id', { simple: true })}`);
  made.close();
  applyMigrations(
    db,
    MIGRATIONS.findIndex(({ name }) => name === 'equal texts are one answer'),
  );
  db.exec(`INSERT INTO labelers (name, kind) VALUES ('ada', 'person');
    INSERT INTO policies (name, kind, path, created_at) VALUES ('reward', 'reward', 'models/reward', 1);`);
  const prompt = db.prepare("INSERT INTO prompts (text, text_hash, split, source) VALUES (?, ?, 'train', 'test')");
  for (const text of ['What to drink?', 'And then?']) prompt.run(text, hashOfPrompt({ text, messages: null }));
  const answer = db.prepare(
    "INSERT INTO completions (prompt_id, text, token_ids, logprobs, sampling_logprobs, finish, sampling) VALUES (?, ?, x'', x'', x'', 'stop', '{}')",
  );
  for (const text of [LOOKS[0]!, 'Tea.', LOOKS[1]!, 'Water.']) answer.run(1, text);
  for (const text of ['Sleep.', 'Sleep.\n']) answer.run(2, text);
  db.exec(`INSERT INTO items (prompt_id, source, place, created_at) VALUES (1, 'sample', 1, 1), (2, 'sample', 2, 1);
    INSERT INTO item_completions SELECT CASE WHEN id < 5 THEN 1 ELSE 2 END, id FROM completions;
    INSERT INTO rankings (prompt_id, labeler_id, status, shown_order, created_at, item_id) VALUES (1, 1, 'ranked', '[]', 1, 1), (2, 1, 'ranked', '[]', 1, 2), (1, 1, 'ranked', '[]', 1, 1);
    INSERT INTO ranking_items SELECT 1, id, 5 - id FROM completions WHERE id < 5;
    INSERT INTO ranking_items SELECT 2, id, id FROM completions WHERE id > 4;
    INSERT INTO ranking_items VALUES (3, 1, 1), (3, 2, 2), (3, 3, 1), (3, 4, 3);
    INSERT INTO measures (completion_id, model_id, score) VALUES (1, 1, 3), (2, 1, 2), (3, 1, 3), (4, 1, 0), (5, 1, 1), (6, 1, 1);
    INSERT INTO item_scores VALUES (1, 1, 0, 0.5), (2, 1, 0, 0.5);
    DELETE FROM unsettled;`);
  db.close();

  const project = openProject(folder, { write: true });
  expect(project.notices).toEqual([
    '2 items show the same text more than once: equal texts are one answer now, shown once, and 1 item with nothing to compare is never asked about.',
    'In 2 rankings equal texts had different ranks: they share the best of them now and make no comparison. The backup has the ranks as they were.',
  ]);
  expect(answersOf(project)).toEqual([3, 1]);
  expect([1, 2, 3].map((id) => ranksOf(project, id))).toEqual([
    [2, 3, 2, 1],
    [5, 5],
    [1, 2, 1, 3],
  ]);
  expect(query(project, 'SELECT count(*) AS n FROM item_scores').get()).toEqual({ n: 0 });
  settleItems(project);
  expect(query(project, 'SELECT item_id, gap FROM item_scores').all()).toEqual([{ item_id: 1, gap: 1 }]);
  expect(checkProject(project)).toEqual([]);
  project.close();
  const again = openProject(folder, { write: true });
  expect(again.notices).toEqual([]);
  again.close();
});
