// The shell: windows, menu and dialogs around one service. It relays messages and has no logic of its own.
import fs from 'node:fs';
import path from 'node:path';
import {
  app,
  BrowserWindow,
  clipboard,
  crashReporter,
  dialog,
  ipcMain,
  Menu,
  protocol,
  session,
  shell,
} from 'electron';
import type { OpenDialogOptions, WebContents } from 'electron';
import type { AppState } from '#core/contract/app.ts';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { superviseService } from '#core/supervisor/supervisor.ts';
import { registerAppScheme, serveApp } from './app-protocol.ts';
import { crashPage } from './crash-page.ts';
import { shellDiagnostics } from './diagnostics.ts';
import { denyPermissions, guardEverything, isOurs } from './guards.ts';
import { menuTemplate } from './menu.ts';
import { projectAmong, projectOf } from './opened-path.ts';
import { pageOrigin } from './page-origin.ts';
import { watchRuns } from './run-watch.ts';
import { serviceFiles } from './service-process.ts';
import { createWindow } from './window.ts';

const DIALOGS: Readonly<Record<string, OpenDialogOptions['properties']>> = {
  folder: ['openDirectory'],
  file: ['openFile'],
  'new-folder': ['openDirectory', 'createDirectory'],
};

export async function startShell(): Promise<void> {
  const home = app.getPath('userData');
  const logFolder = path.join(home, 'logs');
  const files = serviceFiles();
  fs.mkdirSync(logFolder, { recursive: true });
  app.enableSandbox();
  registerAppScheme();
  crashReporter.start({ uploadToServer: false });
  let toOpen = projectAmong(process.argv, process.cwd());
  let lastFolder = app.getPath('documents');
  let reason = '';
  let quitting = false;
  let commands = 0;

  const note = (line: string) =>
    fs.appendFileSync(path.join(logFolder, 'shell.log'), `${new Date().toISOString()} ${line}\n`);
  const windows = () => BrowserWindow.getAllWindows();
  const tellWindows = (notice: Notice) => windows().forEach((window) => window.webContents.send('notice', notice));
  const runs = watchRuns(windows);
  const showCrash = (contents: WebContents, what: 'window' | 'service', why: string) => {
    reason = why;
    void contents.loadURL(`app://shell/${what}`);
  };
  const start = () =>
    superviseService({
      node: files.node,
      script: files.script,
      env: { ...process.env, TASTEMAKER_HOME: home },
      log: note,
      onNotice: (notice) => {
        runs.hear(notice);
        if (notice.event === 'project.changed') remember(notice.data.project?.folder);
        if (notice.event === 'preferences.changed') void drawMenu();
        tellWindows(notice);
      },
      onExit: (sentence) => windows().forEach((window) => showCrash(window.webContents, 'service', sentence)),
    });
  let service = start();
  /** The shell's own calls have ids of their own, below zero. */
  const ask = (call: string, args: unknown, project: string | null = null): Promise<Reply> =>
    service.call({ id: --commands, call, args, project });

  const open = async (folder: string) => {
    const reply = await ask('project.open', { folder });
    if ('fault' in reply)
      dialog.showErrorBox('The project could not be opened.', `${reply.fault.message}\n${reply.fault.hint}`);
  };
  let remembered = '';
  const remember = (folder = '') => {
    if (folder === remembered) return; // counts change all the time
    remembered = folder;
    if (folder) app.addRecentDocument(folder);
    void drawMenu();
  };
  const drawMenu = async () => {
    const reply = await ask('app.state', {});
    const { recent, keys } = 'result' in reply ? (reply.result as AppState).preferences : { recent: [], keys: {} };
    const command = (action: string) =>
      (BrowserWindow.getFocusedWindow() ?? windows()[0])?.webContents.send('command', action);
    Menu.setApplicationMenu(
      Menu.buildFromTemplate(
        menuTemplate(
          process.platform,
          { recent: recent.map((project) => project.folder), keys },
          { command, open: (folder) => void open(folder) },
        ),
      ),
    );
  };
  /** What was open last; the very first time the demo. */
  const openLast = async () => {
    const reply = await ask('app.state', {});
    if ('fault' in reply) return;
    const { recent } = (reply.result as AppState).preferences;
    const demo = path.join(app.getPath('home'), 'tiny-tldr.tastemaker');
    if (recent[0]) await open(recent[0].folder);
    else if (fs.existsSync(demo)) await open(demo);
    else await ask('project.create', { folder: demo, demo: true });
  };
  const openOrLater = (project: string | null) => {
    if (!project) return;
    if (app.isReady()) void open(project);
    else toOpen = project;
  };
  const newWindow = () => {
    const window = createWindow(files.preload, home);
    const count = () => service.watched(windows().length);
    count();
    window.on('closed', () => setImmediate(count));
    window.on('close', (event) => {
      if (quitting || windows().length > 1 || !runs.going()) return;
      event.preventDefault();
      void leave(window);
    });
    window.webContents.on('render-process-gone', (_event, { reason: why }) => {
      if (why !== 'clean-exit') showCrash(window.webContents, 'window', why);
    });
  };
  /**
   * The last window is being closed and a run is going: runs live in processes of their own, so closing need not end
   * them.
   */
  const leave = async (window: BrowserWindow) => {
    const run = runs.going();
    const choice = run ? await runs.ask(window) : 'keep';
    if (choice === 'cancel') return;
    if (run && choice === 'stop') {
      const reply = await ask('runs.stop', { runId: run.id }, runs.project());
      if ('fault' in reply) return void dialog.showErrorBox('The run could not be stopped.', reply.fault.message);
    }
    quitting = true;
    app.quit();
  };
  const onShellLink = (contents: WebContents, what: string) => {
    if (what === 'logs') void shell.openPath(logFolder);
    if (what === 'diagnostics') clipboard.writeText(shellDiagnostics(reason, logFolder));
    if (what !== 'restart') return;
    void service.close().then(() => {
      service = start();
      service.watched(windows().length);
      return contents.loadURL(`${pageOrigin()}/index.html`);
    });
  };

  app.on('second-instance', (_event, argv, cwd) => {
    const [window] = windows();
    if (window?.isMinimized()) window.restore();
    if (window) window.focus();
    else newWindow();
    openOrLater(projectAmong(argv, cwd));
  });
  app.on('open-file', (event, file) => {
    event.preventDefault();
    openOrLater(projectOf(file, process.cwd()));
  });
  app.on('activate', () => {
    if (windows().length === 0) newWindow();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
  app.on('child-process-gone', (_event, { type, reason: why }) => note(`${type}: ${why}`));
  app.on('will-quit', (event) => {
    runs.release();
    if (!quitting) quitting = true;
    event.preventDefault();
    void service.close().finally(() => app.exit(0));
  });
  guardEverything(onShellLink);

  await app.whenReady();
  denyPermissions(session.defaultSession);
  serveApp(protocol, files.window, (name) =>
    name === 'window' || name === 'service' ? crashPage(name, reason) : null,
  );
  ipcMain.handle('call', (event, request: Request): Promise<Reply> =>
    isOurs(event) ? service.call(request) : Promise.reject(new Error('Refused.')),
  );
  ipcMain.handle('choose', async (event, what: unknown, title: unknown): Promise<string | null> => {
    if (!isOurs(event) || typeof what !== 'string' || !Object.hasOwn(DIALOGS, what)) throw new Error('Refused.');
    const { canceled, filePaths } = await dialog.showOpenDialog({
      title: String(title),
      defaultPath: lastFolder,
      properties: DIALOGS[what]!,
    });
    if (canceled || !filePaths[0]) return null;
    lastFolder = path.dirname(filePaths[0]);
    return filePaths[0];
  });
  newWindow();
  if (toOpen) await open(toOpen);
  else await openLast();
  await drawMenu();
}
