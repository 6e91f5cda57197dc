// The words and numbers in which runs are spoken of: states, times, sizes, values.

import type { Estimate } from '#core/contract/recipes.ts';
import type { RunRow, RunStatus } from '#core/contract/runs.ts';

export const STATUS_WORDS: Record<RunStatus, string> = {
  queued: 'queued',
  running: 'running',
  paused: 'paused',
  stopping: 'stopping, saves first',
  cancelling: 'cancelling',
  done: 'done',
  stopped: 'stopped, saved',
  failed: 'failed',
  cancelled: 'cancelled',
};
export const STATUS_TONE: Record<RunStatus, '' | 'good' | 'bad' | 'warn'> = {
  queued: '',
  running: 'good',
  paused: 'warn',
  stopping: 'warn',
  cancelling: 'warn',
  done: 'good',
  stopped: 'warn',
  failed: 'bad',
  cancelled: '',
};
/** How a run stands, as its badge says it. */
export const badgeOf = ({ status, atRest }: Pick<RunRow, 'status' | 'atRest'>): { word: string; tone: string } =>
  atRest ? { word: 'at rest', tone: 'warn' } : { word: STATUS_WORDS[status], tone: STATUS_TONE[status] };
export type RunTab = 'charts' | 'findings' | 'samples' | 'drawn' | 'rankings' | 'log' | 'manifest';
/** What a run made, as a part of its page; scores stand in Inspect. */
const MADE: Record<NonNullable<RunRow['words']['shows']>, { name: RunTab; title: string } | null> = {
  samples: { name: 'samples', title: 'Samples' },
  drawn: { name: 'drawn', title: 'Samples' },
  rankings: { name: 'rankings', title: 'Held-out rankings' },
  scores: null,
};
/**
 * The parts of a run's page; one that wrote samples on its way shows them whatever it is. `isScored`: a reward model
 * scored what it learnt from.
 */
export function tabsOf(
  shows: RunRow['words']['shows'],
  wroteSamples: boolean,
  isScored = false,
): { name: RunTab; title: string }[] {
  const made = (shows && MADE[shows]) ?? (wroteSamples ? MADE.samples : null);
  return [
    { name: 'charts', title: 'Charts' },
    ...(shows === 'samples' && isScored ? [{ name: 'findings' as const, title: 'Findings' }] : []),
    ...(made ? [made] : []),
    { name: 'log', title: 'Log' },
    { name: 'manifest', title: 'Settings' },
  ];
}
/** Where what a run wrote is read: its samples, and of a run that tunes a policy those which that policy wrote. */
export const inspectPath = ({ id, modelId, words }: RunRow): { path: string; query: Record<string, string> } => ({
  path: '/inspect',
  query: { run: id, ...(words.shows === 'samples' && modelId !== null ? { policy: String(modelId) } : {}) },
});

export const VERDICT: Record<Estimate['verdict'], { word: string; tone: 'good' | 'warn' | 'bad' }> = {
  fits: { word: 'fits', tone: 'good' },
  tight: { word: 'tight', tone: 'warn' },
  'wont-fit': { word: "won't fit", tone: 'bad' },
};

/** A run that takes longer is announced before it starts. */
export const LONG_SECONDS = 1800;

/** "queued 14:03" while it waits, then "started 14:05", which is when it began to work. */
export const beganWords = (run: RunRow, startedAt: number | null): string =>
  run.status === 'queued' ? `queued ${moment(run.createdAt)}` : `started ${moment(startedAt ?? run.createdAt)}`;

/** A number of a chart or a form: four significant digits, thousands separated, no noise. */
export function number(x: number | null | undefined): string {
  if (x === null || x === undefined || !Number.isFinite(x)) return '–';
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size >= 1e7 || size < 1e-4) return x.toExponential(2);
  if (size >= 1000) return x.toLocaleString('en', { maximumFractionDigits: 0 });
  return String(Number(x.toPrecision(4)));
}

/** Two decimals, with a real minus, and none before 0.00. */
export const two = (x: number): string =>
  x
    .toFixed(2)
    .replace(/^-(?!0\.00$)/, '−')
    .replace('-', '');

/** 14:03 today, else 3 May, 14:03. */
export function moment(time: number, now: number = Date.now()): string {
  const at = new Date(time);
  const clock = at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return at.toDateString() === new Date(now).toDateString()
    ? clock
    : `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${clock}`;
}

export type RunAction = 'pause' | 'resume' | 'stop' | 'cancel';
/** What can be done with a run as it is now. */
export function actionsOf(run: RunRow): RunAction[] {
  if (run.atRest) return ['resume', 'cancel'];
  switch (run.status) {
    case 'queued':
      return ['cancel'];
    case 'running':
      return ['pause', 'stop', 'cancel'];
    case 'paused':
      return ['resume', 'stop', 'cancel'];
    case 'stopping':
      return ['cancel'];
    case 'failed':
    case 'stopped':
    case 'cancelled':
      return run.resumable ? ['resume'] : [];
    default:
      return [];
  }
}
export const ACTION_WORDS: Record<RunAction, { word: string; sentence: string }> = {
  pause: { word: 'Pause', sentence: 'Waits at the next step and gives the processor back; nothing is lost.' },
  resume: { word: 'Resume', sentence: 'Goes on from where it is, or from its newest checkpoint.' },
  stop: { word: 'Stop and save', sentence: 'Saves a checkpoint and the model so far, then ends.' },
  cancel: { word: 'Cancel', sentence: 'Ends at once; what came after the newest checkpoint is thrown away.' },
};
