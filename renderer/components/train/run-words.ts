// The words and numbers in which runs are spoken of: states, times, sizes, values.

import type { Estimate, RunKind, RunRow, RunStatus } from '#core/contract.ts';

export const STATUS_WORDS: Record<RunStatus, string> = {
  queued: 'waiting its turn', running: 'running', paused: 'paused', stopping: 'stopping, saves first', cancelling: 'cancelling',
  done: 'done', stopped: 'stopped, saved', failed: 'failed', cancelled: 'cancelled',
};
export const STATUS_TONE: Record<RunStatus, '' | 'good' | 'bad' | 'warn'> = {
  queued: '', running: 'good', paused: 'warn', stopping: 'warn', cancelling: 'warn', done: 'good', stopped: 'warn', failed: 'bad', cancelled: '',
};
/** How a run stands, as its badge says it. */
export const badgeOf = ({ status, atRest }: Pick<RunRow, 'status' | 'atRest'>): { word: string; tone: string } =>
  (atRest ? { word: 'at rest', tone: 'warn' } : { word: STATUS_WORDS[status], tone: STATUS_TONE[status] });
export const KIND_WORDS: Record<RunKind, string> = {
  pretrain: 'pre-training', sft: 'SFT', reward: 'reward model', ppo: 'PPO', sample: 'sampling', score: 'scoring', demo: 'demo',
};
/** What one step of a run is. */
export const STEP_WORDS: Record<RunKind, string> = {
  pretrain: 'step', sft: 'step', reward: 'step', ppo: 'step', sample: 'prompt', score: 'row', demo: 'step',
};
/** Runs that write texts for the same prompts at several of their steps. */
export const SHOWS_SAMPLES: readonly RunKind[] = ['sft', 'ppo'];
export const VERDICT: Record<Estimate['verdict'], { word: string; tone: 'good' | 'warn' | 'bad' }> = {
  fits: { word: 'fits', tone: 'good' }, tight: { word: 'tight', tone: 'warn' }, 'wont-fit': { word: "won't fit", tone: 'bad' },
};

/** 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string, number, string][] = [[86400, 'd', 3600, 'h'], [3600, 'h', 60, 'min'], [60, 'min', 1, 's']];
  for (const [large, largeWord, small, smallWord] of parts) {
    if (whole < large) continue;
    const rest = Math.floor((whole % large) / small);
    return rest ? `${Math.floor(whole / large)} ${largeWord} ${rest} ${smallWord}` : `${Math.floor(whole / large)} ${largeWord}`;
  }
  return `${whole} s`;
}

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
export const two = (x: number): string => x.toFixed(2).replace(/^-(?!0\.00$)/, '−').replace('-', '');

/** 14:03 today, else 3 May, 14:03. */
export function moment(time: number, now: number = Date.now()): string {
  const at = new Date(time), clock = at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  return at.toDateString() === new Date(now).toDateString() ? clock : `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })}, ${clock}`;
}

export type RunAction = 'pause' | 'resume' | 'stop' | 'cancel';
/** What can be done with a run as it is now. */
export function actionsOf(run: RunRow): RunAction[] {
  if (run.atRest) return ['resume', 'cancel'];
  switch (run.status) {
    case 'queued': return ['cancel'];
    case 'running': return ['pause', 'stop', 'cancel'];
    case 'paused': return ['resume', 'stop', 'cancel'];
    case 'stopping': return ['cancel'];
    case 'failed': case 'stopped': case 'cancelled': return run.resumable ? ['resume'] : [];
    default: return [];
  }
}
export const ACTION_WORDS: Record<RunAction, { word: string; sentence: string }> = {
  pause: { word: 'Pause', sentence: 'Waits at the next step and gives the processor back; nothing is lost.' },
  resume: { word: 'Resume', sentence: 'Goes on from where it is, or from its newest checkpoint.' },
  stop: { word: 'Stop and save', sentence: 'Saves a checkpoint and the model so far, then ends.' },
  cancel: { word: 'Cancel', sentence: 'Ends at once; what came after the newest checkpoint is thrown away.' },
};
