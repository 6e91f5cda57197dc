// Titles of prompts: what is their own, whatever they have in common.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { tldrPrompt } from '#core/formats/prompts.ts';
import { drawRecord, writePost } from '#core/demo/world.ts';
import { createRandom } from '#core/random.ts';
import { TLDR_TEMPLATE } from '#core/formats/prompt-template.ts';
import { commonStart, templateOf, titlesOf } from '#core/service/data/prompt-titles.ts';

const row = (text: string, { source = 's', isConversation = false, isCut = false } = {}) => ({
  text,
  source,
  isConversation,
  isCut,
});

test('a Reddit post is known by its title, or where it has none by the next part that says something', () => {
  const post = (title: string) => tldrPrompt({ subreddit: 'advice', title, post: 'It went on for\n\nlong.' });
  expect(
    titlesOf(
      [post('My  cat\nignores me'), post(''), 'TITLE: not one'].map((text) => row(text)),
      [],
    ),
  ).toEqual(['My cat ignores me', 'advice', 'TITLE: not one']);
  expect(titlesOf([row(post('Long').slice(0, 60), { isCut: true })], []), 'a text that was cut off').toEqual(['Long']);
});

test('a text by a template of the project is known by the field that names it', () => {
  const templates = ['Context: {context}\nQuestion: {question}\nAnswer:'];
  expect(titlesOf([row('Context: a\nb\nQuestion: Why?\nAnswer:')], templates)).toEqual(['Why?']);
});

test('plain texts lose what all of their file begin with, to the end of a word, and never all that they have', () => {
  const start = 'Summarise the following text: ';
  expect(
    titlesOf(
      ['Cats sleep.', 'Carts roll.', 'Dogs run.'].map((text) => row(start + text)),
      [],
    ),
  ).toEqual(['Cats sleep.', 'Carts roll.', 'Dogs run.']);
  expect(
    titlesOf([row(`${start}Cats`), row(`${start}Dogs`), row(`${start}Cows`), row('Another file', { source: 't' })], []),
  ).toEqual(['Cats', 'Dogs', 'Cows', 'Another file']);
  expect(titlesOf([row(start), row(`${start}Dogs`), row(`${start}Cows`)], [])[0]).toBe(start.trim());
  expect(titlesOf([row(`${start}Cats`), row(`${start}Dogs`)], []), 'two may be alike by chance').toEqual([
    `${start}Cats`,
    `${start}Dogs`,
  ]);
  expect(titlesOf([row('Be brief.', { isConversation: true })], [])).toEqual(['Be brief.']);
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', minLength: 1 }), { minLength: 3 }), (texts) => {
      const start = commonStart(texts);
      for (const text of texts)
        expect(start === 0 || (text.startsWith(texts[0]!.slice(0, start)) && text.slice(start).trim() !== '')).toBe(
          true,
        );
      for (const [i, title] of titlesOf(
        texts.map((text) => row(text)),
        [],
      ).entries())
        expect(title !== '' || texts[i]!.trim() === '').toBe(true);
    }),
  );
});

test('the demo’s posts are told apart', () => {
  const titles = titlesOf(
    Array.from({ length: 50 }, (_, i) =>
      row(writePost(drawRecord(createRandom(1, `record/${i}`)), createRandom(1, `post/${i}`))),
    ),
    [],
  );
  for (const title of titles) expect(title).not.toMatch(/SUBREDDIT|TITLE:|POST:/);
  expect(new Set(titles).size).toBeGreaterThan(25);
});

test('the template of the project’s prompts is found where nearly all have one', () => {
  const post = (i: number) => writePost(drawRecord(createRandom(2, `record/${i}`)), createRandom(2, `post/${i}`));
  expect(templateOf([1, 2, 3].map(post), [])).toBe('SUBREDDIT: {subreddit}\nTITLE: {title}\nPOST: {post}\nTL;DR:');
  expect(templateOf([tldrPrompt({ subreddit: 'a', title: 'b', post: 'c' })], [])).toBe(TLDR_TEMPLATE);
  expect(templateOf(['Q: a?', 'Q: b?'], ['Q: {question}'])).toBe('Q: {question}');
  expect(templateOf([...[1, 2, 3, 4].map(post), 'What is new?'], [])).toContain('{title}');
  for (const texts of [[], ['What is new?'], [post(1), 'What is new?'], ['TL;DR:']])
    expect(templateOf(texts, [])).toBeNull();
});
