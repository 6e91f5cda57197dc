// Imported rankings that give equal texts different ranks: taken as tied, said once, and known again.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importHandlers } from '#core/service/data/imports.ts';
import { createProject } from '#core/store/database.ts';
import { listComparisons, listRankings } from '#core/store/rankings.ts';
import { handled } from './handler-context.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
const ROWS = [
  { prompt: 'What to drink?', completions: ['Tea.', 'Wine.', 'Tea. '], ranks: [1, 2, 3] },
  { prompt: 'And then?', completions: ['Sleep.', 'Dance.'], ranks: [2, 1] },
  { prompt: 'And after?', completions: ['Caf\u00e9.', 'Cafe\u0301.'], ranks: [1, 2] },
];

test('in the preview and in the import it is said how many; the best rank holds; the file is known again', async () => {
  const project = createProject(fresh());
  const { call } = handled(project, importHandlers);
  const path = join(project.folder, 'r.jsonl');
  writeFileSync(path, ROWS.map((row) => JSON.stringify(row)).join('\n'));
  const notes = [
    '2 rankings give equal texts different ranks: they are one answer, and are taken as tied with the best of their ranks.',
  ];
  expect(await call('imports.preview', { path, kind: 'rankings', map: {} })).toMatchObject({
    total: 3,
    errors: [],
    notes,
  });
  expect(await call('imports.run', { path, kind: 'rankings', map: {}, split: 'train' })).toMatchObject({
    added: 3,
    notes,
  });
  expect(listRankings(project).map(({ ranks }) => ranks.map(({ rank }) => rank))).toEqual([
    [1, 1, 2],
    [1, 2],
    [1, 1],
  ]);
  expect(listComparisons(project)).toHaveLength(3);
  expect(await call('imports.run', { path, kind: 'rankings', map: {}, split: 'train' })).toMatchObject({
    added: 0,
    duplicates: 3,
    notes: [],
  });
  project.close();
});
