// What is taken out of diagnostics: names of projects, with blanks or without, and the home folder; and that it takes
// no longer than the text is long.
import { expect, test } from 'vitest';
import { redact } from '#core/redact.ts';

const HOW = {
  home: '/home/ada',
  projects: ['/home/ada/studies', '/home/ada/studies/secret.tastemaker', '/home/ada/other name.tastemaker'],
};
test.each([
  ['cannot open /home/ada/studies/secret.tastemaker/project.db here', 'cannot open <project>/project.db here'],
  ['ENOENT /home/ada/.config/x', 'ENOENT ~/.config/x'],
  ['"/home/ada/other name.tastemaker"', '"<project>"'],
  ['C:\\Users\\ada\\p.tastemaker\\project.db', '<project>\\project.db'],
  ['/home/ada/x and C:\\Users\\ada\\my.tastemaker\\runs', '~/x and <project>\\runs'],
  // with blanks, which nothing says the end of
  [
    'could not open /data/Mrs Smith and sons/best one.tastemaker/project.db: bad',
    'could not open <project>/project.db: bad',
  ],
  ['could not open C:\\Mrs Smith\\best one.tastemaker: bad', 'could not open <project>: bad'],
  ['~/My Projects/ a b .tastemaker was moved', '<project> was moved'],
  ["'/srv/a b/c d.tastemaker', '/srv/e f/g.tastemaker'", "'<project>', '<project>'"],
  ['[/x/a b.tastemaker] (/y/c d.tastemaker/runs/3)', '[<project>] (<project>/runs/3)'],
  ['best one.tastemaker is open', '<project> is open'],
  ['two\nlines of /x/a b.tastemaker', 'two\nlines of <project>'],
  ['a file.tastemakers, a.tastemaker-old', 'a file.tastemakers, a.tastemaker-old'],
  ['nothing here', 'nothing here'],
])('%s', (text, expected) => {
  const found = redact(text, HOW);
  expect(found).toBe(expected);
});

test('of two in a row too much may go, never too little', () => {
  const found = redact('/x/a b.tastemaker is not /y/c d.tastemaker', HOW);
  for (const name of ['a b', 'c d', '/x', '/y']) expect(found).not.toContain(name);
});

test.each<[string, string]>([
  ['letters', 'a'],
  ['blanks', ' '],
  ['slashes', '/'],
  ['backslashes', '\\'],
  ['quotes', '"'],
  ['colons', 'C:'],
  ['endings', '.tastemaker'],
  ['cut endings', '.tastemake'],
  ['projects', '/a b.tastemaker '],
  ['homes', '/home/ada '],
])('a hundred thousand %s take no time', (_, part) => {
  for (const text of [
    part.repeat(Math.ceil(100_000 / part.length)),
    `/${part.repeat(Math.ceil(100_000 / part.length))}.tastemaker`,
  ]) {
    const started = performance.now();
    redact(text, HOW);
    expect(performance.now() - started).toBeLessThan(200);
  }
});
