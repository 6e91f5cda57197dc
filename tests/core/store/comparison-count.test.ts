// The count that follows changes must be the count of the view, whatever happens to rankings.
import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countComparisons, countTeaching } from '#core/store/comparison-count.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';

let folder = '';
let project: Project;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'comparisons-'));
  project = createProject(join(folder, 'a.tastemaker'));
  project.db.exec(`INSERT INTO labelers (name, kind) VALUES ('a', 'person');
    INSERT INTO prompts (text, text_hash, split, source) VALUES ('p', randomblob(32), 'train', 'x');
    INSERT INTO completions (prompt_id, text, token_ids, logprobs, sampling_logprobs, finish, sampling) SELECT 1, 'c' || value, x'', x'', x'', 'stop', '{}' FROM json_each('[1,2,3,4,5]');`);
});
afterAll(() => {
  project.close();
  rmSync(folder, { recursive: true, force: true });
});

const number = fc.integer({ min: 1, max: 5 });
const STEPS = {
  add: (a: number, b: number) =>
    project.db
      .exec(`INSERT INTO rankings (prompt_id, labeler_id, status, shown_order, created_at) VALUES (1, 1, '${['ranked', 'ranked', 'skipped', 'none-acceptable', 'ranked'][a - 1]}', '[]', 1);
    INSERT INTO ranking_items (ranking_id, completion_id, rank) SELECT last_insert_rowid(), id, 1 + (id * ${b}) % 3 FROM completions LIMIT ${a};`),
  remove: (a: number) => project.db.exec(`DELETE FROM rankings WHERE id % 5 = ${a - 1}`),
  rerank: (a: number, b: number) =>
    project.db.exec(`UPDATE ranking_items SET rank = 1 + (completion_id + ${b}) % 4 WHERE ranking_id % 5 = ${a - 1}`),
  drop: (a: number, b: number) =>
    project.db.exec(`DELETE FROM ranking_items WHERE ranking_id % 5 = ${a - 1} AND completion_id = ${b}`),
  change: (a: number, b: number) =>
    project.db.exec(`UPDATE rankings SET status = '${b % 2 ? 'ranked' : 'skipped'}' WHERE id % 5 = ${a - 1}`),
  repeat: (a: number, b: number) =>
    project.db.exec(
      `UPDATE rankings SET repeat_of = ${b % 2 ? '(SELECT min(id) FROM rankings)' : 'NULL'} WHERE id % 5 = ${a - 1} AND id > (SELECT min(id) FROM rankings)`,
    ),
  count: () => countComparisons(project),
  undone: (a: number, b: number) => {
    project.db.exec('BEGIN');
    STEPS.add(a, b);
    countComparisons(project);
    project.db.exec('ROLLBACK');
  },
} as const;

test('it follows every change of rankings and their items', () => {
  const step = fc.tuple(
    fc.constantFrom(...(Object.keys(STEPS) as (keyof typeof STEPS)[]).filter((name) => name !== 'undone')),
    number,
    number,
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      for (const [name, a, b] of steps) STEPS[name](a, b);
      const { n } = query<{ n: number }>(project, 'SELECT count(*) AS n FROM comparisons').get()!;
      const { teaching } = query<{ teaching: number }>(
        project,
        'SELECT count(DISTINCT ranking_id) AS teaching FROM comparisons',
      ).get()!;
      expect([
        countComparisons(project),
        countTeaching(project),
        countComparisons({ ...project }),
        countTeaching({ ...project }),
      ]).toEqual([n, teaching, n, teaching]); // the others count from nothing, as at an opening
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('it leaves nothing in the file, and a reader counts the same', () => {
  STEPS.add(5, 1);
  const count = countComparisons(project);
  expect(count).toBeGreaterThan(0);
  expect(
    project.db
      .prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name LIKE '%counted%' OR name = 'changed_rankings'")
      .get(),
  ).toEqual({ n: 0 });
  const reader = openProject(project.folder, { write: false });
  expect(countComparisons(reader)).toBe(count);
  reader.close();
});
