// Where this person's preferences and logs lie on this machine.

import os from 'node:os';
import path from 'node:path';

/** TASTEMAKER_HOME where it is set, else what the system keeps for settings: %APPDATA%, Application Support, XDG_CONFIG_HOME. */
export function homeFolder(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env.TASTEMAKER_HOME) return path.resolve(env.TASTEMAKER_HOME);
  const user = os.homedir();
  if (platform === 'win32') return path.join(env.APPDATA || path.join(user, 'AppData', 'Roaming'), 'Tastemaker');
  if (platform === 'darwin') return path.join(user, 'Library', 'Application Support', 'Tastemaker');
  return path.join(env.XDG_CONFIG_HOME || path.join(user, '.config'), 'tastemaker');
}

/** A path as a person types it in the window: ~ is their home folder, and what has no root counts from there too. */
export const typedPath = (given: string): string => path.resolve(os.homedir(), given.trim().replace(/^~(?=$|[/\\])/, os.homedir()));
