// The calls that keep a project whole: the check, backups and the way back to one, and what is left where its folder
// has gone.

import type { AppState } from '#core/contract.ts';
import { call } from './call.ts';
import { short } from './schemas.ts';

/** A backup of the project's database, with what it holds; `problem` where it cannot be read. */
export interface BackupRow {
  name: string;
  at: number;
  bytes: number;
  prompts: number;
  completions: number;
  rankings: number;
  problem: string | null;
}
/**
 * The project's folder was moved, removed or replaced while it was open: nothing is saved any more. `found`: where it
 * lies now, as far as the system says.
 */
export interface StrayedNote {
  sentence: string;
  hint: string;
  found: string | null;
  /** what is open can be saved as another project */ canCopy: boolean;
}

export const CARE_CALLS = {
  'project.check': call<{ problems: string[] }>()({}),
  'project.backup': call<{ file: string }>()({}),
  'project.backups': call<{ backups: BackupRow[] }>()({}),
  /** Puts a backup in the place of the database, keeps what is there now as a backup, and opens the project anew. */
  'project.restore': call<AppState>()({ name: short }),
  /** Saves what is open as a new project in `folder`, and opens that: for when the folder of the open one has gone. */
  'project.saveCopy': call<AppState>()({ folder: short }),
} as const;
