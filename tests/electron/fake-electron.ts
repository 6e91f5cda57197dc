// A stand-in for the `electron` module: it records what the shell asks of it and lets a test play the operating system.
import { EventEmitter } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const userData = mkdtempSync(join(tmpdir(), 'shell-'));

/** What happened, in order: ["name", ...arguments]. */
export const record: unknown[][] = [];
const noted =
  (name: string) =>
  (...args: unknown[]) =>
    void record.push([name, ...args]);
export const calls = (name: string): unknown[][] =>
  record.filter(([found]) => found === name).map(([, ...args]) => args);

/** What the next dialogs answer. */
export const answers: { messageBox: number; open: string[] } = { messageBox: 2, open: [] };

class App extends EventEmitter {
  isPackaged = false;
  ready = false;
  enableSandbox = noted('enableSandbox');
  addRecentDocument = noted('addRecentDocument');
  requestSingleInstanceLock = () => true;
  getPath = (name: string) => (name === 'userData' ? userData : join(userData, name));
  getAppPath = () => process.cwd();
  isReady = () => this.ready;
  whenReady = async () => void (this.ready = true);
  quit = () => {
    record.push(['quit']);
    const event = { preventDefault: () => {} };
    for (const window of BrowserWindow.getAllWindows()) window.close();
    if (BrowserWindow.getAllWindows().length === 0) this.emit('will-quit', event);
  };
  exit = noted('exit');
}
export const app = new App();

export class WebContents extends EventEmitter {
  mainFrame = { url: 'app://window/index.html#/home' };
  url = '';
  sent: unknown[][] = [];
  openHandler: (details: { url: string }) => { action: string } = () => ({ action: 'allow' });
  getURL = () => this.url;
  send = (...args: unknown[]) => void this.sent.push(args);
  loadURL = async (url: string) => void (this.url = url);
  setWindowOpenHandler = (handler: typeof this.openHandler) => void (this.openHandler = handler);
}

export class BrowserWindow extends EventEmitter {
  static all: BrowserWindow[] = [];
  static getAllWindows = () => [...BrowserWindow.all];
  static getFocusedWindow = () => BrowserWindow.all[0] ?? null;
  options: Record<string, unknown>;
  webContents = new WebContents();
  progress: unknown[][] = [];
  constructor(options: Record<string, unknown>) {
    super();
    this.options = options;
    BrowserWindow.all.push(this);
    app.emit('web-contents-created', {}, this.webContents);
  }
  loadURL = (url: string) => this.webContents.loadURL(url);
  maximize = noted('maximize');
  show = noted('show');
  focus = noted('focus');
  restore = noted('restore');
  isMinimized = () => false;
  isMaximized = () => false;
  getNormalBounds = () => ({ x: 10, y: 20, width: 1300, height: 800 });
  setProgressBar = (...args: unknown[]) => void this.progress.push(args);
  /** As the person does it: may be prevented. */
  close = () => {
    let prevented = false;
    this.emit('close', { preventDefault: () => void (prevented = true) });
    if (!prevented) BrowserWindow.all = BrowserWindow.all.filter((window) => window !== this);
    return !prevented;
  };
}

type Handler = (event: unknown, ...args: unknown[]) => unknown;
export const handlers = new Map<string, Handler>();
export const ipcMain = { handle: (channel: string, handler: Handler) => void handlers.set(channel, handler) };

type Answer = (request: Request) => Response | Promise<Response>;
export const schemes: { registered: unknown; answer: Answer | null } = { registered: null, answer: null };
export const protocol = {
  registerSchemesAsPrivileged: (list: unknown) => void (schemes.registered = list),
  handle: (_scheme: string, answer: Answer) => void (schemes.answer = answer),
};

type Decide = (allowed: boolean) => void;
export const permissions: {
  request: ((contents: unknown, permission: string, decide: Decide) => void) | null;
  before: ((details: { url: string }, decide: (how: { cancel: boolean }) => void) => void) | null;
} = { request: null, before: null };
export const session = {
  defaultSession: {
    setPermissionRequestHandler: (handler: typeof permissions.request) => void (permissions.request = handler),
    setPermissionCheckHandler: noted('setPermissionCheckHandler'),
    setDevicePermissionHandler: noted('setDevicePermissionHandler'),
    webRequest: { onBeforeRequest: (handler: typeof permissions.before) => void (permissions.before = handler) },
  },
};

export const Menu = {
  buildFromTemplate: (template: unknown) => template,
  setApplicationMenu: noted('setApplicationMenu'),
};
export const dialog = {
  showErrorBox: noted('showErrorBox'),
  showMessageBox: async (...args: unknown[]) => (
    record.push(['showMessageBox', ...args]),
    { response: answers.messageBox }
  ),
  showOpenDialog: async (options: unknown) => (
    record.push(['showOpenDialog', options]),
    { canceled: answers.open.length === 0, filePaths: answers.open }
  ),
};
export class Notification {
  static isSupported = () => true;
  options: unknown;
  constructor(options: unknown) {
    this.options = options;
  }
  show = () => void record.push(['notification', this.options]);
}
export const powerSaveBlocker = {
  start: (kind: string) => (record.push(['blocker.start', kind]), 7),
  stop: noted('blocker.stop'),
};
export const crashReporter = { start: noted('crashReporter') };
export const clipboard = { writeText: noted('clipboard') };
export const shell = { openPath: noted('openPath'), openExternal: noted('openExternal') };
export const screen = { getAllDisplays: () => [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }] };
export const nativeTheme = { shouldUseDarkColors: false };
export const contextBridge = { exposeInMainWorld: noted('expose') };
class Renderer extends EventEmitter {
  invoke = async (...args: unknown[]) => (record.push(['invoke', ...args]), { id: 1, result: null });
}
export const ipcRenderer = new Renderer();
export const webUtils = { getPathForFile: (file: { name: string }) => `/dropped/${file.name}` };
