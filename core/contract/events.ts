// The events that windows hear of, what each carries, and whose it is.

import type { Preferences } from './app.ts';
import type { ProjectSettings, ProjectSummary } from './project.ts';
import type { Labeler } from './rankings.ts';
import type { RunRow, MetricPoint } from './runs.ts';
import type { Device, CardNow } from './hardware.ts';

export interface Events {
  /** another project is open, none is, or what is said here of the open one has changed */
  'project.changed': { project: ProjectSummary | null; settings: ProjectSettings | null; labelers: Labeler[] };
  'preferences.changed': { preferences: Preferences };
  /** it is about to be closed: windows write now what they still have of it, and say 'project.left' */
  'project.leaving': Record<string, never>;
  'labels.changed': { labelerId: number; itemId: number | null };
  'data.changed': Record<string, never>;
  /** how far an import is, in rows; `total` 0 while the file is being read */
  'data.importing': { path: string; done: number; total: number };
  /** how far an export is, in rankings or rows read of all there are */
  'data.exporting': { path: string; done: number; total: number };
  'models.changed': Record<string, never>;
  /** a probe came or went, or some more was measured */
  'probes.changed': Record<string, never>;
  /** how far the export of a model is, in bytes of weights; `path` is the folder that it will be */
  'models.exporting': { modelId: number; path: string; done: number; total: number };
  /** how far the comparison of two policies is that was asked from there, in prompts */
  'models.comparing': { place: string; done: number; total: number };
  'run.changed': { run: RunRow };
  /** its note or tags, what it takes on the disk, or that it is there at all */
  'run.facts': { runId: string; gone: boolean };
  'run.metrics': { runId: string; from: number; rows: MetricPoint[] };
  'run.samples': { runId: string; step: number };
  'run.log': { runId: string; lines: string[] };
  'hardware.changed': { device: Device };
  /** what the cards are doing, every two seconds while a window looks on */
  'hardware.meter': { cards: CardNow[] };
  /** a step of an installation */
  'hardware.setup': { line: string };
  /** from the host: the service died and another one has taken over */
  'service.restarted': { sentence: string };
}

export type EventName = keyof Events;

/** Whose an event is: what is told of a project is for the windows that show it and for no other. */
export const EVENT_OF: Readonly<Record<EventName, 'project' | 'program'>> = {
  'project.changed': 'program',
  'preferences.changed': 'program',
  'hardware.changed': 'program',
  'hardware.meter': 'program',
  'hardware.setup': 'program',
  'service.restarted': 'program',
  'project.leaving': 'project',
  'labels.changed': 'project',
  'data.changed': 'project',
  'data.importing': 'project',
  'data.exporting': 'project',
  'models.changed': 'project',
  'probes.changed': 'project',
  'models.exporting': 'project',
  'models.comparing': 'project',
  'run.changed': 'project',
  'run.facts': 'project',
  'run.metrics': 'project',
  'run.samples': 'project',
  'run.log': 'project',
};
