// A project that is new to this machine: its runs lie at rest until a person has spoken; one that was made here is
// known.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { livingProcess, provenProcess, readHeartbeat, writeHeartbeat } from '#core/runs/control.ts';
import { makeDemo } from '#core/service/demo.ts';
import { birthOf } from '#core/store/process-birth.ts';
import { openProject } from '#core/store/database.ts';
import { isKnownHere, makeKnown } from '#core/store/known-here.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, getRun } from '#core/store/runs.ts';
import { openQueue, QUICK } from './run-queue.ts';
import type { TestQueue } from './run-queue.ts';
import { openCopy, plantRun } from './strangers-project.ts';
import { makeTinyProject, QUICK_SFT, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const SHORT = { ...QUICK_SFT, show_prompts: 2, show_max_new: 8 };
const fresh = temporaryProjects();
const original = fresh();
let project: Project, runs: TestQueue;
beforeAll(async () => {
  (await makeTinyProject(original)).close();
});
afterEach(async () => {
  await runs.queue.close();
  project.close();
});
const quiet = () => new Promise((resolve) => setTimeout(resolve, 400));

test('what waits or was interrupted stays as it is, and begins once it may go on; then the project is known, also where it is moved', async () => {
  project = openCopy(original, fresh());
  const waiting = plantRun(project, 'waiting', 'queued', SHORT);
  const interrupted = plantRun(project, 'interrupted', 'running', SHORT);
  runs = openQueue(project);
  await quiet();
  expect([fs.existsSync(waiting), fs.existsSync(interrupted)]).toEqual([false, false]);
  expect(runs.queue.list().filter(({ atRest }) => atRest)).toMatchObject([{ phase: 'at rest' }, { phase: 'at rest' }]);
  expect(() => runs.queue.pause('interrupted')).toThrow('cannot be paused');
  expect(isKnownHere(project)).toBe(false);

  expect(runs.queue.letGo(true)).toBe(2);
  expect(await runs.reaches('waiting', 'done', 'failed')).toMatchObject({ status: 'done', atRest: false });
  expect(await runs.reaches('interrupted', 'failed')).toMatchObject({
    resumable: true,
    error: expect.stringContaining('ended without a word'),
  });
  expect(
    runs.heard.some(
      ({ event, data }) => event === 'project.changed' && 'project' in data && data.project?.resting === 0,
    ),
  ).toBe(true);

  plantRun(project, 'later', 'queued', SHORT);
  await runs.queue.close();
  project.close();
  const moved = fresh();
  fs.renameSync(project.folder, moved);
  project = openProject(moved, { write: true });
  expect(isKnownHere(project)).toBe(true);
  runs = openQueue(project);
  expect(await runs.reaches('later', 'done')).toMatchObject({ atRest: false });
});

test('left at rest, they are stopped as they are, and are asked about no more', async () => {
  project = openCopy(original, fresh());
  plantRun(project, 'waiting', 'queued', SHORT);
  plantRun(project, 'interrupted', 'paused', SHORT);
  runs = openQueue(project);
  expect(runs.queue.letGo(false)).toBe(2);
  await runs.queue.close();
  runs = openQueue(project);
  await quiet();
  expect(
    runs.queue
      .list()
      .slice(-3)
      .map(({ id, status, atRest, resumable }) => [id, status, atRest, resumable]),
  ).toEqual(
    expect.arrayContaining([
      ['waiting', 'stopped', false, true],
      ['interrupted', 'stopped', false, true],
    ]),
  );
  runs.queue.resume('waiting');
  expect(await runs.reaches('waiting', 'done')).toMatchObject({ error: null });
});

test('a word about one run is about that run alone; what a person starts goes ahead', async () => {
  project = openCopy(original, fresh());
  for (const id of ['first', 'second']) plantRun(project, id, 'queued', SHORT);
  runs = openQueue(project);
  const { id } = await runs.queue.start('sft', SHORT, 'own');
  await runs.reaches(id, 'done');
  runs.queue.resume('second');
  await runs.reaches('second', 'done');
  expect(runs.queue.get('first').run).toMatchObject({ status: 'queued', atRest: true });
  await runs.queue.close();
  runs = openQueue(project); // nobody has answered yet
  expect(runs.queue.get('first').run.atRest).toBe(true);
  runs.queue.cancel('first');
  expect([getRun(project, 'first').status, isKnownHere(project)]).toEqual(['cancelled', true]);
});

test('with nothing in it that could go on there is nothing to ask; what is made here is known from the first', async () => {
  const made = openProject(original, { write: false });
  expect(isKnownHere(made)).toBe(true);
  made.close();
  project = openCopy(original, fresh());
  expect(isKnownHere(project)).toBe(false);
  runs = openQueue(project);
  expect(isKnownHere(project)).toBe(true);
  const demo = await makeDemo(fresh());
  expect(isKnownHere(demo)).toBe(true);
  demo.close();
});

test('what the signature stands for cannot be carried elsewhere, and a file that is none says nothing', () => {
  project = openCopy(original, fresh());
  runs = openQueue(project);
  const file = path.join(project.folder, 'known-here.json');
  const text = fs.readFileSync(file, 'utf8');
  expect((JSON.parse(text) as { machines: string[] }).machines).toHaveLength(2); // that of the original came with it
  const copy = openCopy(original, fresh());
  fs.writeFileSync(path.join(copy.folder, 'known-here.json'), text);
  expect(isKnownHere(copy)).toBe(false);
  for (const nonsense of ['', '[]', 'null', '{"machines":"x"}', `{"machines":["${'0'.repeat(64)}", 7, null]}`]) {
    fs.writeFileSync(file, nonsense);
    expect(isKnownHere(project)).toBe(false);
    makeKnown(project);
    expect(isKnownHere(project)).toBe(true);
  }
  copy.close();
});

test('a job of ours that another service started is ended by force; one that nothing proves is told, and said so', async () => {
  const deaf: typeof QUICK = {
    ...QUICK,
    killAfterMs: 200,
    processFile: path.join(import.meta.dirname, 'deaf-process.ts'),
  };
  project = openProject(original, { write: true });
  runs = openQueue(project, deaf);
  const { id } = await runs.queue.start('sft', SHORT, null);
  const folder = path.join(original, 'runs', id);
  await runs.until(() => runs.queue.get(id).run.step === 3, 'its word');
  await runs.queue.close();
  runs = openQueue(project, deaf); // which holds no child
  const pid = provenProcess(folder)!;
  expect(pid).toBe(livingProcess(folder));
  const elsewhere = path.join(fresh(), 'runs', id); // the same words in another folder prove nothing
  fs.cpSync(folder, elsewhere, { recursive: true });
  expect([provenProcess(elsewhere), provenProcess(folder)]).toEqual([null, pid]);
  runs.queue.cancel(id);
  await runs.reaches(id, 'cancelled');
  expect(['ended', null]).toContain(birthOf(pid));

  addRun(project, { id: 'unproven', kind: 'sft', name: 'unproven' });
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const at = path.join(original, 'runs', 'unproven');
  fs.mkdirSync(at);
  const speak = setInterval(
    () =>
      writeHeartbeat(at, { ...readHeartbeat(folder)!, pid: other.pid!, birth: birthOf(other.pid!), at: Date.now() }),
    50,
  ); // as a system would that tells no birth
  await runs.queue.close();
  runs = openQueue(project, deaf);
  runs.queue.cancel('unproven');
  await runs.until(() => runs.queue.get('unproven').notices.length > 0, 'the notice');
  expect(runs.queue.get('unproven').notices).toEqual([
    expect.stringContaining('could not be proven, so it was not ended by force'),
  ]);
  expect(fs.readFileSync(path.join(at, 'control'), 'utf8')).toBe('cancel');
  expect(other.exitCode ?? other.signalCode).toBe(null);
  clearInterval(speak);
  other.kill('SIGKILL');
  await runs.reaches('unproven', 'cancelled');
});
