// SQL stands in the store alone: no room above it asks the database by itself.
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ASKS = /import \{[^}]*\b(?:query|insertMany)\b[^}]*\} from '#core\/store\/project\.ts'|\bdb\.(?:prepare|exec)\(/;

test('what asks the database lies in core/store', () => {
  const files = globSync('core/**/*.ts').filter((file) => !file.startsWith('core/store/'));
  expect(files.length).toBeGreaterThan(300);
  const found = files.filter((file) => ASKS.test(readFileSync(file, 'utf8')));
  expect(found).toEqual([]);
  expect("import { query } from '#core/store/project.ts';").toMatch(ASKS);
  expect('project.db.prepare(').toMatch(ASKS);
});
