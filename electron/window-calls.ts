// What a window may ask of the shell: to relay a call to the service, and to let the person choose a file or folder.
import path from 'node:path';
import { app, dialog, ipcMain } from 'electron';
import type { OpenDialogOptions } from 'electron';
import type { Reply, Request } from '#core/contract/messages.ts';
import { isOurs } from './guards.ts';
import type { ServiceLink } from './service-link.ts';

const DIALOGS: Readonly<Record<string, OpenDialogOptions['properties']>> = {
  folder: ['openDirectory'],
  file: ['openFile'],
  'new-folder': ['openDirectory', 'createDirectory'],
};

/** Answers the windows from now on; whatever is not our own page is refused. */
export function answerWindows(service: ServiceLink): void {
  let lastFolder = app.getPath('documents');
  ipcMain.handle('call', (event, request: Request): Promise<Reply> =>
    isOurs(event) ? service.relay(request) : Promise.reject(new Error('Refused.')),
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
}
