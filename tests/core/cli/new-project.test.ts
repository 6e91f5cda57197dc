// What the command line says and does in a project that is new to this machine, and with rows that cannot be right.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeHeartbeat } from '#core/runs/control.ts';
import { birthOf } from '#core/store/process-birth.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { getRun } from '#core/store/runs.ts';
import { beatOf, openCopy, plantFile, plantRun } from '#tests/core/runs/strangers-project.ts';
import { cli, cliJson, temporaryFolder } from './command-line.ts';

const here = temporaryFolder();
let count = 0;
/** A copy of an empty project with these runs in it, closed. */
function sent(...ids: string[]): string {
  const made = path.join(here, `made-${++count}.tastemaker`);
  const folder = path.join(here, `sent-${count}.tastemaker`);
  createProject(made).close();
  const project = openCopy(made, folder);
  for (const id of ids) plantRun(project, id, 'queued');
  project.close();
  return folder;
}
const statusOf = (folder: string, id: string): string => {
  const project = openProject(folder, { write: false });
  try {
    return getRun(project, id).status;
  } finally {
    project.close();
  }
};

test('`runs` and `train` say that runs are at rest; `run resume` lets that one go on and no other', async () => {
  const folder = sent('first', 'second');
  const line =
    'This project is new to this machine: 2 runs in it are at rest until somebody says that it may go on (the window asks, or `tastemaker run resume ID`).';
  const listed = await cli(here, 'runs', '--project', folder);
  expect(listed.stdout).toContain(line);
  expect(listed.stdout.match(/at rest {2,}/g)).toHaveLength(2);
  expect(
    (await cliJson<{ id: string; atRest: boolean }[]>(here, 'runs', '--project', folder)).map(({ atRest }) => atRest),
  ).toEqual([true, true]);
  expect((await cli(here, 'run', 'show', 'second', '--project', folder)).stdout).toContain(
    'second "planted": at rest, for the project is new to this machine;',
  );
  expect((await cli(here, 'train', 'sft', '--project', folder)).stderr).toContain(line);
  const resumed = await cli(here, 'run', 'resume', 'first', '--project', folder);
  expect(resumed).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      'This project is new to this machine: only run first goes on, second stays at rest.',
    ),
  });
  expect(resumed.stderr).toContain('There is no policy called "base"'); // it went on as far as it could
  expect(statusOf(folder, 'second')).toBe('queued');
});

test('`run cancel` tells a process that nothing proves to end, and ends it not', async () => {
  const folder = sent('first');
  const at = path.join(folder, 'runs', 'first');
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  plantFile(at, 'heartbeat.json', beatOf({ pid: other.pid!, birth: birthOf(other.pid!) }));
  const speak = setInterval(() => writeHeartbeat(at, beatOf({ pid: other.pid!, birth: birthOf(other.pid!) })), 100);
  const { code, stdout } = await cli(here, 'run', 'cancel', 'first', '--project', folder);
  clearInterval(speak);
  expect([code, stdout]).toEqual([
    0,
    `Run first was told to end. That the process with the pid ${other.pid} is the one which Tastemaker started could not be proven, so it was not ended by force.\n`,
  ]);
  expect([
    other.exitCode,
    other.signalCode,
    fs.readFileSync(path.join(at, 'control'), 'utf8'),
    statusOf(folder, 'first'),
  ]).toEqual([null, null, 'cancel', 'cancelling']);
  other.kill('SIGKILL');
});

test('`doctor` names the rows that are left out', async () => {
  const folder = sent('good', '../../victim');
  const { code, stdout } = await cli(here, 'doctor', '--project', folder);
  expect(code).toBe(1);
  expect(stdout).toContain('the run "../../victim" is left out: its id cannot name a folder of the project');
  expect(stdout).not.toContain('good');
});

test('torn lines of numbers are left out, and said', async () => {
  const folder = sent('first');
  plantFile(
    path.join(folder, 'runs', 'first'),
    'metrics.jsonl',
    '{"step":1,"seconds":1,"loss":3}\n{"step":2,"lo\n[]\n{"step":3,"seconds":1,"loss":2}\n',
  );
  const { stdout } = await cli(here, 'run', 'show', 'first', '--project', folder);
  expect(stdout).toContain('Metrics at step 3:');
  expect(stdout).toContain('2 damaged lines of its numbers are left out.');
});

test.skipIf(process.platform === 'win32')('a link in the place of a run is a sentence in every command', async () => {
  const folder = sent('first');
  const outside = path.join(here, 'outside');
  plantFile(outside, 'heartbeat.json', beatOf({}));
  fs.symlinkSync(outside, path.join(folder, 'runs', 'first'));
  for (const command of [
    ['run', 'show', 'first'],
    ['run', 'resume', 'first'],
    ['run', 'cancel', 'first'],
  ]) {
    const { code, stderr } = await cli(here, ...command, '--project', folder);
    expect([code, stderr.split('\n').at(-3)]).toEqual([
      2,
      `Error: ${path.join(folder, 'runs', 'first')} is a link, and inside a project no link is followed.`,
    ]);
  }
  expect((await cli(here, 'runs', '--project', folder)).code).toBe(0);
  expect(fs.readdirSync(outside)).toEqual(['heartbeat.json']);
});
