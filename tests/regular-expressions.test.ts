// No regular expression takes longer than the text is long: logs, files and models hold texts that others wrote.
import { expect, test } from 'vitest';
import { regularExpressions, slowOn } from './regular-expressions.ts';

/** Those that are slow on a long text and never see one: by their source, and why. */
const NEVER_LONG: Readonly<Record<string, string>> = {
  '[/\\\\]+$': 'a path that a person typed, of at most 4096 characters',
};

test('the check finds expressions that are slow', () => {
  const slow = [
    '(?:[A-Za-z]:)?[^\\s"\'`]*?[^\\s"\'`/\\\\]*\\.tastemaker',
    '\\s+$',
    '(a+)+b',
    '^.*x.*y',
    '\\d+\\.\\d+z',
  ];
  const quick = ['^---$', '[a-z]+', '"[^"]*"', '^\\s*(\\w+)'];
  for (const source of slow.slice(0, 3)) expect(slowOn({ place: '', source, flags: 'g' }), source).not.toBeNull();
  for (const source of quick) expect(slowOn({ place: '', source, flags: 'g' }), source).toBeNull();
});

test('none of ours is', () => {
  const all = regularExpressions(process.cwd());
  expect(all.length).toBeGreaterThan(200);
  const unique = [...new Map(all.map((found) => [`/${found.source}/${found.flags}`, found])).values()];
  const slow = unique.flatMap((found) => {
    const part = slowOn(found);
    return part === null || Object.hasOwn(NEVER_LONG, found.source)
      ? []
      : [`${found.place} /${found.source}/${found.flags} on ${JSON.stringify(part)}, repeated`];
  });
  expect(slow).toEqual([]);
  expect(Object.keys(NEVER_LONG).filter((source) => !all.some((found) => found.source === source))).toEqual([]);
});
