// Preferences survive damage, other versions of the program, a second process, and a full disk.
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { homeFolder } from '#core/store/home-folder.ts';
import { lastLines, openLog } from '#core/service/log.ts';
import { openPreferences } from '#core/service/preferences.ts';

let home = '';
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'preferences-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));
const file = () => join(home, 'preferences.json');
const stored = () => JSON.parse(readFileSync(file(), 'utf8')) as Record<string, unknown>;

test('what is changed is there at the next start; the rest is as it was', () => {
  const first = openPreferences(home);
  expect(first.read()).toMatchObject({ theme: 'system', keys: {}, recent: [], lastFolder: null });
  first.change({ theme: 'dark', keys: { 'desk.skip': 'k' } });
  expect(openPreferences(home).read()).toEqual({ ...first.read(), theme: 'dark', keys: { 'desk.skip': 'k' } });
  expect(readdirSync(home)).toEqual(['preferences.json']); // no temporary file
});

test.each(['', '{"theme":"da', '[]', 'null', '7', '\0\0\0\0'])(
  'a damaged file is kept aside and the defaults hold: %j',
  (damaged) => {
    writeFileSync(file(), damaged);
    const preferences = openPreferences(home);
    expect(preferences.read().theme).toBe('system');
    expect(preferences.notices).toEqual([expect.stringMatching(/damaged.*kept as preferences\.damaged-/)]);
    const [aside] = readdirSync(home);
    expect(readFileSync(join(home, aside!), 'utf8')).toBe(damaged);
    preferences.change({ theme: 'light' });
    expect(openPreferences(home)).toMatchObject({ notices: [] });
    expect(stored().theme).toBe('light');
  },
);

test('a value that makes no sense counts as not set, the others hold, and keys of a later version stay', () => {
  writeFileSync(
    file(),
    JSON.stringify({
      theme: 'pink',
      sidebar: false,
      keys: { a: 1 },
      recent: 'x',
      layout: 'stack',
      lastFolder: 7,
      device: 'abacus',
      future: { deep: [1] },
    }),
  );
  const preferences = openPreferences(home);
  expect(preferences.read()).toEqual({
    theme: 'system',
    sidebar: false,
    keys: {},
    recent: [],
    layout: 'stack',
    advance: true,
    lastFolder: null,
    device: 'auto',
  });
  preferences.change({ sidebar: true });
  expect(stored()).toMatchObject({ future: { deep: [1] }, sidebar: true, layout: 'stack' });
});

test('two processes do not undo each other', () => {
  const [one, two] = [openPreferences(home), openPreferences(home)];
  one.change({ theme: 'dark' });
  two.change({ layout: 'stack' });
  one.change({ sidebar: false });
  expect(openPreferences(home).read()).toMatchObject({ theme: 'dark', layout: 'stack', sidebar: false });
});

test('twelve recent projects, the newest first, each once; those that have gone are left out', () => {
  const preferences = openPreferences(home);
  const made = Array.from({ length: 14 }, (_, i) => join(home, `p${i}.tastemaker`));
  for (const folder of made) {
    mkdirSync(folder);
    writeFileSync(join(folder, 'project.db'), '');
    preferences.remember({ folder, name: folder, openedAt: 1 });
  }
  preferences.remember({ folder: made[5]!, name: 'p5', openedAt: 2 });
  const expected = [made[5]!, ...made.toReversed().filter((folder) => folder !== made[5])].slice(0, 12);
  expect(preferences.read().recent.map(({ folder }) => folder)).toEqual(expected);
  rmSync(made[13]!, { recursive: true });
  expect(preferences.read().recent.map(({ folder }) => folder)).toEqual(
    expected.filter((folder) => folder !== made[13]),
  );
});

test('where the file cannot be written there is a sentence, and the old file stays whole', (context) => {
  if (process.getuid?.() === 0) return context.skip('root may write everywhere');
  const preferences = openPreferences(home);
  preferences.change({ theme: 'dark' });
  chmodSync(home, 0o500);
  expect(() => preferences.change({ theme: 'light' })).toThrow(
    /could not be written to .*preferences\.json \(EACCES\)/,
  );
  chmodSync(home, 0o700);
  expect(openPreferences(home).read().theme).toBe('dark');
});

test('a folder in the place of the file is told of and changes nothing', () => {
  mkdirSync(file());
  const preferences = openPreferences(home);
  expect(preferences.notices[0]).toContain('EISDIR');
  expect(() => preferences.change({ theme: 'light' })).toThrow(/could not be written/);
  expect(existsSync(file())).toBe(true);
});

describe('the home folder', () => {
  test.each([
    [{ TASTEMAKER_HOME: '/a/b' }, 'linux', /^\/a\/b$/],
    [{ XDG_CONFIG_HOME: '/x' }, 'linux', /^\/x\/tastemaker$/],
    [{}, 'linux', /\/\.config\/tastemaker$/],
    [{}, 'darwin', /\/Library\/Application Support\/Tastemaker$/],
    [{ APPDATA: '/roaming' }, 'win32', /^\/roaming\/Tastemaker$/],
  ] as const)('%j on %s', (env, platform, expected) => {
    const found = homeFolder(env, platform);
    expect(found).toMatch(expected);
  });
});

test('a log is put aside when it is full, and the three newest are kept', () => {
  const log = openLog(join(home, 'logs/a.log'), { maxBytes: 200 });
  for (let i = 0; i < 40; i++) log(`line ${i} ${'x'.repeat(40)}`);
  expect(readdirSync(join(home, 'logs')).sort()).toEqual(['a.log', 'a.log.1', 'a.log.2', 'a.log.3']);
  const lines = ['a.log.3', 'a.log.2', 'a.log.1', 'a.log']
    .flatMap((name) => lastLines(join(home, 'logs', name), 100))
    .map((line) => Number(/line (\d+)/.exec(line)![1]));
  expect(lines).toEqual(lines.map((_, i) => 40 - lines.length + i)); // none lost in between, the newest last
  openLog(join(home, 'logs/a.log/not-a-folder'))('must not throw');
});
