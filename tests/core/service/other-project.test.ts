// Two projects with the same ids in one service: what is meant for one is never done in the other.
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Arguments, ProjectCall } from '#core/contract/calls.ts';
import type { EventName } from '#core/contract/events.ts';
import { EVENT_OF } from '#core/contract/events.ts';
import { openProject } from '#core/store/database.ts';
import { listEvents } from '#core/store/events.ts';
import type { Project } from '#core/store/project.ts';
import { deskWorld } from './desk-world.ts';
import { openedService } from './opened-service.ts';

const root = mkdtempSync(join(tmpdir(), 'other-project-'));
const made = { amber: join(root, 'amber.tastemaker'), blue: join(root, 'blue.tastemaker') };
const { project, labelerId } = deskWorld(made.amber);
project.close();
cpSync(made.amber, made.blue, { recursive: true }); // a copy: every id is there twice

const service = openedService();
afterAll(async () => {
  await service.remove();
  rmSync(root, { recursive: true, force: true });
});
/** Opens a project; its id. */
async function open(name: keyof typeof made): Promise<string> {
  return (await service.call('project.open', { folder: made[name] })).project!.id;
}
function read<T>(folder: string, look: (opened: Project) => T): T {
  const opened = openProject(folder, { write: false });
  try {
    return look(opened);
  } finally {
    opened.close();
  }
}
const TABLES = [
  'prompts',
  'completions',
  'items',
  'drafts',
  'rankings',
  'marks',
  'ratings',
  'flags',
  'labelers',
  'runs',
  'events',
  'settings',
  'guidelines',
  'policies',
];
const rowsOf = (folder: string) =>
  read(folder, ({ db }) =>
    Object.fromEntries(TABLES.map((table) => [table, db.prepare(`SELECT * FROM ${table}`).all()])),
  );

beforeEach(() => void service.events.splice(0));

describe('the id of a project', () => {
  test('tells a copy from its original, and is the same whenever the project is opened, by any process', async () => {
    const [amber, blue] = [await open('amber'), await open('blue')];
    expect(amber).not.toBe(blue);
    expect(await open('amber')).toBe(amber);
    await service.call('project.close', {});
    const later = openedService();
    expect((await later.call('project.open', { folder: made.amber })).project!.id).toBe(amber);
    await later.remove();
  });

  test('is another one where another project was put into the folder', async () => {
    const folder = join(root, 'replaced.tastemaker');
    cpSync(made.amber, folder, { recursive: true });
    const before = (await service.call('project.open', { folder })).project!.id;
    await service.call('project.close', {});
    rmSync(folder, { recursive: true });
    cpSync(made.blue, folder, { recursive: true });
    expect((await service.call('project.open', { folder })).project!.id).not.toBe(before);
  });
});

/** Calls that change something, with arguments that would be right. */
const CHANGES: { [K in ProjectCall]?: Arguments<K> } = {
  'project.setSettings': { changes: { sessionGoal: 3 } },
  'labelers.add': { name: 'Carol' },
  'project.close': {},
  'desk.draft': { labelerId, itemId: 1, changes: { note: 'foreign' }, durationMs: 1 },
  'desk.submit': { labelerId, itemId: 1, status: 'skipped', durationMs: 1 },
  'desk.flag': { labelerId, itemId: 1, flagged: true },
  'desk.undo': { labelerId },
  'desk.redo': { labelerId },
  'marks.add': { completionId: 1, labelerId, start: 0, end: 3, label: 'good', note: null },
  'ratings.set': { completionId: 1, labelerId, axis: 'overall', value: 4 },
  'guidelines.save': { text: 'foreign' },
  'prompts.setSplit': { promptIds: [1], split: 'test' },
  'prompts.divide': { validation: 0.5, test: 0, seed: 1 },
  'prompts.remove': { promptIds: [1] },
  'events.undo': { eventId: 1 },
  'samples.flag': { completionId: 1, labelerId, flagged: true },
  'samples.request': { completionIds: [1, 2], reason: 'foreign' },
  'models.rename': { modelId: 1, name: 'foreign' },
  'models.remove': { modelId: 2 },
};

describe('a call', () => {
  test.each(Object.keys(CHANGES) as ProjectCall[])(
    '%s with the id of another project is refused, and nothing changes',
    async (name) => {
      const amber = await open('amber');
      await open('blue');
      const before = rowsOf(made.blue);
      service.events.splice(0);
      const refused = await service
        .call(name, CHANGES[name] as never, amber)
        .catch((error: { fault: unknown }) => error.fault);
      expect(refused).toMatchObject({
        code: 'wrong-project',
        message: expect.stringContaining('"blue" is open now'),
        hint: expect.stringContaining('Open the project'),
      });
      // nor one that says nothing
      await expect(service.call(name, CHANGES[name] as never, null)).rejects.toThrow('wrong-project');
      expect(rowsOf(made.blue)).toEqual(before);
      expect(service.events).toEqual([]);
    },
  );

  test('of a project that was closed is refused where none is open, and carried out again when it is', async () => {
    const amber = await open('amber');
    const note = { labelerId, itemId: 2, changes: { note: 'mine' }, durationMs: 1 };
    const begun = performance.now();
    await service.call('project.close', {});
    expect(performance.now() - begun).toBeLessThan(4000); // closing does not wait for itself
    await expect(service.call('desk.draft', note, amber)).rejects.toThrow('wrong-project: No project is open any more');
    await open('amber');
    await service.call('desk.draft', note, amber);
    expect(read(made.amber, listEvents).at(-1)).toMatchObject({ kind: 'draft.change', detail: { itemId: 2 } });
  });

  test('that is still at work when another project is opened writes into its own alone, and tells nobody', async () => {
    const file = join(root, 'many.jsonl');
    writeFileSync(
      file,
      Array.from({ length: 20_000 }, (_, i) => JSON.stringify({ prompt: `Imported ${i}` })).join('\n'),
    );
    const amber = await open('amber');
    const blue = rowsOf(made.blue);
    service.events.splice(0);
    const importing = service
      .call('imports.run', { path: file, kind: 'prompts', map: {}, split: 'train' })
      .catch(() => null);
    await open('blue');
    const result = await importing;
    const told = service.events.map(({ event, project: whose }) => [event, whose] as const);
    const opened = told.findIndex(([event]) => event === 'preferences.changed');
    expect(told.slice(opened).filter(([, whose]) => whose === amber)).toEqual([]);
    expect({ ...rowsOf(made.blue), settings: [] }).toEqual({ ...blue, settings: [] });
    expect(result).toBeNull(); // it was told that the project was closed
    await open('amber');
    expect(rowsOf(made.amber)['prompts']).toHaveLength(6); // whole or gone: what had come in went at this opening
    await open('blue');
  });
});

test('every event says whose it is', async () => {
  const amber = await open('amber');
  await service.call('desk.flag', { labelerId, itemId: 3, flagged: true });
  await service.call('guidelines.save', { text: 'Be kind.' });
  await service.call('prompts.setSplit', { promptIds: [3], split: 'validation' });
  const heard = new Map<EventName, string | null>(service.events.map(({ event, project: whose }) => [event, whose]));
  expect([...heard.keys()]).toEqual(
    expect.arrayContaining(['project.changed', 'preferences.changed', 'labels.changed', 'data.changed']),
  );
  for (const [event, whose] of heard)
    expect([event, whose]).toEqual([event, EVENT_OF[event] === 'project' ? amber : null]);
});

describe('before a project is closed', () => {
  const leaving = () => service.events.find(({ event }) => event === 'project.leaving');
  const until = async (holds: () => unknown) => {
    while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  test('windows write what they still have, which lands in it', async () => {
    const amber = await open('amber');
    service.events.splice(0);
    service.watched(1);
    const opening = open('blue');
    await until(leaving);
    expect(leaving()).toMatchObject({ project: amber });
    await service.call('desk.draft', { labelerId, itemId: 4, changes: { note: 'typed last' }, durationMs: 1 }, amber);
    await service.call('project.left', {}, amber);
    const blue = await opening;
    service.watched(0);
    expect(service.project()).toBe(blue);
    expect(read(made.amber, ({ db }) => db.prepare('SELECT note FROM drafts WHERE item_id = 4').get())).toEqual({
      note: 'typed last',
    });
  });

  test('one that does not answer keeps nobody waiting for long', async () => {
    await open('amber');
    service.watched(2);
    const begun = performance.now();
    await open('blue');
    service.watched(0);
    expect(performance.now() - begun).toBeGreaterThan(490);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
