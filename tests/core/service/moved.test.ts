// The project's folder goes from its place while a service has it open: what the calls say, what the windows hear, and
// the ways out.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Rank } from '#core/contract/rankings.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { listRankings } from '#core/store/rankings.ts';
import { deskWorld } from './desk-world.ts';
import { openedService } from './opened-service.ts';
import type { CallFault } from './opened-service.ts';

const service = openedService();
afterAll(() => service.remove());
const at = (...names: string[]) => join(service.home, ...names);
let made = 0;

/** A fresh project that is open, and how to rank its next item as the window does. */
async function labelling() {
  const folder = at(`study-${++made}.tastemaker`);
  const { project, labelerId } = deskWorld(folder, { prompts: 40 });
  project.close();
  await service.call('project.open', { folder });
  let from: number | undefined;
  const confirmed = new Map<number, Rank[]>();
  const rank = async () => {
    const item = (await service.call('desk.item', {
      labelerId,
      queue: 'sequential',
      ...(from === undefined ? {} : { from, step: 1 as const }),
    }))!;
    const ranks = item.answers.map(({ completionId }, i) => ({ completionId, rank: i + 1 }));
    await service.call('desk.draft', { labelerId, itemId: item.itemId, changes: { ranks }, durationMs: 10 });
    await service.call('desk.submit', { labelerId, itemId: item.itemId, status: 'ranked', durationMs: 10 });
    confirmed.set(item.itemId, ranks);
    from = item.itemId;
  };
  for (let i = 0; i < 5; i++) await rank();
  return { folder, labelerId, confirmed, rank };
}
const faultOf = async (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error as CallFault).fault,
  );
const rankedIn = (folder: string, labelerId: number) => {
  const project = openProject(folder, { write: true });
  try {
    expect(checkProject(project)).toEqual([]);
    return listRankings(project, { labelerId }).map(({ itemId }) => itemId);
  } finally {
    project.close();
  }
};
/** Waits until the windows have been told, which they are within seconds even where nobody writes. */
async function told() {
  const heard = () =>
    service.events.findLast(({ event }) => event === 'project.changed')?.data as
      | { project: { strayed: { found: string | null; sentence: string } | null } | null }
      | undefined;
  for (let i = 0; i < 200 && !heard()?.project?.strayed; i++) await new Promise((resolve) => setTimeout(resolve, 25));
  return heard()!.project!.strayed!;
}

const WAYS = ['moved', 'deleted', 'exchanged'] as const;
test.each([1, 2, 3].flatMap((round) => WAYS.map((way) => ({ way, round }))))(
  '$way ($round): no confirmation, nothing lost, no ghost, and the work is saved elsewhere',
  async ({ way }) => {
    const { folder, labelerId, confirmed, rank } = await labelling();
    const aside = `${folder}.aside`;
    if (way === 'deleted') rmSync(folder, { recursive: true });
    else renameSync(folder, aside);
    if (way === 'exchanged') {
      const { project } = deskWorld(folder, { prompts: 3 });
      project.close();
    }
    const there = existsSync(folder) ? readdirSync(folder, { recursive: true }).sort() : null;
    for (let i = 0; i < 3; i++) expect((await faultOf(rank()))?.code).toBe('moved');
    for (const [name, args] of [
      ['guidelines.save', { text: 'x' }],
      ['project.backup', {}],
      ['project.check', {}],
      ['labelers.add', { name: 'eve' }],
    ] as const)
      expect([name, (await faultOf(service.call(name, args as never)))?.code]).toEqual([name, 'moved']);
    const note = await told();
    expect(note.sentence).toMatch(/while it was open/);
    const whereabouts = way === 'deleted' ? null : aside;
    expect(process.platform === 'linux' ? note.found : whereabouts).toBe(whereabouts);
    expect((await service.call('prompts.page', { offset: 0, limit: 5 })).total).toBe(40); // reading goes on
    const copy = at(`copy-${made}`);
    const state = await service.call('project.saveCopy', { folder: copy });
    expect(state.project).toMatchObject({ folder: `${copy}.tastemaker`, rankings: confirmed.size, strayed: null });
    await service.call('project.close', {});
    expect(new Set(rankedIn(`${copy}.tastemaker`, labelerId))).toEqual(new Set(confirmed.keys()));
    // and it is not locked
    const place = way === 'deleted' ? `${copy}.tastemaker` : aside;
    expect(new Set(rankedIn(place, labelerId))).toEqual(new Set(confirmed.keys()));
    expect(existsSync(folder) ? readdirSync(folder, { recursive: true }).sort() : null).toEqual(there); // no ghost
  },
);

test('opened where it lies now, it goes on there', async () => {
  const { folder, labelerId, confirmed, rank } = await labelling();
  const aside = `${folder}.aside`;
  renameSync(folder, aside);
  await faultOf(rank());
  const state = await service.call('project.open', { folder: aside });
  expect(state.project).toMatchObject({ folder: aside, rankings: confirmed.size, strayed: null });
  await rank();
  await service.call('project.close', {});
  expect(rankedIn(aside, labelerId)).toHaveLength(confirmed.size);
  expect(existsSync(folder)).toBe(false);
});

test('an import that is at work when the folder goes is told so, and what it brought is not left half', async () => {
  const { folder } = await labelling();
  const aside = `${folder}.aside`;
  const file = at('many.jsonl');
  writeFileSync(file, Array.from({ length: 20_000 }, (_, i) => JSON.stringify({ prompt: `Imported ${i}` })).join('\n'));
  const importing = faultOf(service.call('imports.run', { path: file, kind: 'prompts', map: {}, split: 'train' }));
  while (!service.events.some(({ event }) => event === 'data.importing'))
    await new Promise((resolve) => setTimeout(resolve, 5));
  renameSync(folder, aside);
  expect((await importing)?.code).toBe('moved');
  await service.call('project.close', {});
  const again = openProject(aside, { write: true });
  expect(again.db.prepare('SELECT count(*) AS n FROM prompts').get()).toEqual({ n: 40 });
  again.close();
});

test('another project that was put in the place of an open one is opened by its path', async () => {
  const { folder } = await labelling();
  renameSync(folder, `${folder}.aside`);
  const { project } = deskWorld(folder, { prompts: 3 });
  project.close();
  expect((await service.call('project.open', { folder })).project).toMatchObject({
    folder,
    prompts: { train: 3 },
    strayed: null,
  });
  mkdirSync(at('elsewhere'));
  await service.call('project.close', {});
});

test('a run that is at work when the folder is exchanged ends, writes nothing into the other project, and is resumed where it lies now', async () => {
  const folder = at('demo.tastemaker');
  const aside = `${folder}.aside`;
  await service.call('project.create', { folder, demo: true });
  const sampling = async () => {
    for (let i = 0; i < 600; i++) {
      const run = (await service.call('runs.list', {})).find(
        ({ phase, status }) => status === 'running' && phase !== 'starting',
      );
      if (run) return run;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('no run began');
  };
  const { id } = await sampling();
  const { pid } = JSON.parse(readFileSync(join(folder, 'runs', id, 'heartbeat.json'), 'utf8')) as { pid: number };
  renameSync(folder, aside);
  // another project, with a run of the same name
  cpSync(join(aside, 'models'), join(folder, 'models'), { recursive: true });
  mkdirSync(join(folder, 'runs', id, 'checkpoints'), { recursive: true });
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let i = 0; i < 300 && alive(); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(alive()).toBe(false);
  expect(readdirSync(join(folder, 'runs'), { recursive: true }).sort()).toEqual([id, join(id, 'checkpoints')]);
  await service.call('project.open', { folder: aside });
  const ended = async () => {
    for (let i = 0; i < 100; i++) {
      const run = (await service.call('runs.list', {})).find((one) => one.id === id)!;
      if (run.status !== 'running') return run;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('it is still called running');
  };
  expect(await ended()).toMatchObject({ status: 'failed', resumable: true });
  await service.call('project.close', {});
});
