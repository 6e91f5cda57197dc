// Chat templates: the text that their documentation spells, the words they refuse with, and that no template can run on
// or fill the memory.

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Message } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { answerShape, renderChat } from '#core/tokenizer/chat-template.ts';
import { createTokenizer } from '#core/tokenizer/tokenizer.ts';
import { chatTokenizer, FORMATS, spelled } from './chat-formats.ts';

const REFERENCE = path.resolve(process.cwd(), '..', 'shared', 'reference', 'smollm2', 'expected.json');
const noReference = !existsSync(REFERENCE);
const ask = (content = 'Hello'): Message[] => [{ role: 'user', content }];
const render = (
  template: string,
  messages: readonly Message[] = ask(),
  more: { addGenerationPrompt?: boolean; date?: Date; specialTokens?: Record<string, string> } = {},
) => renderChat(template, messages, { addGenerationPrompt: false, specialTokens: {}, ...more });
/** The error that `work` throws. */
function refusal(work: () => unknown): TastemakerError {
  try {
    work();
  } catch (error) {
    if (error instanceof TastemakerError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** Conversations that take turns, and end with a question. */
const conversations = (system: boolean): fc.Arbitrary<Message[]> => {
  const content = fc.oneof(
    fc.string({ minLength: 1, unit: 'grapheme' }),
    fc.constantFrom('Hi', ' spaced out ', 'two\n\nlines', '{{ messages }} {% raw %}', '漢字 😀', 'it\'s "quoted"'),
  );
  return fc
    .tuple(
      system ? fc.option(content, { nil: null }) : fc.constant(null),
      fc.array(fc.tuple(content, content), { maxLength: 3 }),
      content,
    )
    .map(([said, before, last]) => [
      ...(said === null ? [] : [{ role: 'system', content: said } as const]),
      ...before.flatMap(([question, answer]): Message[] => [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ]),
      { role: 'user', content: last },
    ]);
};

describe.each(Object.entries(FORMATS))('%s', (_, format) => {
  const specialTokens = { eos_token: format.eos, ...(format.bos ? { bos_token: format.bos } : {}) };
  test('every conversation is spelled as documented, with and without an open answer', () => {
    fc.assert(
      fc.property(conversations(format.system), (messages) => {
        const clean = messages.map(({ role, content }): Message => ({ role, content: content.toWellFormed() }));
        expect(render(format.template, messages, { specialTokens })).toBe(spelled(format, clean));
        expect(render(format.template, messages, { specialTokens, addGenerationPrompt: true })).toBe(
          spelled(format, clean) + format.opening,
        );
      }),
      { numRuns: 60 },
    );
  });

  test('the end of a turn is found, and is one of the stops', () => {
    const { json, settings } = chatTokenizer(format);
    const tokenizer = createTokenizer(json, settings, 't.json');
    expect(answerShape(format.template, { specialTokens }, format.tokens)).toEqual({
      end: format.end,
      upToEnd: format.end,
      after: format.between,
    });
    expect(tokenizer.stops.map((id) => tokenizer.token(id))).toEqual([...new Set([format.eos, format.end])]);
    expect(tokenizer.stops[0]).toBe(tokenizer.endOfText);
    expect(tokenizer.specialTokens).toMatchObject(specialTokens);
  });
});

test.skipIf(noReference)(
  `SmolLM2's template writes what transformers wrote${noReference ? ' (skipped: reference numbers not present)' : ''}`,
  () => {
    const { chat } = JSON.parse(readFileSync(REFERENCE, 'utf8')) as {
      chat: { template: string; messages: Message[]; rendered: string };
    };
    expect(render(chat.template, chat.messages, { addGenerationPrompt: true })).toBe(chat.rendered);
  },
);

test('stops come from every configuration, each once and only where the vocabulary has them', () => {
  const { json, settings } = chatTokenizer(FORMATS.Gemma!);
  const tokenizer = createTokenizer(
    json,
    { ...settings, generationConfig: { eos_token_id: [7, 9, 99_999] }, modelConfig: { eos_token_id: 9 } },
    't.json',
  );
  expect(tokenizer.stops.slice(1)).toEqual([7, 9, tokenizer.answerShape!.endId]);
  const plain = createTokenizer(json, { ...settings, tokenizerConfig: { eos_token: '<eos>' } }, 't.json');
  expect([plain.stops, plain.answerShape, plain.chatTemplate]).toEqual([[plain.endOfText], null, null]);
});

describe('what templates may use', () => {
  test.each<[string, string, string]>([
    [
      'blocks on lines of their own',
      '{% for m in messages %}\n  {% if true %}\n{{ m.content }}\n  {% endif %}\n{% endfor %}\n',
      'Hello\n',
    ],
    ['tojson, as Python writes it', '{{ messages | tojson }}', '[{"role": "user", "content": "Hello"}]'],
    [
      'strip of given characters only',
      "{{ '\\n a \\n'.strip('\\n') }}|{{ 'xxax'.lstrip('x') }}|{{ 'a  '.rstrip() }}|{{ 'axx'.rstrip('x') }}",
      ' a |ax|a|a',
    ],
    ['replace', "{{ messages[0].content.replace('l', 'LL') }}", 'HeLLLLo'],
    [
      'split, slices and negative places',
      "{{ messages[0].content.split('e')[-1] }}{{ messages[0:1] | length }}",
      'llo1',
    ],
    [
      'namespaces',
      '{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}',
      '3',
    ],
    ['macros', '{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ m("a") }}', '<1><a>'],
    ['no tools', '{{ tools is none }} {{ tools is defined }} {{ nothing is defined }}', 'true true false'],
  ])('%s', (_, template, expected) => expect(render(template)).toBe(expected));

  test('a date, which is the one given and never today', () => {
    const template = '{{ strftime_now("%A %d %b %Y, %B %y %H:%M:%S %% %Q") }}';
    expect(render(template, ask(), { date: new Date(Date.UTC(2025, 0, 3, 4, 5, 6)) })).toBe(
      'Friday 03 Jan 2025, January 25 04:05:06 % %Q',
    );
    expect(render('{{ strftime_now("%d %b %Y") }}')).toBe('26 Jul 2024');
  });

  test('half a character in a message becomes the replacement character', () =>
    expect(render('{{ messages[0].content }}', ask('a\ud800b'))).toBe('a\ufffdb'));
});

describe('what is refused, in one sentence', () => {
  const gemma = FORMATS.Gemma!.template;
  test.each<[string, string, Message[], string]>([
    [
      'a system message',
      gemma,
      [{ role: 'system', content: 'Be brief.' }, ...ask()],
      'The chat template of the model refuses this conversation: System role not supported.',
    ],
    [
      'roles out of turn',
      gemma,
      [...ask(), ...ask()],
      'The chat template of the model refuses this conversation: Conversation roles must alternate user/assistant/user/assistant/.',
    ],
  ])('a conversation: %s', (_, template, messages, message) =>
    expect(refusal(() => render(template, messages))).toMatchObject({ code: 'bad-data', message }),
  );

  const long =
    '{% set ns = namespace(x="aaaaaaaaaa") %}{% for i in range(15) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}';
  test.each<[string, string, RegExp]>([
    ['cut off', '{{ messages', /can not be read: /],
    ['no such statement', '{% fly %}', /can not be read: /],
    [
      'parentheses without end',
      `{{ ${'('.repeat(100_000)}`,
      /can not be read: its parts stand too deep in one another/,
    ],
    ['nothing to add to', '{{ messages[5].content + 1 }}', /fails: Cannot perform operation \+ on undefined values/],
    ['no such filter', '{{ "a" | fly }}', /fails: Unknown StringValue filter: fly/],
    ['nothing in an empty list', '{{ [] | first }}', /fails: something that it uses is not there/],
    ['a megabyte', 'a'.repeat(2 ** 20 + 1), /is 1048577 characters long/],
    ['blanks', `a${' '.repeat(200_000)}{% if`, /holds more than 1000 blanks in a row/],
    ['a range of a billion', '{% for i in range(10**9) %}{% endfor %}', /counts range\(1000000000\)/],
    ['a range that stands still', '{{ range(0, 1, 0) }}', /counts range\(0, 1, 0\)/],
    [
      'loops in loops',
      '{% set r = range(1000) %}{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}',
      /is not done after 4000000 steps/,
    ],
    ['a macro that calls itself', '{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}', /fails: |is not done/],
    [
      'macros that are read over and over',
      `{% for i in range(100000) %}{% macro a() %}${'x{{ y }}'.repeat(50_000)}{% endmacro %}{% endfor %}`,
      /is not done after 4000000 steps/,
    ],
    [
      'a text that doubles',
      '{% set ns = namespace(x="a") %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
      /makes a text of more than \d+ characters/,
    ],
    [
      'a list that doubles',
      '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
      /makes a text of more than/,
    ],
    [
      'a list of itself twice',
      '{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}',
      /makes a text of more than/,
    ],
    [
      'a list in a list in a list',
      '{% set ns = namespace(x=[1]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}',
      /puts lists into lists/,
    ],
    [
      'a namespace that holds itself',
      '{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}',
      /puts a namespace into a namespace/,
    ],
    [
      'a long text many times',
      `${long}{% for i in range(100000) %}{{ ns.x }}{% endfor %}`,
      /makes a text of more than/,
    ],
    [
      'a long text remade many times',
      `${long}{% for i in range(100000) %}{% set y = ns.x | upper %}{% endfor %}`,
      /makes a text of more than/,
    ],
    [
      'long times long: replace',
      `${long}{% set f = ns.x.replace %}{{ f("a", ns.x) }}`,
      /replace\(\) makes too long a text/,
    ],
    [
      'long times long: replace, between all',
      `${long}{{ ns.x | replace("", ns.x) }}`,
      /replace\(\) makes too long a text/,
    ],
    ['long times long: join', `${long}{{ ns.x | join(ns.x) }}`, /gives the filter "join" an argument that is too long/],
    ['a wide indent', '{{ "a\nb" | indent(100000000) }}', /gives the filter "indent" an argument that is too long/],
    [
      'wide JSON',
      '{{ messages | tojson(indent=100000000) }}',
      /gives the filter "tojson" an argument that is too long/,
    ],
  ])('a template: %s', (_, template, says) => {
    const started = performance.now();
    const before = process.memoryUsage.rss();
    const error = refusal(() => render(template));
    expect(error.code).toBe('bad-file');
    expect(error.message).toMatch(says);
    expect(error.message).toMatch(/^The chat template of the model [^\n]*\.$/);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });

  test('templates with bytes changed, left out and doubled: a text or one sentence', () => {
    const templates = Object.values(FORMATS).map(({ template }) => template);
    fc.assert(
      fc.property(
        fc.constantFrom(...templates),
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.constantFrom(
              '',
              '{',
              '}',
              '%',
              '(',
              "'",
              '[',
              '|',
              '~',
              '*',
              '9',
              ' ',
              'range(',
              '{% for i in messages %}',
              '{% endfor %}',
            ),
          ),
          { minLength: 1, maxLength: 4 },
        ),
        (template, changes) => {
          const changed = changes.reduce((text, [place, piece]) => {
            const at = place % text.length;
            return text.slice(0, at) + piece + text.slice(at + (place % 3));
          }, template);
          let outcome = 'rendered';
          try {
            render(changed, ask(), { specialTokens: { bos_token: '<s>' } });
          } catch (error) {
            if (!(error instanceof TastemakerError)) throw error;
            outcome = error.message;
          }
          expect(outcome).toMatch(/^rendered$|^The chat template of the model [^\n]*\.$/);
        },
      ),
      { numRuns: 300 },
    );
  });
});

test('a conversation as long as a book is written out, and soon', () => {
  const messages = Array.from({ length: 1001 }, (_, i): Message => ({
    role: i % 2 ? 'assistant' : 'user',
    content: 'A line of a long talk. '.repeat(100),
  }));
  const started = performance.now();
  for (const format of Object.values(FORMATS))
    expect(
      render(format.template, messages, { addGenerationPrompt: true, specialTokens: { bos_token: format.begin } }),
    ).toBe(spelled(format, messages) + format.opening);
  expect(performance.now() - started).toBeLessThan(5000);
});
