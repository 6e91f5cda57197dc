// How long work shows itself: one line with the time left on a terminal, plain lines elsewhere; and what Ctrl-C does.

import type { Listeners } from '#core/runs/open.ts';
import type { MetricName, MetricRow } from '#core/recipes/metrics.ts';
import { forTerminal } from './terminal.ts';
import { duration } from '#core/contract/time-words.ts';

/** What the line shows, in this order, where it was reported. */
const MAIN: readonly MetricName[] = [
  'loss',
  'validation_loss',
  'perplexity',
  'accuracy',
  'validation_accuracy',
  'score_gap',
  'kl',
  'score',
  'reward',
  'gold',
  'ended',
  'length',
  'tokens_per_second',
];
const PLAIN_EVERY = 2000; // milliseconds between lines where nobody watches live

export interface Progress extends Required<Pick<Listeners, 'onReport' | 'onLog'>> {
  /** Ends the line and says the last value of the main metrics. */
  finish(): void;
  /** Leaves the line as it is, so that an error starts on its own. */
  leave(): void;
}

/** 4 significant digits, whole numbers from 1000 on. */
export const short = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(4)));

export const mainValues = (metrics: MetricRow): string =>
  MAIN.filter((name) => metrics[name] !== undefined)
    .map((name) => `${name} ${short(metrics[name]!)}`)
    .join('  ');

/** Progress on stderr, so that stdout holds results only. */
export function createProgress(what: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  const last: MetricRow = {};
  let first: { step: number; at: number } | null = null;
  let told = -Infinity;
  let open = false;
  const line = (content: string) => {
    stream.write(`${open ? '\r\u001b[K' : ''}${content}\n`);
    open = false;
  };
  return {
    onReport: (step, total, metrics) => {
      Object.assign(last, metrics);
      const now = Date.now();
      // the first report bears the preparations (and a resumed run's earlier steps), so time is measured from there
      first ??= { step, at: now };
      const left =
        step > first.step ? `  ${duration(((now - first.at) / 1000 / (step - first.step)) * (total - step))} left` : '';
      const shown = `${what} ${step}/${total}${left}  ${mainValues(metrics)}`.trimEnd();
      if (stream.isTTY) {
        stream.write(`\r\u001b[K${shown.slice(0, (stream.columns || 80) - 1)}`);
        open = true;
      } else if (now - told >= PLAIN_EVERY || step === total) {
        line(shown);
        told = now;
      }
    },
    onLog: line,
    finish: () => {
      const values = mainValues(last);
      if (values) line(`${what}: ${values}`);
      else if (open) line('');
    },
    leave: () => {
      if (open) stream.write('\n');
      open = false;
    },
  };
}

const SAVES = 'Stopping: saving after this step. Ctrl-C again leaves at once, without saving.';

/**
 * The first Ctrl-C asks to end, which `says` what comes of it, the second leaves at once. `release` gives Ctrl-C back.
 */
export function onInterrupt(says = SAVES): { stopping(): boolean; release(): void } {
  let asked = false;
  const listener = (): void => {
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write(forTerminal(`\n${says}\n`));
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    stopping: () => asked,
    release: () => {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}

/** Runs `work` with progress and Ctrl-C set up for it. */
export async function withProgress<T>(
  what: string,
  work: (listeners: Required<Omit<Listeners, 'pulse'>>) => Promise<T>,
): Promise<T> {
  const progress = createProgress(what);
  const interrupt = onInterrupt();
  try {
    const result = await work({ ...progress, stopping: interrupt.stopping });
    progress.finish();
    return result;
  } finally {
    progress.leave();
    interrupt.release();
  }
}
