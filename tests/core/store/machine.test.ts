// What this machine can prove: its key, and when a process was born.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { identityOf, isSigned, signed } from '#core/store/machine-key.ts';
import { birthOf, fromCim, fromPs, isPid, isTaken } from '#core/store/process-birth.ts';
import { temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
const before = process.env.TASTEMAKER_HOME;
const made = () => {
  const folder = fresh();
  mkdirSync(folder);
  return folder;
};
afterEach(() => void (process.env.TASTEMAKER_HOME = before));

test('the key is made once, for its owner alone, and signs values for one purpose', () => {
  const home = (process.env.TASTEMAKER_HOME = join(fresh(), 'deeper', 'home'));
  const file = join(home, 'machine-key');
  const signature = signed('process', ['run', 7]);
  expect([readFileSync(file).length, readdirSync(home)]).toEqual([32, ['machine-key']]);
  expect(process.platform === 'win32' ? 0o600 : statSync(file).mode & 0o777).toBe(0o600);
  expect(isSigned(signature, 'process', ['run', 7])).toBe(true);
  for (const [other, purpose, values] of [
    [signature, 'project', ['run', 7]],
    [signature, 'process', ['run', 8]],
    [signature, 'process', ['run', '7']],
    ['', 'process', ['run', 7]],
    [undefined, 'process', ['run', 7]],
    [`${signature}0`, 'process', ['run', 7]],
  ] as const) {
    expect(isSigned(other, purpose, values)).toBe(false);
  }
  process.env.TASTEMAKER_HOME = join(fresh(), 'other');
  expect(isSigned(signature, 'process', ['run', 7])).toBe(false);
});

test('processes that need it at the same moment agree on one key; one that was cut short is made anew', async () => {
  const home = made();
  const script = `import { signed } from '#core/store/machine-key.ts'; process.stdout.write(signed('project', ['a']));`;
  writeFileSync(join(home, 'machine-key'), 'short');
  const say = () =>
    new Promise<string>((done) => {
      const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
        env: { ...process.env, TASTEMAKER_HOME: home },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (text: Buffer) => (said += text.toString())).on('end', () => done(said));
    });
  const first = await say();
  const said = await Promise.all([say(), say(), say()]);
  expect(new Set([first, ...said])).toEqual(new Set([expect.stringMatching(/^[0-9a-f]{64}$/)]));
  expect(readFileSync(join(home, 'machine-key')).length).toBe(32);
});

test('a folder keeps its identity where it is renamed; another in its place has its own', () => {
  const root = made();
  const folder = join(root, 'one');
  mkdirSync(folder);
  const identity = identityOf(folder);
  writeFileSync(join(folder, 'x'), 'x');
  expect(identityOf(folder)).toBe(identity);
  rmSync(folder, { recursive: true });
  mkdirSync(folder);
  expect(identityOf(folder)).not.toBe(identity);
});

test.runIf(existsSync('/bin/ps'))('ps tells the birth of a process, and nothing of one that is gone', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const born = fromPs(child.pid!);
  expect(born).toMatch(/^\w{3} \w{3} [ \d]?\d \d\d:\d\d:\d\d \d{4}$/);
  expect(Math.abs(Date.parse(`${born} UTC`) - Date.now())).toBeLessThan(60_000);
  child.kill('SIGKILL');
  await new Promise((done) => child.once('exit', done));
  expect(fromPs(child.pid!)).toBe(null);
});

test('a process has a birth that no later one has, whichever way the system tells it', async () => {
  expect(birthOf(process.pid)).toBe(birthOf(process.pid));
  expect(birthOf(process.pid)).not.toBe(null);
  for (const pid of [0, -1, -process.pid, 1.5, Number.NaN, 2 ** 53, '7'])
    expect([isPid(pid), isTaken(pid as number), birthOf(pid as number)]).toEqual([false, false, null]);
  expect(fromPs(7, () => 'Z+   Sun Nov 29 18:40:11 2026\n')).toBe('ended');
  expect(fromPs(7, () => '')).toBe(null);
  const asked: string[] = [];
  expect(fromCim(7, (program, args) => (asked.push(program, ...args), '134092345678901234\r\n'))).toBe(
    '134092345678901234',
  );
  expect(asked.join(' ')).toMatch(/powershell\.exe .*ProcessId=7"\)\.CreationDate/);
  for (const nothing of ['', 'You cannot call a method on a null-valued expression.', null])
    expect(fromCim(7, () => nothing)).toBe(null);
});
