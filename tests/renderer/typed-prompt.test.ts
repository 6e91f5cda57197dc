// What is typed to try a model with, and what is sent of it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PromptManner } from '#core/contract/try.ts';
import {
  askedBy,
  emptyPrompt,
  formsFor,
  goOnFrom,
  linesIn,
  takePrompt,
  valuesIn,
} from '#renderer/components/models/typed-prompt.ts';

const plain: PromptManner = { as: 'text', chat: false, because: '', template: null };
const tldr: PromptManner = { ...plain, chat: true, template: 'TITLE: {title}\nPOST: {post}\nTL;DR:' };
const chat: PromptManner = { as: 'conversation', chat: true, because: '', template: null };

test('the form at first is the one that the model is used to', () => {
  expect([plain, tldr, chat].map((manner) => [emptyPrompt(manner).form, formsFor(manner)])).toEqual([
    ['text', ['text']],
    ['template', ['text', 'template', 'conversation']],
    ['conversation', ['text', 'conversation']],
  ]);
});

test('nothing is sent until something is typed; a template is filled in, a conversation has its system prompt first', () => {
  for (const manner of [plain, tldr, chat]) expect(askedBy(emptyPrompt(manner), manner)).toBeNull();
  expect(askedBy({ ...emptyPrompt(tldr), values: { post: 'It sleeps.' } }, tldr)).toEqual({
    prompt: 'TITLE: \nPOST: It sleeps.\nTL;DR:',
  });
  expect(
    askedBy({ ...emptyPrompt(chat), system: 'Be brief.', turns: [{ role: 'user', content: 'Why?' }] }, chat),
  ).toEqual({
    prompt: '',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Why?' },
    ],
  });
});

test('a prompt of the project is fed as a run would feed it', () => {
  const talk = {
    text: 'System: Be brief.\n\nUser: Why?',
    messages: [
      { role: 'system' as const, content: 'Be brief.' },
      { role: 'user' as const, content: 'Why?' },
    ],
  };
  expect(askedBy(takePrompt(emptyPrompt(chat), talk, chat), chat)).toEqual({ prompt: '', messages: talk.messages });
  expect(askedBy(takePrompt(emptyPrompt(plain), talk, plain), plain)).toEqual({ prompt: talk.text });
  expect(
    askedBy(takePrompt(emptyPrompt(chat), { text: 'TL;DR:', messages: null }, chat), chat),
    'plain text goes to a chat model as it is',
  ).toEqual({ prompt: 'TL;DR:' });
});

test('a prompt that the project’s template made fills its fields; plain text stays where it was chosen', () => {
  const text = 'TITLE: Cat\nPOST: It sleeps.\nTITLE: again\nTL;DR:';
  const taken = takePrompt(emptyPrompt(tldr), { text, messages: null }, tldr);
  expect([taken.form, taken.values]).toEqual(['template', { title: 'Cat', post: 'It sleeps.\nTITLE: again' }]);
  expect(askedBy(taken, tldr)).toEqual({ prompt: text });
  const chosen = takePrompt({ ...emptyPrompt(tldr), form: 'text' }, { text, messages: null }, tldr);
  expect([chosen.form, askedBy(chosen, tldr)]).toEqual(['text', { prompt: text }]);
  const other = takePrompt(emptyPrompt(tldr), { text: 'A poem.', messages: null }, tldr);
  expect([other.form, askedBy(other, tldr)]).toEqual(['text', { prompt: 'A poem.' }]);
});

test('the fields of a template are found again in whatever it was filled with, or the text was not made with it', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', '\n', ':', 'T', ' '), maxLength: 6 });
  fc.assert(
    fc.property(piece, piece, piece, piece, piece, (before, between, after, first, second) => {
      const template = `${before}{x}${between}{y}${after}`;
      const text = `${before}${first}${between}${second}${after}`;
      const values = valuesIn(template, text);
      expect(values).not.toBeNull();
      expect(`${before}${values!['x']}${between}${values!['y']}${after}`).toBe(text);
      expect(valuesIn(`${template}?`, text)).toBeNull();
    }),
  );
});

test('going on from an answer gives the user the next turn, or makes the text longer', () => {
  const typed = { ...emptyPrompt(chat), turns: [{ role: 'user' as const, content: 'Why?' }] };
  const next = goOnFrom(typed, chat, ' So.');
  expect([next.turns, askedBy(next, chat)]).toEqual([
    [
      { role: 'user', content: 'Why?' },
      { role: 'assistant', content: 'So.' },
      { role: 'user', content: '' },
    ],
    null,
  ]);
  expect(askedBy(goOnFrom({ ...emptyPrompt(tldr), values: { title: 'T', post: 'P' } }, tldr, ' So.'), tldr)).toEqual({
    prompt: 'TITLE: T\nPOST: P\nTL;DR: So.',
  });
});

test('stop texts are lines, each once; a line end is spelled out', () => {
  expect(linesIn('\\n\nUser:\n\nUser:\n')).toEqual(['\n', 'User:']);
});
