// The Electron main process starts here: the first instance opens the shell, a second one hands its file over and ends.
import path from 'node:path';
import { app } from 'electron';
import { startShell } from './shell.ts';

// one place for preferences and logs, whichever way Tastemaker is started (core/store/home-folder.ts)
app.setPath('userData', path.join(app.getPath('appData'), process.platform === 'linux' ? 'tastemaker' : 'Tastemaker'));
if (app.requestSingleInstanceLock()) void startShell();
else app.quit();
