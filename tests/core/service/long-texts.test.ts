// Texts that would fill a window: lists show their beginnings, one text is asked for by its id, and what is too much is
// a fault in a sentence.
import { expect, test } from 'vitest';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { LONGEST_REPLY, tooMuchToSend } from '#core/wire.ts';
import { handled } from './handler-context.ts';
import { completionOf, freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
const page = { filter: {}, sort: 'id', descending: false, offset: 0 } as const;
const sizeOf = (value: unknown) => JSON.stringify(value).length;

test('a page of a hundred texts of a megabyte, a limit of a thousand, and short ones whole', async () => {
  const project = createProject(fresh());
  const [promptId] = addPrompts(project, [
    { text: `needle ${'a'.repeat(950_000)}`, split: 'train', source: 'test' },
  ]) as [number];
  const ids = addCompletions(
    project,
    Array.from({ length: 100 }, (_, i) => completionOf(promptId, `${i} ${'b'.repeat(950_000)} end ${i}`)),
  );
  addPrompts(
    project,
    Array.from({ length: 200 }, (_, i) => ({
      text: `needle ${i} ${'c'.repeat(50_000)} haystack`,
      split: 'train' as const,
      source: 'test',
    })),
  );
  const { call } = handled(project, { ...promptHandlers, ...sampleHandlers });
  for (const limit of [100, 1000]) {
    const samples = await call('samples.page', { ...page, limit });
    expect(samples.rows).toHaveLength(100);
    expect(samples.rows[3]!.text).toMatch(/^3 b{1000,}…$/);
    expect(sizeOf(samples)).toBeLessThan(6e6);
    expect(sizeOf(await call('prompts.page', { offset: 0, limit }))).toBeLessThan(6e6);
  }
  const found = await call('prompts.get', { promptId });
  expect(found.prompt.text).toHaveLength(950_007);
  expect(sizeOf(found)).toBeLessThan(6e6);
  expect((await call('samples.tokens', { completionId: ids[3]! })).text).toHaveLength(950_008); // the whole one
  const { hits } = await call('search.find', { text: 'haystack', limit: 1000 });
  expect(hits).toHaveLength(200);
  expect(hits[7]!.excerpt).toMatch(/c haystack$/);
  expect(sizeOf(hits)).toBeLessThan(1e6);

  // what is as long as texts are is whole
  const [short] = addCompletions(project, [completionOf(promptId, 'x'.repeat(15_000))]) as [number];
  expect(
    (await call('samples.page', { ...page, filter: {}, descending: true, limit: 50 })).rows.find(
      ({ id }) => id === short,
    )!.text,
  ).toHaveLength(15_000);
  project.close();
});

test('one prompt of forty million characters is shown as far as a window can show it', async () => {
  const project = createProject(fresh());
  const [plain, conversation] = addPrompts(project, [
    { text: 'x'.repeat(40e6), split: 'train', source: 'test', reference: 'y'.repeat(3e6) },
    {
      text: 'z',
      messages: Array.from({ length: 30 }, () => ({ role: 'user' as const, content: 'z'.repeat(1e6) })),
      split: 'train',
      source: 'test',
    },
  ]) as [number, number];
  const { call } = handled(project, promptHandlers);
  const { prompt } = await call('prompts.get', { promptId: plain });
  expect(prompt.text).toMatch(/x… \(40,000,000 characters; the rest is not shown\)$/);
  for (const promptId of [plain, conversation]) {
    expect(sizeOf(await call('prompts.get', { promptId }))).toBeLessThan(4e6);
    expect(tooMuchToSend(await call('prompts.page', { offset: 0, limit: 100 }), LONGEST_REPLY)).toBeNull();
  }
  project.close();
});

test('a search of over a thousand short words is refused in a sentence', async () => {
  const project = createProject(fresh());
  addPrompts(project, [{ text: 'a b c', split: 'train', source: 'test' }]);
  const { call } = handled(project, promptHandlers);
  const words = (count: number) => Array.from({ length: count }, () => 'a').join(' ');
  expect((await call('search.find', { text: words(100), limit: 10 })).hits).toHaveLength(1);
  await expect((async () => call('search.find', { text: words(1200), limit: 10 }))()).rejects.toThrow(
    'The search has 1200 words; the most is 100.',
  );
  await expect((async () => call('prompts.page', { search: words(1200), offset: 0, limit: 10 }))()).rejects.toThrow(
    'The search has 1200 words',
  );
  project.close();
});
