// Search agrees with reading every text, stays in step with its tables, and holds at 100,000 prompts.

import fc from 'fast-check';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addCompletions, deleteCompletions, listCompletions } from '#core/store/completions.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { addPrompts, deletePrompts, listPrompts, updatePrompt } from '#core/store/prompts.ts';
import { search } from '#core/store/search.ts';
import { completionOf, errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

test('any substring, any case, any script; words must all be there, phrases stay together', () => {
  const project = createProject(fresh());
  addPrompts(
    project,
    ['The Trumpet at night', 'a quiet night at sea', '私の猫の手を見て', '100% sure_thing "quoted"', 'ok no'].map(
      (text) => ({ text, split: 'train' as const, source: 's' }),
    ),
  );
  addCompletions(project, [completionOf(2, 'Sleep through the NIGHT.')]);
  const ids = (text: string) => search(project, text).map((hit) => `${hit.kind} ${hit.id}`);
  expect(ids('rumpe')).toEqual(['prompt 1']);
  expect(ids('night')).toEqual(['prompt 1', 'prompt 2', 'completion 1']);
  expect(ids('night sea')).toEqual(['prompt 2']);
  expect(ids('"at night"')).toEqual(['prompt 1']);
  expect(ids('猫の手')).toEqual(['prompt 3']);
  expect(ids('猫')).toEqual(['prompt 3']); // shorter than the index
  expect(ids('at sea')).toEqual(['prompt 2']); // one short word, one long
  expect(ids('0%')).toEqual(['prompt 4']);
  expect(ids('e_')).toEqual(['prompt 4']);
  expect(ids('%')).toEqual(['prompt 4']);
  expect(ids('thing "')).toEqual(['prompt 4']);
  for (const nothing of ['', '   ', '""', '\0']) expect(ids(nothing)).toEqual([]);
  for (const odd of ['AND', 'NOT night', 'a*b^c', 'text:night', "'); DROP TABLE prompts; --", 'NEAR(night)'])
    expect(() => ids(odd)).not.toThrow();
  expect(search(project, 'night', { kind: 'completion' })).toEqual([
    { kind: 'completion', id: 1, promptId: 2, excerpt: 'Sleep through the NIGHT.' },
  ]);
  expect(search(project, 'night', { limit: 1 }).map((hit) => hit.kind)).toEqual(['prompt', 'completion']);
  project.close();
});

test('after any additions, changes and removals it finds what reading finds', () => {
  const { project, promptId } = smallProject(fresh(), 1);
  const word = fc.constantFrom('alpha', 'beta', 'gamma', 'delta', 'epsilon');
  const step = fc.tuple(
    fc.constantFrom('add', 'update', 'delete', 'complete', 'drop'),
    fc.nat(100),
    fc.array(word, { minLength: 1, maxLength: 3 }),
  );
  let n = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 10 }), word, (steps, wanted) => {
      for (const [kind, pick, words] of steps) {
        const text = `${words.join(' ')} ${++n}`;
        const free = listPrompts(project).filter((prompt) => prompt.id > 2);
        const completions = listCompletions(project);
        if (kind === 'add') addPrompts(project, [{ text, split: 'train', source: 's' }]);
        if (kind === 'update' && free.length > 0) updatePrompt(project, free[pick % free.length]!.id, { text });
        if (kind === 'delete' && free.length > 0) deletePrompts(project, [free[pick % free.length]!.id]);
        if (kind === 'complete') addCompletions(project, [completionOf(promptId, text)]);
        if (kind === 'drop' && completions.length > 0)
          deleteCompletions(project, [completions[pick % completions.length]!.id]);
      }
      const found = search(project, wanted, { limit: 10_000 });
      const read = (kind: 'prompt' | 'completion', rows: { id: number; text: string }[]) =>
        rows.filter((row) => row.text.includes(wanted)).map((row) => `${kind} ${row.id}`);
      expect(found.map((hit) => `${hit.kind} ${hit.id}`)).toEqual([
        ...read('prompt', listPrompts(project)),
        ...read('completion', listCompletions(project)),
      ]);
    }),
    { numRuns: 30 },
  );
  expect(checkProject(project)).toEqual([]);
  project.db.exec(
    `INSERT INTO prompts_text (prompts_text, rowid, text) VALUES ('delete', ${promptId}, 'My neighbour plays the trumpet at night.')`,
  );
  // the check can fail
  expect(checkProject(project)).toEqual(['the search index prompts_text does not match its table']);
  project.close();
});

test('100,000 prompts: added, searched, closed and opened again', { timeout: 120_000 }, () => {
  const project = createProject(fresh());
  const topics = ['a loud neighbour', 'an old bicycle', 'my first garden', 'a lost passport', 'a shy cat'];
  const rows = Array.from({ length: 100_000 }, (_, i) => ({
    text: `Post ${i}: what should I do about ${topics[i % 5]} that cost ${(i * 7919) % 100_003} coins?`,
    split: 'train' as const,
    source: 's',
  }));
  const took: Record<string, number> = {};
  const timed = <T>(name: string, work: () => T): T => {
    const start = performance.now();
    const result = work();
    took[name] = Math.round(performance.now() - start);
    return result;
  };
  expect(timed('add', () => addPrompts(project, rows))).toHaveLength(100_000);
  expect(timed('search rare', () => search(project, '"Post 77777:"')).map((hit) => hit.id)).toEqual([77_778]);
  expect(timed('search common', () => search(project, 'shy cat'))).toHaveLength(100);
  expect(timed('search short', () => search(project, 'zz'))).toHaveLength(0);
  timed('close', () => project.close());
  const file = join(project.folder, 'project.db');
  const size = statSync(file).size;
  const again = timed('open', () => openProject(project.folder, { write: true }));
  expect(listPrompts(again, { limit: 1 })[0]!.text).toBe(rows[0]!.text);
  again.close();
  console.log(`100,000 prompts, ${(size / 1e6).toFixed(0)} MB, milliseconds:`, JSON.stringify(took));

  // A large file that was closed whole is trusted as long as it is the same file, and checked again when it is not.
  expect(size).toBeGreaterThan(32 * 1024 * 1024);
  expect(existsSync(`${file}-checked`)).toBe(true);
  const bytes = readFileSync(file);
  bytes.fill(0xee, size - 4096 * 500, size - 4096 * 490);
  writeFileSync(file, bytes);
  expect(errorOf(() => openProject(project.folder, { write: true })).code).toBe('bad-file');
});
