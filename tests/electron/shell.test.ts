// The shell as a whole on the stand-in for `electron`, with a real service behind it.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { Notice, Reply } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { getRun } from '#core/store/runs.ts';
import * as fake from './fake-electron.ts';

vi.mock('electron', () => fake);
const { startShell } = await import('#electron/shell.ts');

const folder = mkdtempSync(join(tmpdir(), 'shell-projects-'));
const [first, second] = ['first', 'second'].map((name) => join(folder, `${name}.tastemaker`)) as [string, string];
const window = () => fake.BrowserWindow.all[0]!;
const ours = () => ({ senderFrame: window().webContents.mainFrame, sender: window().webContents });
let ids = 0;
/** As a window does, for the project that it shows. */
const call = async (name: string, args: unknown, project: string | null = null) =>
  (await fake.handlers.get('call')!(ours(), { id: ++ids, call: name, args, project })) as Reply;
const state = async () => ((await call('app.state', {})) as { result: AppState }).result;
const until = (check: () => unknown) =>
  vi.waitFor(async () => expect(await check()).toBeTruthy(), { timeout: 20_000, interval: 50 });

beforeAll(async () => {
  const { ensureBuilt } = (await import(join(process.cwd(), 'build/bundles.mjs'))) as {
    ensureBuilt(root: string): Promise<{ ok: boolean }>;
  };
  if (!(await ensureBuilt(process.cwd())).ok) throw new Error('the window could not be built');
  createProject(first).close();
  (await createDemoProject(second, { prompts: 400, validation: 0, heldOut: 8, seed: 1 })).close();
  process.argv = ['electron', '.', first];
  await startShell();
});
test('the window is isolated, sandboxed, of a sensible size, and shows the built page', () => {
  expect(window().options).toMatchObject({
    minWidth: 1100,
    minHeight: 700,
    show: false,
    webPreferences: { contextIsolation: true, nodeIntegration: false, sandbox: true, webviewTag: false },
  });
  expect(window().webContents.url).toBe('app://window/index.html');
  expect(fake.calls('enableSandbox')).toHaveLength(1);
  expect(fake.calls('crashReporter')).toEqual([[{ uploadToServer: false }]]);
  window().emit('ready-to-show');
  expect(fake.calls('show')).toHaveLength(1);
});

test('the project among the arguments is open, and calls reach the real service', async () => {
  expect((await state()).project).toMatchObject({ folder: first, name: 'first' });
  expect(await call('no.such', {})).toMatchObject({ id: ids, fault: { message: expect.stringContaining('no.such') } });
});

test('a foreign frame is refused on every channel', async () => {
  const foreign = { senderFrame: { url: 'https://example.org/' }, sender: window().webContents };
  await expect(async () => fake.handlers.get('call')!(foreign, { id: 1, call: 'app.state', args: {} })).rejects.toThrow(
    'Refused.',
  );
  await expect(async () => fake.handlers.get('choose')!(foreign, 'folder', 'x')).rejects.toThrow('Refused.');
  await expect(async () => fake.handlers.get('choose')!(ours(), 'toString', 'x')).rejects.toThrow('Refused.');
});

test('a second start hands its project over and the window comes to the front', async () => {
  fake.app.emit('second-instance', {}, ['electron', '.', 'second.tastemaker'], folder);
  await until(async () => (await state()).project?.folder === second);
  expect(fake.calls('focus').length).toBeGreaterThan(0);
  await until(() => fake.calls('addRecentDocument').some(([path]) => path === second));
});

test('a double-clicked file opens its project; what cannot be opened is said', async () => {
  const event = { preventDefault: vi.fn<() => void>() };
  fake.app.emit('open-file', event, join(first, 'project.db'));
  await until(async () => (await state()).project?.folder === first);
  expect(event.preventDefault).toHaveBeenCalled();
});

test('changes reach the window as notices, and the menu knows the recent projects', async () => {
  await until(() =>
    window().webContents.sent.some(
      ([channel, notice]) => channel === 'notice' && (notice as Notice).event === 'project.changed',
    ),
  );
  const menus = fake.calls('setApplicationMenu').at(-1)![0] as {
    label: string;
    submenu: { label?: string; submenu?: { label: string }[] }[];
  }[];
  await until(
    () =>
      menus.find(({ label }) => label === 'File')!.submenu.find(({ label }) => label === 'Open recent')!.submenu!
        .length > 0,
  );
});

test('dialogs open where the last one ended', async () => {
  fake.answers.open = [join(folder, 'models/gpt2')];
  expect(await fake.handlers.get('choose')!(ours(), 'folder', 'A model')).toBe(join(folder, 'models/gpt2'));
  fake.answers.open = [];
  expect(await fake.handlers.get('choose')!(ours(), 'file', 'A file')).toBeNull();
  expect(fake.calls('showOpenDialog').at(-1)![0]).toMatchObject({
    defaultPath: join(folder, 'models'),
    properties: ['openFile'],
  });
});

test('a window that crashed shows the page with three ways on, and each works', async () => {
  fake.app.emit('activate');
  const { webContents } = window();
  webContents.emit('render-process-gone', {}, { reason: 'crashed' });
  expect(webContents.url).toBe('app://shell/window');
  expect(await (await fake.schemes.answer!(new Request('app://shell/window'))).text()).toContain(
    'What is known: crashed',
  );
  const follow = (what: string) =>
    webContents.emit('will-navigate', { url: `app://shell/do/${what}`, preventDefault: () => {} });
  follow('logs');
  follow('diagnostics');
  expect(fake.calls('openPath')[0]![0]).toContain('logs');
  expect(fake.calls('clipboard')[0]![0]).toMatch(/^Tastemaker: crashed\n/);
  follow('restart');
  await until(() => webContents.url === 'app://window/index.html');
  expect((await state()).version).toMatch(/^\d/);
});

test('closing while a run is going asks; cancel keeps the window, stop saves the run and leaves', async () => {
  const opened = (await call('project.open', { folder: second })) as { result: AppState };
  const started = await call(
    'runs.start',
    { recipe: 'sample', config: { policy: 'base', k: 4, prompts: 0 }, name: null },
    opened.result.project!.id,
  );
  expect(started).toHaveProperty('result');
  const { id } = (started as { result: RunRow }).result;
  await until(() => fake.calls('blocker.start').length);
  fake.answers.messageBox = 2;
  expect(window().close()).toBe(false);
  await until(() => fake.calls('showMessageBox').length === 1);
  expect(fake.calls('quit')).toHaveLength(0);
  fake.answers.messageBox = 1;
  expect(window().close()).toBe(false);
  await until(() => fake.calls('quit').length === 1);
  await until(() => fake.calls('exit').length);
  const project = openProject(second, { write: false });
  expect(['stopping', 'stopped', 'done']).toContain(getRun(project, id).status);
  project.close();
});
