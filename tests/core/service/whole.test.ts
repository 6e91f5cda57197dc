// Imports that are called off or cut off, backups that are put back, demos that are killed in the making: whole or
// gone, through the service.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import type { ImportKind } from '#core/contract/data.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { query } from '#core/store/project.ts';
import { openedService } from './opened-service.ts';
import type { CallFault } from './opened-service.ts';

const service = openedService();
afterAll(() => service.remove());
beforeEach(() => void service.events.splice(0));
const at = (...names: string[]) => join(service.home, ...names);
const faultOf = async (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error as CallFault).fault,
  );
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const TABLES = [
  'labelers',
  'prompts',
  'completions',
  'items',
  'item_completions',
  'rankings',
  'ranking_items',
  'ratings',
  'marks',
  'events',
  'settings',
];
const rowsOf = (folder: string) => {
  const project = openProject(folder, { write: false });
  try {
    return Object.fromEntries(
      TABLES.map((table) => [table, query(project, `SELECT * FROM ${table} ORDER BY 1, 2`).all()]),
    );
  } finally {
    project.close();
  }
};
const jsonl = (rows: readonly unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');
/** A file of each kind, with everything that such a file may bring. */
const ROWS: Record<string, { kind: ImportKind; row: (i: number) => unknown }> = {
  prompts: {
    kind: 'prompts',
    row: (i) => ({ prompt: `Question number ${i}: what about the ${(i * 7919) % 1009} coins?` }),
  },
  completions: { kind: 'completions', row: (i) => ({ prompt: `Question ${i >> 1}?`, completion: `Answer ${i}.` }) },
  rankings: {
    kind: 'rankings',
    row: (i) => ({
      prompt: `Question ${i}?`,
      completions: ['x', 'y', `z ${i}`],
      ranks: [1, 2, 3],
      labeler: `labeler ${i % 3}`,
    }),
  },
  'ratings and marks': {
    kind: 'rankings',
    row: (i) => ({
      prompt: `Question ${i}?`,
      completions: ['xyz', `answer ${i}`],
      ranks: [1, 2],
      labeler: 'eve',
      ratings: [{ answer: 0, axis: 'tone', value: 3 }],
      marks: [{ answer: 1, start: 0, end: 3, label: 'good' }],
    }),
  },
};
let made = 0;
async function fresh() {
  const folder = at(`p${++made}.tastemaker`);
  await service.call('project.create', { folder, demo: false });
  return folder;
}
const importing = async () => {
  for (let i = 0; i < 2000; i++) {
    const told = service.events.findLast(({ event }) => event === 'data.importing')?.data as
      | { done: number; total: number }
      | undefined;
    if (told && told.done > 0) return told;
    await pause(2);
  }
  throw new Error('the import never began');
};

test.each(Object.entries(ROWS))(
  'an import of %s that is called off leaves nothing, and the next one is whole',
  async (name, { kind, row }) => {
    const folder = await fresh();
    const file = at(`${name.replaceAll(' ', '-')}.jsonl`);
    const before = rowsOf(folder);
    const count = 3000;
    writeFileSync(file, jsonl(Array.from({ length: count }, (_, i) => row(i))));
    const running = faultOf(service.call('imports.run', { path: file, kind, map: {}, split: 'train' }));
    const told = await importing();
    expect(told.total).toBe(count);
    expect(rowsOf(folder)['prompts']!.length).toBeGreaterThan(0);
    await service.call('imports.cancel', { path: file });
    expect(await running).toMatchObject({
      code: 'stopped',
      message: expect.stringContaining('called off: nothing of it is in the project'),
    });
    expect(rowsOf(folder)).toEqual(before);
    const result = await service.call('imports.run', { path: file, kind, map: {}, split: 'train' });
    expect(result).toMatchObject({ added: count, eventId: expect.any(Number) });
    expect(result).toMatchObject(name === 'ratings and marks' ? { made: { ratings: count, marks: count } } : {});
    await service.call('events.undo', { eventId: result.eventId! });
    const { events: _, labelers: __, ...after } = rowsOf(folder);
    const { events: ___, labelers: ____, ...others } = before;
    expect(after).toEqual(others);
  },
);

test('a preview can be called off, too', async () => {
  await fresh();
  const file = at('large.jsonl');
  writeFileSync(file, jsonl(Array.from({ length: 60_000 }, (_, i) => ROWS['rankings']!.row(i))));
  const looking = faultOf(service.call('imports.preview', { path: file, kind: 'rankings', map: {} }));
  const started = performance.now();
  await pause(50);
  await service.call('imports.cancel', { path: file });
  expect((await looking)?.code).toBe('stopped');
  expect(performance.now() - started).toBeLessThan(3000);
});

test('one that is closed in the middle is taken back when the project opens again, closing does not wait for it, and that is said', async () => {
  const folder = await fresh();
  const file = at('many.jsonl');
  const before = rowsOf(folder);
  writeFileSync(file, jsonl(Array.from({ length: 30_000 }, (_, i) => ROWS['prompts']!.row(i))));
  const running = faultOf(service.call('imports.run', { path: file, kind: 'prompts', map: {}, split: 'train' }));
  await importing();
  const started = performance.now();
  await service.call('project.close', {});
  expect(performance.now() - started).toBeLessThan(2000);
  expect((await running)?.message).toMatch(
    /closed while many\.jsonl was being imported: what had come in is taken back when it is opened again/,
  );
  const { project } = await service.call('project.open', { folder });
  expect(project!.notices).toEqual([
    expect.stringContaining('The import of many.jsonl was broken off and has been taken back'),
  ]);
  const { settings: _, ...after } = rowsOf(folder);
  const { settings: __, ...others } = before;
  expect(after).toEqual(others);
  expect(rowsOf(folder)['settings']!.filter((row) => (row as { name: string }).name.startsWith('importing'))).toEqual(
    [],
  );
});

test('a backup is put back through the service: windows show the state of before, and what was there can be had again', async () => {
  const folder = await fresh();
  const add = async (name: string) => {
    writeFileSync(at(`${name}.txt`), name);
    await service.call('imports.run', { path: at(`${name}.txt`), kind: 'prompts', map: {}, split: 'train' });
  };
  await add('first');
  await service.call('project.backup', {});
  await add('second');
  const [backup] = (await service.call('project.backups', {})).backups;
  expect(backup).toMatchObject({ prompts: 1, completions: 0, rankings: 0, problem: null, bytes: expect.any(Number) });
  const id = service.project();
  const state = await service.call('project.restore', { name: backup!.name });
  expect(state.project).toMatchObject({ folder, prompts: { train: 1 } });
  expect(state.project!.id).not.toBe(id); // another state: nothing that a window still has is for it
  expect(await faultOf(service.call('labelers.add', { name: 'late' }, id))).toMatchObject({ code: 'wrong-project' });
  const { backups } = await service.call('project.backups', {});
  expect(backups.map(({ prompts }) => prompts)).toEqual([2, 1]);
  expect((await service.call('project.restore', { name: backups[0]!.name })).project).toMatchObject({
    prompts: { train: 2 },
  });
  const same = service.project();
  expect(await faultOf(service.call('project.restore', { name: 'project-none.db' }))).toMatchObject({
    code: 'bad-argument',
  });
  expect(service.project()).toBe(same); // and the project is open as it was
  expect((await service.call('prompts.page', { offset: 0, limit: 5 })).total).toBe(2);
});

test('a project whose database is damaged is put right from its backups without being open', async () => {
  const folder = await fresh();
  writeFileSync(at('kept.txt'), 'kept');
  await service.call('imports.run', { path: at('kept.txt'), kind: 'prompts', map: {}, split: 'train' });
  await service.call('project.backup', {});
  const [backup] = (await service.call('project.backupsBeside', { folder })).backups;
  const { name } = backup!;
  expect(await faultOf(service.call('project.restoreBeside', { folder, name }))).toMatchObject({
    code: 'bad-argument',
    message: 'The project is open.',
  });
  await service.call('project.close', {});
  writeFileSync(join(folder, 'project.db'), 'no database at all');
  expect(await faultOf(service.call('project.open', { folder }))).toMatchObject({ code: 'bad-file' });
  expect((await service.call('project.backupsBeside', { folder })).backups).toEqual([backup]);
  expect(await faultOf(service.call('project.restoreBeside', { folder, name: 'project-none.db' }))).toMatchObject({
    code: 'bad-argument',
  });
  const state = await service.call('project.restoreBeside', { folder, name });
  expect(state.project).toMatchObject({ folder, prompts: { train: 1 } });
  const damaged = readdirSync(join(folder, 'backups')).find((file) => file.startsWith('damaged-'))!;
  expect(readFileSync(join(folder, 'backups', damaged), 'utf8')).toBe('no database at all');
});

test('a demo that is killed while it is made is gone, its leftovers are swept, and the next one is whole', async () => {
  const place = at('demos');
  mkdirSync(place);
  const folder = join(place, 'tiny.tastemaker');
  for (const ms of [60, 120, 200, 300]) {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(process.cwd(), 'core/cli/main.ts'), 'new', folder, '--demo'],
      { stdio: 'ignore' },
    );
    for (
      let i = 0;
      i < 2000 && !readdirSync(place).some((name) => name.startsWith('.')) && child.exitCode === null;
      i++
    )
      await pause(2);
    await pause(ms / 4);
    child.kill('SIGKILL');
    await once(child, 'exit');
    if (existsSync(folder)) break; // it was quicker
  }
  expect(existsSync(folder) || readdirSync(place).length > 0, 'there is something to sweep').toBe(true);
  const other = join(place, 'another.tastemaker');
  const { project } = await service.call('project.create', { folder: other, demo: true });
  expect(project).toMatchObject({ isDemo: true, runs: 2, models: 1 });
  expect(readdirSync(place).filter((name) => name.startsWith('.'))).toEqual([]);
  await service.call('project.close', {});
  const made2 = openProject(other, { write: false });
  expect(checkProject(made2)).toEqual([]);
  made2.close();
});

test('a name that no file can have, a false version, other tables: each in a sentence', async () => {
  for (const folder of [at('a\0b'), `${at('c')}\u0007d`]) {
    for (const call of [
      service.call('project.create', { folder, demo: false }),
      service.call('project.open', { folder }),
      service.call('imports.preview', { path: folder, kind: 'prompts', map: {} }),
    ]) {
      const fault = await faultOf(call);
      expect(fault).toMatchObject({
        code: 'bad-argument',
        message: expect.stringMatching(/holds a character that no name can have|No project is open/),
      });
    }
  }
});

test('when the host is killed during an import the service ends at once, and the project is free', async () => {
  const folder = await fresh();
  const file = at('killed-host.jsonl');
  await service.call('project.close', {});
  writeFileSync(file, jsonl(Array.from({ length: 40_000 }, (_, i) => ROWS['prompts']!.row(i))));
  const child = fork(join(process.cwd(), 'core/service/main.ts'), [], {
    env: { ...process.env, TASTEMAKER_HOME: at('host') },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const heard: { event?: string; id?: number; data?: { done?: number }; result?: { project: { id: string } } }[] = [];
  child.on('message', (message) => heard.push(message as (typeof heard)[number]));
  const until = async (holds: () => unknown) => {
    for (let i = 0; i < 3000 && !holds(); i++) await pause(5);
  };
  child.send({ id: 1, call: 'project.open', args: { folder }, project: null });
  await until(() => heard.some(({ id }) => id === 1));
  child.send({
    id: 2,
    call: 'imports.run',
    args: { path: file, kind: 'prompts', map: {}, split: 'train' },
    project: heard.find(({ id }) => id === 1)!.result!.project.id,
  });
  await until(() => heard.some(({ event, data }) => event === 'data.importing' && data!.done! > 0));
  const started = performance.now();
  const exited = once(child, 'exit');
  child.disconnect(); // as when the host dies
  await exited;
  // far from the patience of a call that will not end; this machine may be busy
  expect(performance.now() - started).toBeLessThan(4000);
  expect(existsSync(join(folder, 'project.lock'))).toBe(false);
  const { project } = await service.call('project.open', { folder });
  expect(project).toMatchObject({
    prompts: { train: 0 },
    notices: [expect.stringContaining('was broken off and has been taken back')],
  });
});
