// Imports from the command line: into an empty project, with the way out where one is, and what is said of the file;
// and the help of a group of commands.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { cli, cliJson, readLines, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

const folder = temporaryFolder();
const at = (name: string) => path.join(folder, name);
const pairs = (n: number, from = 0) =>
  Array.from({ length: n }, (_, i) => ({ prompt: `Why ${from + i}?`, chosen: ' Fog.', rejected: ' Snow.' }));

test('a whole preference file comes into an empty project; into another the hint is the way out', async () => {
  writeLines(at('first.jsonl'), pairs(600));
  writeLines(at('second.jsonl'), [...pairs(2), ...pairs(3, 600)]);
  writeLines(at('completions.jsonl'), [{ prompt: 'New?', completion: ' a' }]);
  await cli(folder, 'new', 'p.tastemaker');
  expect(await cli(folder, 'import', 'rankings', 'first.jsonl')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('600 prompts, 1200 completions, 600 rankings'),
  });
  const refused = await cli(folder, 'import', 'rankings', 'second.jsonl');
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(/The project does not have its prompt.*\nHint: `import` with --add-prompts brings/),
  ]);
  expect((await cli(folder, 'import', 'completions', 'completions.jsonl')).stderr).toContain(
    'Hint: `import` with --add-prompts',
  );
  expect(await cliJson(folder, 'import', 'rankings', 'second.jsonl', '--add-prompts')).toMatchObject({
    added: 3,
    duplicates: 2,
    made: { prompts: 3 },
  });
  await cli(folder, 'new', 'q.tastemaker');
  expect(
    await cliJson(folder, 'import', 'completions', 'completions.jsonl', '--project', 'q.tastemaker'),
  ).toMatchObject({ added: 1 });
  fs.rmSync(at('q.tastemaker'), { recursive: true });
}, 60_000);

test('every bad row: the first one’s own error, also where bad rows may be left out', async () => {
  writeLines(at('bad.jsonl'), [
    { prompt: 7, chosen: 'a', rejected: 'b' },
    { prompt: 8, chosen: 'a', rejected: 'b' },
  ]);
  for (const more of [[], ['--skip-bad']]) {
    const { code, stderr } = await cli(folder, 'import', 'rankings', 'bad.jsonl', ...more);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/the first is line 1: "prompt" is not text/)]);
  }
}, 30_000);

test('prompts that differ only in their spelling are counted, go to one split, and only then is it said', async () => {
  const texts = Array.from({ length: 12 }, (_, i) => `Is the café ${i} open?`);
  writeLines(
    at('nfc.jsonl'),
    texts.map((prompt) => ({ prompt })),
  );
  writeLines(
    at('more.jsonl'),
    texts.flatMap((prompt) => [{ prompt: prompt.normalize('NFD') }, { prompt: `${prompt}\r\n` }]),
  );
  await cli(folder, 'new', 's.tastemaker');
  const here = ['--project', 's.tastemaker', '--validation-share', '0.5'];
  expect((await cli(folder, 'import', 'prompts', 'nfc.jsonl', ...here)).stdout).not.toContain('spelling');
  expect((await cli(folder, 'import', 'prompts', 'more.jsonl', ...here)).stdout).toContain(
    '24 prompts differ only in the spelling from another',
  );
  await cli(folder, 'export', 'data', '--format', 'prompts', '--out', 'out.jsonl', '--project', 's.tastemaker');
  const rows = readLines<{ prompt: string; split: string }>(at('out.jsonl'));
  expect(new Set(rows.map(({ split }) => split)).size).toBe(2);
  for (const own of Map.groupBy(rows, ({ prompt }) => prompt.normalize('NFC').trim()).values())
    expect([own.length, new Set(own.map(({ split }) => split)).size]).toEqual([3, 1]);
  expect((await cli(folder, 'prompts', 'unite', '--project', 's.tastemaker')).stdout).toContain(
    'stand in one split already',
  );
  fs.rmSync(at('s.tastemaker'), { recursive: true });
}, 60_000);

test('a split is read however it is capitalised; another word, and a prompt that keeps its split, are said', async () => {
  const texts = Array.from({ length: 6 }, (_, i) => `Does it rain ${i}?`);
  const here = ['--project', 'w.tastemaker'];
  await cli(folder, 'new', 'w.tastemaker');
  writeLines(
    at('own.jsonl'),
    texts.map((prompt, i) => ({ prompt, split: ['TEST', ' Validation', 'eval'][i % 3] })),
  );
  expect((await cli(folder, 'import', 'prompts', 'own.jsonl', ...here)).stdout).not.toContain('split');
  writeLines(at('odd.jsonl'), [
    { prompt: 'a', split: 'holdout' },
    { prompt: 'b', split: 'holdout' },
    { prompt: 'c', split: 3 },
  ]);
  expect((await cli(folder, 'import', 'prompts', 'odd.jsonl', ...here)).stdout).toMatch(
    /2 rows name the split "holdout", which is none of train, validation and test[^]*1 row names the split "3"/,
  );
  writeLines(at('pairs-odd.jsonl'), [{ prompt: 'd', chosen: 'a', rejected: 'b', split: 'holdout' }]);
  expect((await cli(folder, 'import', 'rankings', 'pairs-odd.jsonl', '--add-prompts', ...here)).stdout).toContain(
    'the split "holdout"',
  );
  // the same texts, once by a column and once by the option; those that agree are not counted
  writeLines(
    at('again.jsonl'),
    texts.map((prompt) => ({ prompt, split: 'test' })),
  );
  expect((await cli(folder, 'import', 'prompts', 'again.jsonl', ...here)).stdout).toContain(
    '4 prompts were there already, in another split than is named here: they keep their split.',
  );
  writeLines(
    at('plain.jsonl'),
    texts.map((prompt) => ({ prompt })),
  );
  expect((await cli(folder, 'import', 'prompts', 'plain.jsonl', '--split', 'validation', ...here)).stdout).toContain(
    '2 prompts were there already, in another split',
  );
  expect((await cli(folder, 'import', 'prompts', 'plain.jsonl', ...here)).stdout).not.toContain('split');
  writeLines(at('both.jsonl'), [
    { prompt: 'e', split: 'train' },
    { prompt: 'e', split: 'test' },
  ]);
  expect((await cli(folder, 'import', 'prompts', 'both.jsonl', ...here)).stdout).toContain(
    '1 prompt was there already, in another split',
  );
  fs.rmSync(at('w.tastemaker'), { recursive: true });
}, 60_000);

test('posts are shortened to so many tokens of a model, and that is said; a title that is too long is refused', async () => {
  await writeTinyModel(at('tiny'), { context: 96 });
  const tokenizer = await loadTokenizer(at('tiny'));
  const post = (title: string, text: string) => ({ subreddit: 'ships', title, post: text, summary: 'They sail.' });
  writeLines(at('posts.jsonl'), [
    post('Short', 'We sail.'),
    post('Long', Array.from({ length: 40 }, (_, i) => `Day ${i} at sea.`).join('\n')),
  ]);
  await cli(folder, 'new', 'x.tastemaker');
  const here = ['--project', 'x.tastemaker'];
  const limited = ['--max-tokens', '80', '--tokenizer', 'tiny'];
  for (const half of [limited.slice(0, 2), limited.slice(2)])
    expect(await cli(folder, 'import', 'prompts', 'posts.jsonl', ...half, ...here)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('go together'),
    });
  expect(
    await cli(folder, 'import', 'prompts', 'posts.jsonl', ...limited.slice(0, 3), 'absent', ...here),
  ).toMatchObject({ code: 2 });
  writeLines(at('title.jsonl'), [post('word '.repeat(200), 'We sail.')]);
  expect(await cli(folder, 'import', 'prompts', 'title.jsonl', ...limited, ...here)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('even without its post'),
  });
  expect((await cli(folder, 'import', 'prompts', 'posts.jsonl', ...limited, ...here)).stdout).toMatch(
    /^Added 2 prompts[^]*\n1 post was shortened to 80 tokens of tiny\.\n$/,
  );
  await cli(folder, 'export', 'data', '--format', 'prompts', '--out', 'posts-out.jsonl', ...here);
  const [short, long] = readLines<{ prompt: string; reference: string }>(at('posts-out.jsonl'));
  expect(short).toMatchObject({
    prompt: 'SUBREDDIT: r/ships\n\nTITLE: Short\n\nPOST: We sail.\n\nTL;DR:',
    reference: 'They sail.',
  });
  expect(long!.prompt).toMatch(
    /^SUBREDDIT: r\/ships\n\nTITLE: Long\n\nPOST: Day 0 at sea\.(\nDay \d+ at sea\.)*\n\nTL;DR:$/,
  );
  const tokens = (await tokenizer.encodeBatch([long!.prompt]))[0]!.length;
  expect(tokens).toBeLessThanOrEqual(80);
  expect(tokens).toBeGreaterThan(80 - 20); // a line more would not have fitted
  writeLines(at('plain-long.jsonl'), [{ prompt: 'word '.repeat(200) }]);
  expect((await cli(folder, 'import', 'prompts', 'plain-long.jsonl', ...limited, ...here)).stdout).toContain(
    '1 prompt is longer and no post: it was taken as it is.',
  );
  fs.rmSync(at('x.tastemaker'), { recursive: true });
}, 60_000);

test('completions go out and come in with the split of their prompts', async () => {
  writeLines(
    at('split.jsonl'),
    Array.from({ length: 12 }, (_, i) => ({
      prompt: `Q${i}`,
      completion: ' a',
      split: ['train', 'validation', 'test'][i % 3],
    })),
  );
  for (const name of ['v', 'u']) {
    await cli(folder, 'new', `${name}.tastemaker`);
    expect(
      await cli(
        folder,
        'import',
        'completions',
        name === 'v' ? 'split.jsonl' : 'v.jsonl',
        '--project',
        `${name}.tastemaker`,
      ),
    ).toMatchObject({ code: 0 });
    await cli(
      folder,
      'export',
      'data',
      '--format',
      'completions',
      '--out',
      `${name}.jsonl`,
      '--project',
      `${name}.tastemaker`,
    );
    expect(readLines<{ split: string }>(at(`${name}.jsonl`)).map(({ split }) => split)).toEqual(
      Array.from({ length: 12 }, (_, i) => ['train', 'validation', 'test'][i % 3]),
    );
    fs.rmSync(at(`${name}.tastemaker`), { recursive: true });
  }
}, 60_000);

test.each(['import', 'label', 'export', 'model', 'run', 'setup', 'prompts'])(
  '%s --help lists its commands',
  async (group) => {
    for (const args of [
      [group, '--help'],
      ['help', group],
    ]) {
      const { code, stdout, stderr } = await cli(folder, ...args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(new RegExp(`^The commands of "${group}":\n\n  ${group} \\w+`));
    }
    expect(await cli(folder, group)).toMatchObject({ code: 2, stderr: expect.stringContaining('needs one more word') });
  },
  30_000,
);

test('prompts of several columns come in by a template; a column that is not there is refused', async () => {
  writeLines(at('posts.jsonl'), [{ headline: 'My cat', body: 'It sleeps.' }]);
  await cli(folder, 'new', 't.tastemaker');
  const here = ['--project', 't.tastemaker'];
  expect(
    await cliJson(folder, 'import', 'prompts', 'posts.jsonl', '--template', 'TITLE: {headline}\\n{body}', ...here),
  ).toMatchObject({ added: 1, format: 'template' });
  const refused = await cli(folder, 'import', 'prompts', 'posts.jsonl', '--template', '{title}', ...here);
  expect([refused.code, refused.stderr]).toEqual([
    2,
    expect.stringMatching(
      /The template names \{title\}, and the file has no such column\.\nHint: Its columns are "headline" and "body"\./,
    ),
  ]);
  fs.rmSync(at('t.tastemaker'), { recursive: true });
}, 60_000);
