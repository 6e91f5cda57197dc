// Where the window's page comes from: the built one, or in a checkout what the development server sends.
import { app } from 'electron';
import { ORIGIN } from './app-protocol.ts';

const OF_THIS_MACHINE = /^http:\/\/127\.0\.0\.1:\d+$/;

/** electron-vite names the development server to the shell that it starts; an installed one does not listen to that. */
export function developmentOrigin(): string | null {
  const named = app.isPackaged ? undefined : process.env.ELECTRON_RENDERER_URL;
  return named !== undefined && OF_THIS_MACHINE.test(named) ? named : null;
}

export const pageOrigin = (): string => developmentOrigin() ?? ORIGIN;
