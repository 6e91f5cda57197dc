// Where this person's preferences, logs and the key of this machine lie.

import os from 'node:os';
import path from 'node:path';

/**
 * TASTEMAKER_HOME where it is set, else what the system keeps for settings: %APPDATA%, Application Support,
 * XDG_CONFIG_HOME.
 */
export function homeFolder(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env.TASTEMAKER_HOME) return path.resolve(env.TASTEMAKER_HOME);
  const user = os.homedir();
  if (platform === 'win32') return path.join(env.APPDATA || path.join(user, 'AppData', 'Roaming'), 'Tastemaker');
  if (platform === 'darwin') return path.join(user, 'Library', 'Application Support', 'Tastemaker');
  return path.join(env.XDG_CONFIG_HOME || path.join(user, '.config'), 'tastemaker');
}
