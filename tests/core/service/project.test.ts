// Opening, making, closing, checking and copying a project through the service's calls; the files browser and the
// diagnostics.
import Database from 'better-sqlite3';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openProject } from '#core/store/database.ts';
import { openedService } from './opened-service.ts';
import type { OpenedService } from './opened-service.ts';

let service: OpenedService;
const at = (...names: string[]) => join(service.home, ...names);
beforeAll(() => (service = openedService()));
afterAll(() => service.remove());
beforeEach(() => void service.events.splice(0));

describe('a project', () => {
  test('without one, its calls say so', async () => {
    expect((await service.call('app.state', {})).project).toBeNull();
    for (const name of ['project.check', 'project.backup'] as const)
      await expect(service.call(name, {})).rejects.toThrow('bad-argument: No project is open.');
    await expect(service.call('labelers.add', { name: 'Ada' })).rejects.toThrow('No project is open.');
    expect((await service.call('project.close', {})).project).toBeNull();
  });

  test('made by name, it is open, can be labelled at once, and is among the recent ones', async () => {
    const state = await service.call('project.create', { folder: at('first'), demo: false });
    const none = { modelId: null, name: null, by: 'rule', reason: 'there is none yet', proposal: null };
    expect(state.project).toEqual({
      current: { policy: none, reward: none, doubt: null },
      id: service.project(),
      folder: at('first.tastemaker'),
      name: 'first',
      prompts: { train: 0, validation: 0, test: 0 },
      completions: 0,
      rankings: 0,
      comparisons: 0,
      teaching: 0,
      simulated: 0,
      wanted: 10,
      left: 0,
      models: 0,
      runs: 0,
      resting: 0,
      isDemo: false,
      notices: [],
      straddling: 0,
      strayed: null,
    });
    expect(state.labelers).toEqual([{ id: state.settings!.labelerId, name: userInfo().username, kind: 'person' }]);
    expect(state.preferences.recent.map(({ folder }) => folder)).toEqual([at('first.tastemaker')]);
    expect(service.events.map(({ event }) => event)).toEqual(['project.changed', 'preferences.changed']);
  });

  test('a second one takes its place, and frees it for others', async () => {
    await service.call('project.create', { folder: at('second.tastemaker'), demo: false });
    openProject(at('first.tastemaker'), { write: true }).close(); // not locked any more
    expect(() => openProject(at('second.tastemaker'), { write: true })).toThrow('already open');
    const state = await service.call('project.open', { folder: at('first.tastemaker/project.db') });
    expect(state.project!.name).toBe('first');
    expect(state.preferences.recent.map(({ name }) => name)).toEqual(['first', 'second']);
    expect(await service.call('project.open', { folder: at('first.tastemaker') })).toHaveProperty(
      'project.name',
      'first',
    ); // once more changes nothing
  });

  test.each([
    ['gone.tastemaker', 'bad-file: There is no project at'],
    ['damaged.tastemaker', 'is damaged or not a project'],
    ['second.tastemaker', 'locked: '],
  ])('one that cannot be opened (%s) leaves the other one open', async (name, sentence) => {
    mkdirSync(at('damaged.tastemaker'), { recursive: true });
    writeFileSync(at('damaged.tastemaker/project.db'), 'no database at all'.repeat(20));
    const other = name === 'second.tastemaker' ? openProject(at(name), { write: true }) : null;
    await expect(service.call('project.open', { folder: at(name) })).rejects.toThrow(sentence);
    other?.close();
    expect(await service.call('app.state', {})).toHaveProperty('project.name', 'first');
    expect(service.events).toEqual([]);
  });

  test('one is not made over another', async () => {
    await expect(service.call('project.create', { folder: at('second'), demo: false })).rejects.toThrow(
      'already holds a project',
    );
    await expect(service.call('project.create', { folder: at('second'), demo: true })).rejects.toThrow(
      'already holds a project',
    );
    expect(await service.call('app.state', {})).toHaveProperty('project.name', 'first');
  });

  test('its settings are checked, kept, and told to every window', async () => {
    const settings = await service.call('project.setSettings', {
      changes: { axes: [' overall ', 'tone'], sessionGoal: 7 },
    });
    expect(settings).toMatchObject({ axes: ['overall', 'tone'], sessionGoal: 7, markLabels: ['good', 'bad'] });
    expect(service.events).toEqual([
      { event: 'project.changed', project: null, data: expect.objectContaining({ settings }) },
    ]);
    await expect(service.call('project.setSettings', { changes: { axes: ['a', 'a '] } })).rejects.toThrow(
      'Two of the axes have the same name',
    );
    await expect(service.call('project.setSettings', { changes: { labelerId: 99 } })).rejects.toThrow(
      'There is no labeler 99',
    );
    await expect(service.call('project.setSettings', { changes: { rewardModelId: 99 } })).rejects.toThrow(
      'There is no policy 99',
    );
    await service.call('project.close', {});
    expect(await service.call('project.open', { folder: at('first.tastemaker') })).toHaveProperty('settings', settings);
  });

  test('a labeler is added once; two calls that open wait for each other', async () => {
    const ada = await service.call('labelers.add', { name: ' Ada ' });
    expect(ada).toMatchObject({ name: 'Ada', kind: 'person' });
    expect(await service.call('labelers.add', { name: 'Ada' })).toEqual(ada);
    await expect(service.call('labelers.add', { name: ' ' })).rejects.toThrow('needs a name');
    const states = await Promise.all(
      ['second', 'first', 'second'].map((name) => service.call('project.open', { folder: at(`${name}.tastemaker`) })),
    );
    expect(states.at(-1)!.project!.name).toBe('second');
    await service.call('project.open', { folder: at('first.tastemaker') });
  });

  test('check and backup run beside the service, which answers meanwhile', async () => {
    const checking = service.call('project.check', {});
    const copying = service.call('project.backup', {});
    let answered = 0;
    for (let i = 0; i < 5; i++) answered += Number((await service.call('app.state', {})).project?.name === 'first');
    expect(answered).toBe(5);
    expect(await checking).toEqual({ problems: [] });
    const { file } = await copying;
    expect(file).toMatch(/first\.tastemaker[/\\]backups[/\\]project-.*\.db$/);
    mkdirSync(at('copy.tastemaker'));
    writeFileSync(at('copy.tastemaker/project.db'), readFileSync(file));
    const copy = openProject(at('copy.tastemaker'), { write: false });
    expect(copy.db.prepare('SELECT count(*) AS n FROM labelers').get()).toEqual({ n: 2 });
    copy.close();
  });

  test('when the service ends, the project is closed whole', async () => {
    const other = openedService();
    await other.call('project.create', { folder: join(other.home, 'p'), demo: false });
    expect(existsSync(join(other.home, 'p.tastemaker/project.lock'))).toBe(true);
    await other.close();
    expect(existsSync(join(other.home, 'p.tastemaker/project.lock'))).toBe(false);
    expect(existsSync(join(other.home, 'p.tastemaker/project.db-wal'))).toBe(false);
    await other.remove();
  });
});

describe('the files browser', () => {
  test('knows what Tastemaker can read, folders first', async () => {
    mkdirSync(at('files/b-model'), { recursive: true });
    mkdirSync(at('files/a folder'));
    mkdirSync(at('files/empty.tastemaker'));
    mkdirSync(at('files/config-only'));
    for (const file of [
      'b-model/config.json',
      'b-model/model-00001-of-00002.safetensors',
      'config-only/config.json',
      'x10.jsonl',
      'x9.CSV',
      'm.gguf',
      'notes.pdf',
      '.hidden.txt',
    ])
      writeFileSync(at('files', file), 'abc');
    symlinkSync(at('first.tastemaker'), at('files/p.tastemaker'));
    symlinkSync(at('nowhere'), at('files/broken.txt'));
    const { folder, parent, entries } = await service.call('files.list', { folder: at('files') });
    expect([folder, parent]).toEqual([at('files'), service.home]);
    expect(entries.map(({ name, folder: isFolder, kind, bytes }) => [name, isFolder, kind, bytes])).toEqual([
      ['a folder', true, null, 0],
      ['b-model', true, 'model', 0],
      ['config-only', true, null, 0],
      ['empty.tastemaker', true, null, 0],
      ['p.tastemaker', true, 'project', 0],
      ['m.gguf', false, 'gguf', 3],
      ['notes.pdf', false, null, 3],
      ['x9.CSV', false, 'data', 3],
      ['x10.jsonl', false, 'data', 3],
    ]);
    expect(entries[0]!.path).toBe(at('files/a folder'));
  });

  test('begins where the person was, or at home', async () => {
    expect((await service.call('files.list', { folder: null })).folder).toBe(homedir());
    await service.call('app.setPreferences', { changes: { lastFolder: at('files') } });
    expect((await service.call('files.list', { folder: null })).folder).toBe(at('files'));
    await service.call('app.setPreferences', { changes: { lastFolder: at('gone') } });
    expect((await service.call('files.list', { folder: null })).folder).toBe(homedir());
    expect((await service.call('files.list', { folder: '~' })).folder).toBe(homedir());
    expect((await service.call('files.list', { folder: '/' })).parent).toBeNull();
  });

  test('says in one sentence what cannot be listed', async (context) => {
    await expect(service.call('files.list', { folder: at('gone') })).rejects.toThrow(
      `bad-file: ${at('gone')} does not exist.`,
    );
    await expect(service.call('files.list', { folder: at('files/m.gguf') })).rejects.toThrow('is not a folder.');
    if (process.getuid?.() === 0) return context.skip('root may read everything');
    chmodSync(at('files/a folder'), 0);
    await expect(service.call('files.list', { folder: at('files/a folder') })).rejects.toThrow(
      'may not be read by you.',
    );
    chmodSync(at('files/a folder'), 0o700);
  });
});

describe('diagnostics', () => {
  test('name versions, machine and sizes, and no folder of the person', async () => {
    const { text } = await service.call('app.diagnostics', {});
    expect(text).toMatch(/^Tastemaker \d+\.\d+\.\d+, Node 2\d\./);
    expect(text).toMatch(/Project: 0 \+ 0 \+ 0 prompts/);
    expect(text).not.toContain(service.home);
    expect(text).not.toContain('first.tastemaker');
  });
});

test('a mistake of ours is one sentence for the person, and its stack is in the log', async () => {
  await service.call('project.open', { folder: at('second.tastemaker') });
  const stranger = new Database(at('second.tastemaker/project.db'));
  stranger.exec('DROP TABLE settings');
  stranger.close();
  await expect(service.call('project.setSettings', { changes: { sessionGoal: 1 } })).rejects.toThrow(
    'crash: Tastemaker made a mistake in "project.setSettings" and could not answer.',
  );
  expect(readFileSync(at('logs/service.log'), 'utf8')).toMatch(
    /project\.setSettings: SqliteError: no such table: settings\n {4}at /,
  );
});
