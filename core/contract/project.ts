// The open project as a whole: settings, summary, backups; the calls that open it, close it and keep it whole.

import * as v from 'valibot';
import type { AppState } from './app.ts';
import type { Split } from './prompts.ts';
import type { Labeler } from './rankings.ts';
import type { CurrentModels } from './models.ts';
import { call, programCall } from './call.ts';
import { id, short, offset } from './schemas.ts';

export interface ProjectSettings {
  labelerId: number | null;
  axes: string[];
  markLabels: string[];
  askConfidence: boolean;
  /** ask what happened before the post is shown (the paper's naive reading) */
  naiveReading: boolean;
  /** share of items shown a second time without saying so, 0 to 0.1 */
  repeats: number;
  sessionGoal: number;
  /** minutes of labelling between reminders; 0 = none */
  breakMinutes: number;
  currentPolicyId: number | null;
  rewardModelId: number | null;
}

export interface ProjectSummary {
  /**
   * tells it from every other project, its own copies included; the same again after the service was started anew
   */
  id: string;
  folder: string;
  name: string;
  prompts: Record<Split, number>;
  completions: number;
  rankings: number;
  comparisons: number;
  /** rankings that make a comparison: no ties throughout, skips or hidden repeats */
  teaching: number;
  /** how many rankings of `rankings` programs made, not people */
  simulated: number;
  /** how many more rankings that prefer something a first reward model takes */
  wanted: number;
  /** items that nobody has ranked, counted up to 100; null where rankings are not what is lacking */
  left: number | null;
  models: number;
  runs: number;
  /**
   * of those, at rest: the project is new to this machine, and nobody has said whether they may go on
   */
  resting: number;
  isDemo: boolean;
  notices: string[];
  /** prompts that stand in another split than another spelling of theirs */
  straddling: number;
  current: CurrentModels;
  /** null while its folder is where it was opened */
  strayed: StrayedNote | null;
}

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
  /** what is open can be saved as another project */
  canCopy: boolean;
}

export const PROJECT_CALLS = {
  'project.open': programCall<AppState>('again')({ folder: short }),
  'project.create': programCall<AppState>('once')({ folder: short, demo: v.boolean() }),
  'project.close': call<AppState>('again')({}),
  /** A window has written what it still had of the closing project ('project.leaving'). */
  'project.left': call<Record<string, never>>('again')({}),
  'project.setSettings': call<ProjectSettings>('again')({
    changes: v.partial(
      v.strictObject({
        labelerId: v.nullable(id),
        axes: v.array(short),
        markLabels: v.array(short),
        askConfidence: v.boolean(),
        naiveReading: v.boolean(),
        repeats: v.pipe(v.number(), v.minValue(0), v.maxValue(0.1)),
        sessionGoal: offset,
        breakMinutes: offset,
        currentPolicyId: v.nullable(id),
        rewardModelId: v.nullable(id),
      }),
    ),
  }),
  'labelers.add': call<Labeler>('again')({ name: short }),
  'project.check': call<{ problems: string[] }>('again')({}),
  'project.backup': call<{ file: string }>('once')({}),
  'project.backups': call<{ backups: BackupRow[] }>('again')({}),
  /** Puts a backup in the place of the database, keeps what is there now as a backup, and opens the project anew. */
  'project.restore': call<AppState>('once')({ name: short }),
  /** The same of a project that is not open, for it may be damaged: its backups; one put in its place and opened. */
  'project.backupsBeside': programCall<{ backups: BackupRow[] }>('again')({ folder: short }),
  'project.restoreBeside': programCall<AppState>('once')({ folder: short, name: short }),
  /** Saves what is open as a new project in `folder`, and opens that: for when the folder of the open one has gone. */
  'project.saveCopy': call<AppState>('once')({ folder: short }),
} as const;
