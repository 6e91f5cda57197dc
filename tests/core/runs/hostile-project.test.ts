// A stranger's project, opened and even let go: nothing outside it is read, written or made, nothing is killed, nothing
// runs unasked.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { livingProcess, provenProcess, takeAsked } from '#core/runs/control.ts';
import { chainOf } from '#core/runs/model-chain.ts';
import { writeLog } from '#core/runs/run-log.ts';
import { birthOf } from '#core/store/process-birth.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRun, listRuns } from '#core/store/runs.ts';
import { openQueue, QUICK } from './run-queue.ts';
import type { TestQueue } from './run-queue.ts';
import { beatOf, ended, fingerprint, openCopy, plantFile, plantRun } from './strangers-project.ts';
import { errorFrom, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const posix = process.platform !== 'win32'; // making a link takes a right there that few have
const fresh = temporaryProjects();
const original = fresh();
const outside = fs.mkdtempSync(path.join(os.tmpdir(), 'outside-'));
let project: Project, runs: TestQueue | null, innocent: ChildProcess, before: Record<string, string>;

beforeAll(() => {
  createProject(original).close();
  innocent = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true, stdio: 'ignore' });
});
afterAll(() => {
  innocent.kill('SIGKILL');
  fs.rmSync(outside, { recursive: true, force: true });
});
beforeEach(() => {
  fs.rmSync(outside, { recursive: true, force: true });
  plantFile(outside, 'private.txt', 'a private line\n');
  plantFile(path.join(outside, 'victim-folder'), 'precious.txt', 'precious\n');
  plantFile(
    path.join(outside, 'victim-folder', 'checkpoints'),
    '.half.4194999-1.tmp',
    'looks as if a dead process of ours had left it',
  );
  before = fingerprint(outside);
  project = openCopy(original, fresh());
  runs = null;
  return async () => {
    await runs?.queue.close();
    project.close();
    const after = fingerprint(outside);
    const lives = innocent.exitCode === null && innocent.signalCode === null && birthOf(innocent.pid!) !== 'ended';
    if (JSON.stringify(after) !== JSON.stringify(before) || !lives)
      throw new Error(`outside the project: ${JSON.stringify({ before, after, lives })}`);
  };
});
const link = (to: string, folder: string, name: string) => {
  fs.mkdirSync(folder, { recursive: true });
  fs.symlinkSync(path.join(outside, to), path.join(folder, name));
};
const over = () => listRuns(project).every(({ status }) => ['done', 'stopped', 'failed', 'cancelled'].includes(status));

const FILES = [
  'log.txt',
  'process.log',
  'control',
  'heartbeat.json',
  'status.json',
  'manifest.json',
  'rules.json',
  'metrics.jsonl',
  'samples.jsonl',
  'completions.jsonl',
  'measures.jsonl',
  'data.jsonl',
  'validation.jsonl',
  'features.f32',
  'status.json.writing',
];
const FOLDERS = ['checkpoints', 'best', 'model', 'tokenizer'];
test.skipIf(!posix)(
  'a link at any name in the folder of a run fails the run with a sentence, waiting or at work, and nothing is followed',
  async () => {
    for (const [i, name] of [...FILES, ...FOLDERS].entries()) {
      for (const status of ['queued', 'running', 'cancelling'])
        link(
          FOLDERS.includes(name) ? 'victim-folder' : 'private.txt',
          plantRun(project, `${i}-${status}-${name}`, status),
          name,
        );
    }
    link('private.txt', path.join(plantRun(project, 'deeper', 'queued'), 'checkpoints'), '0000001.safetensors');
    link('victim-folder', path.join(project.folder, 'runs'), 'itself');
    plantRun(project, 'itself', 'running');
    const count = 3 * (FILES.length + FOLDERS.length) + 2;
    runs = openQueue(project);
    expect(runs.queue.list().map(({ atRest }) => atRest)).toEqual(Array(count).fill(true));
    for (const { id } of listRuns(project)) {
      expect(livingProcess(path.join(project.folder, 'runs', id))).toBe(null);
      expect(runs.queue.get(id).run.id).toBe(id);
    }
    expect(runs.queue.get('itself').notices).toEqual([expect.stringMatching(/itself is a link/)]);
    expect(runs.queue.letGo(true)).toBe(count);
    await runs.until(over, 'every run to fail');
    for (const run of runs.queue.list())
      expect(run).toMatchObject({
        status: 'failed',
        error: expect.stringMatching(/ is a link, and inside a project no link is followed\./),
      });
    const planted = runs.queue.list().filter(({ id }) => id.startsWith('0-'));
    for (const { id } of planted) expect(() => runs!.queue.cancel(id)).not.toThrow();
  },
);

test.skipIf(!posix)('the process of a run itself follows none either', async () => {
  const folder = plantRun(project, 'alone', 'running');
  link('private.txt', folder, 'log.txt');
  const child = spawn(process.execPath, [path.resolve('core/runs/process.ts'), project.folder, 'alone'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  expect(await new Promise((done) => child.once('close', done))).toBe(1);
  expect(said).toContain('log.txt is a link, and inside a project no link is followed.');
  expect(fs.readdirSync(folder)).toEqual(['log.txt']);
});

test.skipIf(!posix)('a project whose own files or folders are links is not opened', async () => {
  const folder = project.folder;
  project.close();
  for (const name of [
    'runs',
    'exports',
    'backups',
    'project.lock',
    'project.db-wal',
    'project.db-journal',
    'project.db-shm',
    'project.db-checked',
    'project.db',
  ]) {
    const place = path.join(folder, name);
    const aside = `${place}.aside`;
    const was = fs.existsSync(place);
    if (was) fs.renameSync(place, aside);
    link(/^(runs|exports|backups)$/.test(name) ? 'victim-folder' : 'private.txt', folder, name);
    for (const write of [true, false])
      expect(await errorFrom(() => openProject(folder, { write }))).toMatchObject({
        code: 'bad-file',
        message: `${place} is a link, and inside a project no link is followed.`,
      });
    fs.rmSync(place);
    if (was) fs.renameSync(aside, place);
  }
  // the name under which we write it
  fs.symlinkSync(path.join(outside, 'private.txt'), path.join(folder, `project.lock.${process.pid}`));
  fs.symlinkSync(path.join(outside, 'private.txt'), path.join(folder, `known-here.json.writing-${process.pid}`));
  link('victim-folder', path.join(folder, 'runs'), 'swept'); // at the opening half-made things are cleared away
  project = openProject(folder, { write: true });
  runs = openQueue(project);
});

test('ids that lead out of the project, and rows that cannot be right, are left out and said; the others work', async () => {
  const bad = ['../../victim-folder', '..', '.', '/etc', 'a/b', 'a\\b', '', 'line\nbreak', 'x'.repeat(101), '-rf'];
  for (const id of bad) plantRun(project, id, 'queued');
  plantRun(project, '../../../outside', 'running');
  plantRun(project, 'named', 'queued');
  project.db.prepare("UPDATE runs SET name = 'two\nlines' WHERE id = 'named'").run();
  plantRun(project, 'strange', 'queued');
  project.db.prepare("UPDATE runs SET kind = 'r m' WHERE id = 'strange'").run();
  plantRun(project, 'good', 'queued', { batch: 500 });
  project.db
    .prepare("INSERT INTO policies (name, kind, path, created_at) VALUES ('p', 'base', 'models/x\nsecond line', 1)")
    .run();
  expect(checkProject(project)).toEqual([
    ...bad.map(
      (id) =>
        `the run "${id.replace('\n', '�').slice(0, 120)}" is left out: its id cannot name a folder of the project`,
    ),
    'the run "../../../outside" is left out: its id cannot name a folder of the project',
    'the run "named" is left out: its name holds control characters',
    'the run "strange" is left out: "r m" cannot be its kind',
    'the model "p" is left out: its name, its path or its run cannot be right',
  ]);
  runs = openQueue(project);
  expect(runs.queue.list().map(({ id }) => id)).toEqual(['good']);
  for (const id of bad) expect(() => runs!.queue.cancel(id)).toThrow('There is no run');
  runs.queue.letGo(true);
  expect(await runs.reaches('good', 'failed')).toMatchObject({
    error: 'There is no policy called "base" in the project "' + project.name + '".',
  });
});

test('processes that we did not start are left alone, whatever number and birth a heartbeat names', async () => {
  const pid = innocent.pid!;
  const birth = birthOf(pid);
  const claims = {
    'no-birth': beatOf({ pid }),
    born: beatOf({ pid, birth }),
    forged: beatOf({ pid, birth, proof: 'a'.repeat(64) }),
    group: beatOf({ pid: -pid, birth }),
    zero: beatOf({ pid: 0 }),
    half: beatOf({ pid: pid + 0.5 }),
    huge: beatOf({ pid: 2 ** 53 }),
    text: beatOf({ pid: String(pid) as unknown as number, birth }),
  };
  for (const [name, beat] of Object.entries(claims)) {
    for (const status of ['running', 'cancelling']) {
      const folder = plantRun(project, `${name}-${status}`, status);
      plantFile(folder, 'heartbeat.json', beat);
      if (status === 'running') plantFile(folder, 'status.json', ended);
      expect(provenProcess(folder)).toBe(null);
    }
  }
  runs = openQueue(project, { ...QUICK, killAfterMs: 50 });
  runs.queue.letGo(true);
  await runs.until(
    () =>
      runs!.queue
        .list()
        .filter(({ id }) => /^(group|zero|half|huge|text)/.test(id))
        .every(({ status }) => !['running', 'cancelling'].includes(status)),
    'those that name no process',
  );
  await new Promise((done) => setTimeout(done, 500)); // ten times as long as a cancelled one of ours would have
  expect(runs.queue.get('born-cancelling')).toMatchObject({
    run: { status: 'cancelling' },
    notices: [expect.stringMatching(/could not be proven, so it was not ended by force/)],
  });
  for (const id of ['no-birth', 'born', 'forged'])
    plantFile(path.join(project.folder, 'runs', `${id}-cancelling`), 'heartbeat.json', {
      ...claims.born,
      at: Date.now() - 60_000,
    }); // silent since
  await runs.until(() => runs!.queue.get('born-cancelling').run.status === 'cancelled', 'its end');
});

test("wishes that came with it are nobody's, and no wish but to resume or cancel a run that is there is one", async () => {
  const folder = plantRun(project, 'waits', 'queued');
  const wishes = [
    { runId: 'waits', action: 'start' },
    { runId: 'waits', action: 'close' },
    { runId: 'waits', action: 'letGo' },
    { runId: '../../victim-folder', action: 'cancel' },
    { runId: 7, action: 'cancel' },
    null,
    'x',
    { runId: 'none', action: 'resume' },
  ];
  const lines = `${wishes.map((wish) => JSON.stringify(wish)).join('\n')}\n{"runId": "wai\n`;
  plantFile(path.join(project.folder, 'runs'), 'asked.jsonl', `${lines}{"runId":"waits","action":"resume"}\n`);
  runs = openQueue(project);
  await new Promise((done) => setTimeout(done, 300));
  expect(getRun(project, 'waits').status).toBe('queued');
  expect(fs.existsSync(folder)).toBe(false);
  plantFile(path.join(project.folder, 'runs'), 'asked.jsonl', lines);
  await new Promise((done) => setTimeout(done, 300));
  expect(runs.queue.list()).toMatchObject([{ id: 'waits', atRest: true }]);
  // this one is a person's, at this machine
  plantFile(path.join(project.folder, 'runs'), 'asked.jsonl', '{"runId":"waits","action":"cancel"}\n');
  await runs.reaches('waits', 'cancelled');
  if (!posix) return;
  link('private.txt', path.join(project.folder, 'runs'), 'asked.jsonl');
  expect(takeAsked(project.folder)).toEqual([]);
});

test('a line of the log stays one line, whatever stands in it', () => {
  const folder = plantRun(project, 'logs', 'running');
  fs.mkdirSync(folder);
  writeLog(
    folder,
    'The policy model of run logs is gone: /a\n2026-01-01T00:00:00Z command="evil"\r\n\u2028\u001b[31m.',
  );
  expect(fs.readFileSync(path.join(folder, 'log.txt'), 'utf8')).toMatch(
    /^\S+Z The policy model of run logs is gone: \/a 2026-01-01T00:00:00Z command="evil" \[31m\.\n$/,
  );
});

test('small files that cannot be right are none: an ending that points elsewhere, a manifest of another run', async () => {
  const folder = plantRun(project, 'points', 'running');
  plantFile(folder, 'status.json', { ...ended, outcome: { ...ended.outcome, model: '../../../victim-folder' } });
  plantFile(folder, 'manifest.json', {
    id: 'another',
    kind: 'sft',
    name: 'x',
    createdAt: ended.endedAt,
    config: {},
    models: { policy: { path: 'a\n2026-01-01 a false line', sha256: '' } },
    data: { rows: 0, sha256: '' },
  });
  runs = openQueue(project);
  expect(runs.queue.list()).toMatchObject([{ id: 'points', summary: null }]);
  runs.queue.letGo(true);
  expect(await runs.reaches('points', 'failed')).toMatchObject({
    error: expect.stringContaining('manifest.json is missing or damaged.'),
  });
  expect(listPolicies(project)).toEqual([]);
});

test('a model that was made from one whose row is left out is the first of its line', () => {
  const add = project.db.prepare(
    "INSERT INTO policies (id, name, kind, path, parent_id, created_at) VALUES (?, ?, 'base', ?, ?, 1)",
  );
  add.run(1, 'bad', 'models/x\nsecond line', null);
  add.run(2, 'child', 'models/child', 1);
  add.run(3, 'grandchild', 'models/grandchild', 2);
  const policies = listPolicies(project);
  expect(chainOf(policies, policies.at(-1)!).map(({ name }) => name)).toEqual(['child', 'grandchild']);
});
