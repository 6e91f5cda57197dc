// The menu of the application, drawn again when the person's keys or the recent projects change.
import { app, BrowserWindow, Menu } from 'electron';
import type { AppState } from '#core/contract/app.ts';
import type { Notice } from '#core/contract/messages.ts';
import { menuTemplate } from './menu.ts';
import type { ServiceLink } from './service-link.ts';

export interface ApplicationMenu {
  draw(): Promise<void>;
  hear(notice: Notice): void;
}

/** `open` is called with the folder of a recent project that was chosen; every other entry goes to a window. */
export function applicationMenu(service: ServiceLink, open: (folder: string) => void): ApplicationMenu {
  const command = (action: string) =>
    (BrowserWindow.getFocusedWindow() ?? BrowserWindow.getAllWindows()[0])?.webContents.send('command', action);
  const draw = async () => {
    const reply = await service.ask('app.state', {});
    const { recent, keys } = 'result' in reply ? (reply.result as AppState).preferences : { recent: [], keys: {} };
    const shown = { recent: recent.map((project) => project.folder), keys };
    Menu.setApplicationMenu(Menu.buildFromTemplate(menuTemplate(process.platform, shown, { command, open })));
  };
  let remembered = '';
  const remember = (folder = '') => {
    if (folder === remembered) return; // counts change all the time
    remembered = folder;
    if (folder) app.addRecentDocument(folder);
    void draw();
  };
  return {
    draw,
    hear: (notice) => {
      if (notice.event === 'project.changed') remember(notice.data.project?.folder);
      if (notice.event === 'preferences.changed') void draw();
    },
  };
}
