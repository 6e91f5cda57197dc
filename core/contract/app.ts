// The program as a window sees it, with its preferences and the files of this machine; the calls about them.

import * as v from 'valibot';
import type { ProjectSettings, ProjectSummary } from './project.ts';
import type { Labeler } from './rankings.ts';
import type { WantedDevice, Device } from './hardware.ts';
import { programCall } from './call.ts';
import { short } from './schemas.ts';

export type Theme = 'system' | 'light' | 'dark';

/**
 * One person's settings on this machine, for every project. `keys`: action name -> key, only where it differs from the
 * default.
 */
export interface Preferences {
  theme: Theme;
  keys: Record<string, string>;
  layout: 'stack' | 'columns';
  /** a digit on the desk goes on to the next answer without a rank */
  advance: boolean;
  sidebar: boolean;
  recent: RecentProject[];
  lastFolder: string | null;
  device: WantedDevice;
}

export interface RecentProject {
  folder: string;
  name: string;
  openedAt: number;
}

export interface AppState {
  version: string;
  preferences: Preferences;
  project: ProjectSummary | null;
  settings: ProjectSettings | null;
  labelers: Labeler[];
  device: Device;
  logFolder: string;
  /** what a person should know, such as damaged preferences */
  notices: string[];
}

export interface FileEntry {
  name: string;
  path: string;
  folder: boolean;
  bytes: number;
  /** a project, a model folder or a file we read; else null */
  kind: 'project' | 'model' | 'gguf' | 'data' | null;
}

export const APP_CALLS = {
  'app.state': programCall<AppState>('again')({}),
  'app.setPreferences': programCall<Preferences>('again')({
    changes: v.partial(
      v.strictObject({
        theme: v.picklist(['system', 'light', 'dark']),
        keys: v.record(short, short),
        layout: v.picklist(['stack', 'columns']),
        advance: v.boolean(),
        sidebar: v.boolean(),
        lastFolder: v.nullable(short),
        recent: v.pipe(v.array(v.strictObject({ folder: short, name: short, openedAt: v.number() })), v.maxLength(100)),
      }),
    ),
  }),
  'app.diagnostics': programCall<{ text: string }>('again')({}),
  'files.list': programCall<{ folder: string; parent: string | null; entries: FileEntry[] }>('again')({
    folder: v.nullable(short),
  }),
  /**
   * Opens a folder (that of a file) in the system's file manager; only what lies in the project or was exported by this
   * service.
   */
  'files.reveal': programCall<Record<string, never>>('once')({ path: short }),
} as const;
