// The shell: windows, menu and dialogs around one service. It relays messages and has no logic of its own.
import fs from 'node:fs';
import path from 'node:path';
import { app, BrowserWindow, clipboard, crashReporter, protocol, session, shell } from 'electron';
import type { WebContents } from 'electron';
import { registerAppScheme, serveApp } from './app-protocol.ts';
import { applicationMenu } from './application-menu.ts';
import { crashPage } from './crash-page.ts';
import { shellDiagnostics } from './diagnostics.ts';
import { denyPermissions, guardEverything } from './guards.ts';
import { watchLeaving } from './leaving.ts';
import { projectAmong, projectOf } from './opened-path.ts';
import { pageOrigin } from './page-origin.ts';
import { projectOpening } from './project-opening.ts';
import { watchRuns } from './run-watch.ts';
import { linkService } from './service-link.ts';
import { serviceFiles } from './service-process.ts';
import { answerWindows } from './window-calls.ts';
import { createWindow } from './window.ts';

const windows = () => BrowserWindow.getAllWindows();

export async function startShell(): Promise<void> {
  const home = app.getPath('userData');
  const logFolder = path.join(home, 'logs');
  const files = serviceFiles();
  fs.mkdirSync(logFolder, { recursive: true });
  app.enableSandbox();
  registerAppScheme();
  crashReporter.start({ uploadToServer: false });

  const note = (line: string) =>
    fs.appendFileSync(path.join(logFolder, 'shell.log'), `${new Date().toISOString()} ${line}\n`);
  let reason = '';
  const showCrash = (contents: WebContents, what: 'window' | 'service', why: string) => {
    reason = why;
    void contents.loadURL(`app://shell/${what}`);
  };
  const runs = watchRuns(windows);
  const service = linkService(files, home, {
    log: note,
    onNotice: (notice) => {
      runs.hear(notice);
      menu.hear(notice);
      for (const window of windows()) window.webContents.send('notice', notice);
    },
    onExit: (sentence) => windows().forEach((window) => showCrash(window.webContents, 'service', sentence)),
  });
  const projects = projectOpening(service, projectAmong(process.argv, process.cwd()));
  const menu = applicationMenu(service, (folder) => void projects.open(folder));
  const leaving = watchLeaving(service, runs);
  const count = () => service.watched(windows().length);
  const newWindow = () => {
    const window = createWindow(files.preload, home);
    count();
    window.on('closed', () => setImmediate(count));
    leaving.guard(window);
    window.webContents.on('render-process-gone', (_event, { reason: why }) => {
      if (why !== 'clean-exit') showCrash(window.webContents, 'window', why);
    });
  };
  const restart = async (contents: WebContents) => {
    await service.restart();
    count();
    await contents.loadURL(`${pageOrigin()}/index.html`);
  };

  hearOpening(newWindow, projects.openOrLater);
  app.on('child-process-gone', (_event, { type, reason: why }) => note(`${type}: ${why}`));
  app.on('will-quit', (event) => {
    runs.release();
    leaving.settle();
    event.preventDefault();
    void service.close().finally(() => app.exit(0));
  });
  guardEverything((contents, what) => {
    if (what === 'logs') void shell.openPath(logFolder);
    if (what === 'diagnostics') clipboard.writeText(shellDiagnostics(reason, logFolder));
    if (what === 'restart') void restart(contents);
  });

  await app.whenReady();
  denyPermissions(session.defaultSession);
  serveApp(protocol, files.window, (name) =>
    name === 'window' || name === 'service' ? crashPage(name, reason) : null,
  );
  answerWindows(service);
  newWindow();
  await projects.openFirst();
  await menu.draw();
}

/** Hears whoever starts the program again, opens a file with it, clicks its icon, or closes its last window. */
function hearOpening(newWindow: () => void, open: (project: string | null) => void): void {
  app.on('second-instance', (_event, argv, cwd) => {
    const [window] = windows();
    if (window?.isMinimized()) window.restore();
    if (window) window.focus();
    else newWindow();
    open(projectAmong(argv, cwd));
  });
  app.on('open-file', (event, file) => {
    event.preventDefault();
    open(projectOf(file, process.cwd()));
  });
  app.on('activate', () => {
    if (windows().length === 0) newWindow();
  });
  app.on('window-all-closed', () => {
    if (process.platform !== 'darwin') app.quit();
  });
}
