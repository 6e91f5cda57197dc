// What the command line prints of other people's texts: no escape of a terminal comes through, as text or as JSON.
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { forTerminal, jsonForTerminal } from '#core/cli/terminal.ts';
import { createProject } from '#core/store/database.ts';
import { startCli, temporaryFolder } from './command-line.ts';

const ESCAPE = '\u001b]0;owned\u0007\u001b[2J\u009b31m';

test('control characters are shown as such, line breaks and tabs stay', () => {
  expect(forTerminal(`a\tb\nc${ESCAPE}d\r\ne\rf`)).toBe('a\tb\nc\ufffd]0;owned\ufffd\ufffd[2J\ufffd31md\ne\ufffdf');
  expect(forTerminal('März 漢字 😀')).toBe('März 漢字 😀');
  expect(jsonForTerminal({ a: ESCAPE })).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/); // oxlint-disable-line no-control-regex
  expect(JSON.parse(jsonForTerminal({ a: ESCAPE }))).toEqual({ a: ESCAPE });
});

test.each([[], ['--json']])('a bad row, a column and a path with escapes in them (%s)', async (...json) => {
  const work = temporaryFolder();
  createProject(path.join(work, 'p.tastemaker')).close();
  const file = path.join(work, 'rows.jsonl');
  fs.writeFileSync(
    file,
    `${JSON.stringify({ prompt: 'a', [`x${ESCAPE}`]: 1 })}\n${JSON.stringify({ prompt: 7, [ESCAPE]: 1 })}\n`,
  );
  for (const args of [
    ['import', 'prompts', file, '--skip-bad', '--project', 'p.tastemaker'],
    ['model', 'add', `nowhere${ESCAPE}`, '--project', 'p.tastemaker'],
  ]) {
    const { stdout, stderr } = await startCli(work, [...args, ...json]).ended;
    // oxlint-disable-next-line no-control-regex
    expect(stdout + stderr, args.join(' ')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    expect(stdout + stderr).not.toBe('');
  }
});
