// Makes the one kind of window there is: sandboxed, isolated, where it was last time.
import path from 'node:path';
import { BrowserWindow, nativeTheme, screen } from 'electron';
import { pageOrigin } from './page-origin.ts';
import { readWindowState, SMALLEST, writeWindowState } from './window-state.ts';

export function createWindow(preload: string, home: string): BrowserWindow {
  const file = path.join(home, 'window.json');
  const { bounds, maximized } = readWindowState(
    file,
    screen.getAllDisplays().map((display) => display.workArea),
  );
  const window = new BrowserWindow({
    ...(bounds ?? { width: 1440, height: 900 }),
    minWidth: SMALLEST.width,
    minHeight: SMALLEST.height,
    show: false, // shown when there is something to see
    backgroundColor: nativeTheme.shouldUseDarkColors ? '#16181d' : '#f7f7f5',
    title: 'Tastemaker',
    webPreferences: {
      preload,
      contextIsolation: true,
      nodeIntegration: false,
      sandbox: true,
      webviewTag: false,
      spellcheck: false,
      navigateOnDragDrop: false,
    },
  });
  if (maximized) window.maximize();
  window.once('ready-to-show', () => window.show());
  window.on('close', () =>
    writeWindowState(file, { bounds: window.getNormalBounds(), maximized: window.isMaximized() }),
  );
  void window.loadURL(`${pageOrigin()}/index.html`);
  return window;
}
