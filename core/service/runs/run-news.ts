// What is new in the files of a run becomes events: metrics, samples and lines of its log.

import path from 'node:path';
import type { MetricPoint } from '#core/contract/runs.ts';
import { followLines, followRows, isMetricRow } from '#core/runs/new-lines.ts';
import type { Emit } from '#core/service/handlers.ts';

/** bytes of a file at a look; of what was there before and is only passed over, sixteen times as many */
const PIECE = 1 << 16;

interface Piece<T> {
  found: T[];
  restarted: boolean;
  more: boolean;
}

/**
 * What is news of a growing file: nothing of what was there before (windows ask for that), all of a file that began
 * anew.
 */
function newsOf<T>(read: (maxBytes: number) => Piece<T>): () => T[] {
  let isBehind = true;
  return () => {
    if (!isBehind) return read(PIECE).found;
    const { found, restarted, more } = read(PIECE << 4);
    if (!more || restarted) isBehind = false;
    return restarted ? found : [];
  };
}

function newLines(file: string): () => string[] {
  const lines = followLines(file);
  return newsOf((maxBytes) => {
    const { lines: found, restarted } = lines.read(maxBytes);
    return { found, restarted, more: found.length > 0 };
  });
}

const stepOf = (line: string): number => Number(/^\{"step":(\d+)/.exec(line)?.[1] ?? 0);

export interface News {
  /** Emits what has come into the files since the last call, a piece of each; samples only after `samplesTakenIn`. */
  tell(): void;
  /** Emits the samples that have come: the database now has what they are known by. */
  samplesTakenIn(): void;
}

/** What is new in the files of run `id`. */
export function newsIn(id: string, folder: string, emit: Emit): News {
  const metrics = followRows<MetricPoint>(path.join(folder, 'metrics.jsonl'), isMetricRow);
  const newMetrics = newsOf((maxBytes) => {
    const { rows, restarted, more } = metrics.read(maxBytes);
    return { found: rows, restarted, more };
  });
  const newSamples = newLines(path.join(folder, 'samples.jsonl'));
  const newLog = newLines(path.join(folder, 'log.txt'));
  const waiting = new Set<number>(); // steps
  return {
    tell: () => {
      const rows = newMetrics();
      if (rows.length) emit('run.metrics', { runId: id, from: metrics.count() - rows.length, rows });
      for (const line of newSamples()) waiting.add(stepOf(line));
      const lines = newLog();
      if (lines.length) emit('run.log', { runId: id, lines });
    },
    samplesTakenIn: () => {
      for (const step of waiting) emit('run.samples', { runId: id, step });
      waiting.clear();
    },
  };
}
