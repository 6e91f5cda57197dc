// The small part of Markdown: what is drawn as what, that no text is lost, and that no text takes long or becomes an
// element of its own.
// @vitest-environment happy-dom
import { mount } from '@vue/test-utils';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { looksLikeMarkdown, readMarkdown } from '#renderer/components/markdown.ts';
import type { Block, Inline } from '#renderer/components/markdown.ts';
import MarkdownText from '#renderer/components/MarkdownText.vue';

const html = (text: string) =>
  mount(MarkdownText, { props: { text } })
    .html()
    .replace(/\s*\n\s*/g, '')
    .replaceAll(' dir="auto"', '');

it('draws headings, lists, quotes, code and emphasis', () => {
  expect(html('# Good answers\n\nAre **short** and *true*, `code` stays.')).toBe(
    '<div class="markdown"><p class="heading level-1">Good answers</p><p>Are <strong>short</strong> and <em>true</em>, <code>code</code> stays.</p></div>',
  );
  expect(html('1. one\n2. two\n   - inside\n3. three')).toBe(
    '<div class="markdown"><ol start="1"><li><p>one</p></li><li><p>two</p><ul><li><p>inside</p></li></ul></li><li><p>three</p></li></ol></div>',
  );
  expect(html('> said\n> twice\n\n---\n```\n**no**\n```')).toBe(
    '<div class="markdown"><blockquote><p>said\ntwice</p></blockquote><hr><pre tabindex="0">**no**</pre></div>'.replace(
      '\n',
      '',
    ),
  );
});

it('shows links and never follows them, and HTML is text', () => {
  const drawn = mount(MarkdownText, {
    props: { text: '[here](javascript:alert(1)) <img src=x onerror=alert(1)> <b>b</b> ![x](http://a/b.png)' },
  });
  expect(drawn.findAll('a, img, b')).toHaveLength(0);
  expect(drawn.text()).toContain('<img src=x onerror=alert(1)>');
  expect(drawn.text()).toContain('javascript:alert(1');
});

it('leaves alone what only looks like a sign', () => {
  for (const text of [
    '2 * 3 * 4',
    'snake_case_name',
    '**open',
    'a ** b ** c',
    '`open',
    '[no link]',
    '1984. was a year?no',
  ])
    expect(mount(MarkdownText, { props: { text } }).text()).toContain(text.replace(/^\d+\. /, ''));
  expect(looksLikeMarkdown('A plain summary, with a dash - and 3 * 4.')).toBe(false);
  for (const text of ['**yes**', '# yes', 'a\n- yes', 'so `it` is', '```\nx'])
    expect(looksLikeMarkdown(text)).toBe(true);
});

const textOf = (parts: readonly (Block | Inline)[]): string =>
  parts
    .map(
      (part) =>
        ('language' in part ? part.language : '') +
        ('text' in part
          ? part.text
          : 'items' in part
            ? part.items.map(textOf).join('')
            : 'of' in part
              ? textOf(part.of as Inline[])
              : '') +
        ('address' in part ? part.address : ''),
    )
    .join('');
it('loses no letter of any text', () => {
  const written = fc
    .array(
      fc.constantFrom(
        'a',
        'b',
        ' ',
        '\n',
        '*',
        '**',
        '_',
        '`',
        '```',
        '#',
        '- ',
        '1. ',
        '> ',
        '[',
        '](',
        ')',
        '~~',
        '\\',
        'é',
        '  ',
      ),
      { maxLength: 40 },
    )
    .map((parts) => parts.join(''));
  const letters = (text: string) => text.replace(/[^abé]/g, '');
  fc.assert(
    fc.property(written, (text) => void expect(letters(textOf(readMarkdown(text)))).toBe(letters(text))),
    { numRuns: 2000 },
  );
});

it('takes no long time over signs that never close', () => {
  const begun = performance.now();
  for (const sign of ['*', '**a', '_a ', '`', '[', '> ', '- ', '![a](', '#', '\\'])
    readMarkdown(sign.repeat(Math.floor(19_000 / sign.length)));
  for (const sign of ['> ', '- ', '1. ']) readMarkdown(`${sign.repeat(5000)}x\n`.repeat(3));
  expect(performance.now() - begun).toBeLessThan(2000);
});
