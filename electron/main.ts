// The Electron main process starts here: the first instance opens the shell, a second one hands its file over and ends.
import { app } from 'electron';
import { startShell } from './shell.ts';

if (app.requestSingleInstanceLock()) void startShell();
else app.quit();
