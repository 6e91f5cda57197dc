// The shell's own small decisions, each against the stand-in for `electron`.
import { wordsOf } from '#core/service/runs/run-rows.ts';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Notice } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';
import * as fake from './fake-electron.ts';

vi.mock('electron', () => fake);
const { CONTENT_SECURITY_POLICY, registerAppScheme, serveApp } = await import('#electron/app-protocol.ts');
const { crashPage } = await import('#electron/crash-page.ts');
const { shellDiagnostics } = await import('#electron/diagnostics.ts');
const { denyPermissions, guardContents, isOurs } = await import('#electron/guards.ts');
const { menuTemplate } = await import('#electron/menu.ts');
const { projectAmong, projectOf } = await import('#electron/opened-path.ts');
const { watchRuns } = await import('#electron/run-watch.ts');
const { readWindowState, writeWindowState } = await import('#electron/window-state.ts');

const folder = mkdtempSync(join(tmpdir(), 'pieces-'));
beforeEach(() => void fake.record.splice(0));

describe('app://', () => {
  mkdirSync(join(folder, 'window/assets'), { recursive: true });
  writeFileSync(join(folder, 'window/index.html'), '<p>window</p>');
  writeFileSync(join(folder, 'window/assets/main.js'), 'export {};');
  writeFileSync(join(folder, 'window/.stamp'), 'secret');
  writeFileSync(join(folder, 'secret.js'), 'secret');
  registerAppScheme();
  serveApp(fake.protocol as never, join(folder, 'window'), (name) =>
    name === 'service' ? crashPage('service', 'out of <memory>') : null,
  );
  const get = async (url: string, method = 'GET') => fake.schemes.answer!(new Request(url, { method }));

  test('serves the built window under the strict policy', async () => {
    const page = await get('app://window/');
    expect([page.status, await page.text(), page.headers.get('content-security-policy')]).toEqual([
      200,
      '<p>window</p>',
      CONTENT_SECURITY_POLICY,
    ]);
    expect((await get('app://window/assets/main.js')).headers.get('content-type')).toMatch(/javascript/);
  });
  test.each([
    'app://window/../secret.js',
    'app://window/%2e%2e/secret.js',
    'app://window/..%2fsecret.js',
    'app://window/.stamp',
    'app://other/index.html',
    'app://shell/other',
  ])('refuses %s', async (url) => {
    const answer = await get(url);
    expect(answer.status).toBe(404);
    expect(await answer.text()).not.toContain('secret');
  });
  test('refuses other methods', async () => expect((await get('app://window/', 'POST')).status).toBe(405));
  test('a crash page needs no script and escapes what it quotes', async () => {
    const text = await (await get('app://shell/service')).text();
    expect(text).toContain('out of &lt;memory>');
    expect(text).not.toMatch(/<script|style=/);
    for (const way of ['restart', 'logs', 'diagnostics']) expect(text).toContain(`app://shell/do/${way}`);
  });
});

describe('guards', () => {
  test('permissions are denied, the network is cancelled', () => {
    denyPermissions(fake.session.defaultSession as never);
    const decided: Record<string, boolean> = {};
    for (const permission of ['media', 'geolocation', 'notifications', 'openExternal', 'clipboard-read'])
      fake.permissions.request!(null, permission, (allowed) => void (decided[permission] = allowed));
    expect(Object.values(decided)).toEqual([false, false, false, false, false]);
    const cancelled = (url: string) => {
      let answer = false;
      fake.permissions.before!({ url }, ({ cancel }) => void (answer = cancel));
      return answer;
    };
    expect(
      [
        'https://example.org/',
        'http://127.0.0.1/',
        'ws://127.0.0.1/',
        'file:///etc/passwd',
        'app://window/index.html',
        'blob:app://window/1',
      ].map(cancelled),
    ).toEqual([true, true, true, true, false, false]);
  });
  test('a checkout hears the development server where it is named; an installed shell does not', () => {
    const sends = (url: string) => {
      const mainFrame = { url: `${url}/index.html` };
      return isOurs({ sender: { mainFrame }, senderFrame: mainFrame } as never);
    };
    const loads = (url: string) => {
      denyPermissions(fake.session.defaultSession as never);
      let cancelled = true;
      fake.permissions.before!({ url }, ({ cancel }) => void (cancelled = cancel));
      return !cancelled;
    };
    vi.stubEnv('ELECTRON_RENDERER_URL', 'http://127.0.0.1:7338');
    expect([sends('http://127.0.0.1:7338'), sends('app://window'), sends('http://127.0.0.1:73380')]).toEqual([
      true,
      false,
      false,
    ]);
    const asked = ['http://127.0.0.1:7338/main.ts', 'ws://127.0.0.1:7338/', 'http://127.0.0.1:73389/', 'http://e.org/'];
    expect(asked.map(loads)).toEqual([true, true, false, false]);
    fake.app.isPackaged = true;
    expect([sends('http://127.0.0.1:7338'), sends('app://window'), loads('http://127.0.0.1:7338/main.ts')]).toEqual([
      false,
      true,
      false,
    ]);
    fake.app.isPackaged = false;
    vi.stubEnv('ELECTRON_RENDERER_URL', 'http://example.org');
    expect([sends('http://example.org'), sends('app://window')]).toEqual([false, true]);
    vi.unstubAllEnvs();
  });
  test('the window stays where it is; only known pages open outside', () => {
    const contents = new fake.WebContents();
    const heard: string[] = [];
    guardContents(contents as never, (what) => heard.push(what));
    // its own pages have links to the shell; a page from anywhere else that came to be shown has none
    for (const page of [
      'https://example.org/',
      'file:///tmp/page.html',
      'app://window/index.html',
      'app://shell.example/x',
      '',
    ]) {
      contents.url = page;
      contents.emit('will-navigate', { url: 'app://shell/do/restart', preventDefault: () => {} });
      expect([page, ...heard]).toEqual([page]);
    }
    contents.url = 'app://shell/window';
    for (const url of ['https://example.org/', 'file:///etc/passwd', 'app://shell/do/restart', 'app://shell/do/../x']) {
      const event = { url, preventDefault: vi.fn<() => void>() };
      contents.emit('will-navigate', event);
      expect(event.preventDefault).toHaveBeenCalled();
    }
    expect(heard).toEqual(['restart']);
    expect(contents.openHandler({ url: 'https://example.org/' })).toEqual({ action: 'deny' });
    expect(contents.openHandler({ url: 'https://arxiv.org/abs/2009.01325' })).toEqual({ action: 'deny' });
    expect(fake.calls('openExternal')).toEqual([['https://arxiv.org/abs/2009.01325']]);
  });
  test('only the main frame of our page is heard', () => {
    const mainFrame = { url: 'app://window/index.html#/label' };
    const sender = { mainFrame };
    expect(isOurs({ sender, senderFrame: mainFrame } as never)).toBe(true);
    expect(isOurs({ sender, senderFrame: { url: mainFrame.url } } as never)).toBe(false);
    expect(isOurs({ sender, senderFrame: null } as never)).toBe(false);
    const foreign = { url: 'https://window/' };
    expect(isOurs({ sender: { mainFrame: foreign }, senderFrame: foreign } as never)).toBe(false);
  });
});

test('a project is found among arguments, as a folder or by a file in it', () => {
  const project = join(folder, 'mine.tastemaker');
  mkdirSync(project);
  writeFileSync(join(project, 'project.db'), '');
  expect(projectAmong(['app', '--flag', 'nothing.tastemaker', 'mine.tastemaker'], folder)).toBe(project);
  expect(projectOf(join(project, 'project.db'), '/')).toBe(project);
  expect(projectAmong([project], folder)).toBeNull(); // the program itself
  expect(projectAmong(['app', folder], folder)).toBeNull();
});

describe('window state', () => {
  const file = join(folder, 'window.json');
  const screens = [{ x: 0, y: 0, width: 1920, height: 1080 }];
  test('comes back as it was', () => {
    writeWindowState(file, { bounds: { x: 100, y: 50, width: 1300, height: 900 }, maximized: true });
    expect(readWindowState(file, screens)).toEqual({
      bounds: { x: 100, y: 50, width: 1300, height: 900 },
      maximized: true,
    });
  });
  test('is forgotten when its screen is gone or the file is damaged', () => {
    writeWindowState(file, { bounds: { x: 3000, y: 50, width: 1300, height: 900 }, maximized: false });
    expect(readWindowState(file, screens).bounds).toBeNull();
    for (const damage of ['{', '{"bounds":{"x":"a"}}', 'null', '']) {
      writeFileSync(file, damage);
      expect(readWindowState(file, screens)).toEqual({ bounds: null, maximized: false });
    }
  });
  test('a disk that refuses does not stop the window', () =>
    expect(() =>
      writeWindowState(join(folder, 'no/such/window.json'), { bounds: null, maximized: false }),
    ).not.toThrow());
});

describe('menu', () => {
  const labels = (platform: NodeJS.Platform) =>
    menuTemplate(
      platform,
      { recent: ['/a.tastemaker'], keys: { 'desk.undo': '$mod+Shift+ArrowUp' } },
      { command: () => {}, open: () => {} },
    );
  test('has no reload and no developer tools, shows keys without binding them', () => {
    const items = labels('linux').flatMap(
      (menu) =>
        menu.submenu as { role?: string; accelerator?: string; registerAccelerator?: boolean; label?: string }[],
    );
    expect(items.filter(({ role }) => ['reload', 'forceReload', 'toggleDevTools'].includes(role ?? ''))).toEqual([]);
    expect(
      items.filter(({ accelerator }) => accelerator).every(({ registerAccelerator }) => registerAccelerator === false),
    ).toBe(true);
    const keys = items.flatMap(({ accelerator }) => accelerator ?? []);
    expect(new Set(keys).size).toBe(keys.length);
    expect(items.find(({ label }) => label === 'Undo')?.accelerator).toBe('CmdOrCtrl+Shift+Up'); // a key of one's own
  });
  test('commands and recent projects reach the window', () => {
    const heard: string[] = [];
    const template = menuTemplate(
      'darwin',
      { recent: ['/a.tastemaker'], keys: {} },
      { command: (action) => heard.push(action), open: (path) => heard.push(path) },
    );
    expect(template[0]!.label).toBe('Tastemaker');
    const click = (items: unknown, label: string): void => {
      for (const item of items as { label?: string; click?: () => void; submenu?: unknown[] }[]) {
        if (item.label === label) item.click?.();
        if (item.submenu) click(item.submenu, label);
      }
    };
    for (const label of ['Undo', '/a.tastemaker', 'Label']) click(template, label);
    expect(heard).toEqual(['desk.undo', '/a.tastemaker', 'go.label']);
  });
});

describe('a run that is going', () => {
  const run = (changes: Partial<RunRow>): Notice => ({
    event: 'run.changed',
    project: 'one',
    data: {
      run: {
        id: '0001-ppo',
        kind: 'ppo',
        words: wordsOf('ppo'),
        name: 'ppo',
        status: 'running',
        createdAt: 0,
        endedAt: null,
        error: null,
        step: 5,
        total: 20,
        secondsLeft: 9,
        phase: 'training',
        modelId: null,
        summary: null,
        resumable: false,
        atRest: false,
        ...changes,
      },
    },
  });
  test('shows in the task bar, keeps the machine awake, and says when it ended', () => {
    const window = new fake.BrowserWindow({});
    const watch = watchRuns(() => [window as never]);
    watch.hear(run({}));
    expect(window.progress.at(-1)).toEqual([0.25, { mode: 'normal' }]);
    watch.hear(run({ status: 'paused' }));
    expect(window.progress.at(-1)).toEqual([0.25, { mode: 'paused' }]);
    watch.hear(run({}));
    watch.hear(run({ status: 'done', summary: 'Reward .8' }));
    expect(window.progress.at(-1)![0]).toBe(-1);
    expect(fake.record.map(([name]) => name).filter((name) => name !== 'show')).toEqual([
      'blocker.start',
      'blocker.stop',
      'blocker.start',
      'notification',
      'blocker.stop',
    ]);
    expect(fake.calls('notification')[0]).toEqual([{ title: 'ppo: done', body: 'Reward .8' }]);
    expect(watch.going()).toBeNull();
    fake.BrowserWindow.all = [];
  });
  test('one at rest is none: nothing computes, and closing asks nothing', () => {
    const window = new fake.BrowserWindow({});
    const watch = watchRuns(() => [window as never]);
    watch.hear(run({ atRest: true }));
    expect([watch.going(), window.progress, fake.calls('blocker.start')]).toEqual([null, [], []]);
    fake.BrowserWindow.all = [];
  });
  test('an old run that ends is not announced', () => {
    const watch = watchRuns(() => []);
    watch.hear(run({ status: 'failed' }));
    expect(fake.calls('notification')).toEqual([]);
  });
  test('closing asks, and cancel is what Escape means', async () => {
    const watch = watchRuns(() => []);
    watch.hear(run({}));
    for (const [answer, meaning] of [
      [0, 'keep'],
      [1, 'stop'],
      [2, 'cancel'],
    ] as const) {
      fake.answers.messageBox = answer;
      expect(await watch.ask(null as never)).toBe(meaning);
    }
    expect((fake.calls('showMessageBox')[0]![1] as { cancelId: number }).cancelId).toBe(2);
  });
});

test('diagnostics hold no folder names', () => {
  const logs = join(folder, 'logs');
  mkdirSync(logs);
  writeFileSync(
    join(logs, 'service.log'),
    `one\nError at ${homedir()}/studies/secret-study.tastemaker/project.db: bad\n`,
  );
  const text = shellDiagnostics('crashed', logs);
  expect(text).toContain('Error at <project>/project.db: bad');
  expect(text).not.toContain('secret-study');
});

test('the preload is short and gives the window only functions', () => {
  expect(readFileSync('electron/preload.ts', 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(40);
});
