// How the numbers of a stored model are packed: as floats of some width, or quantised.

import type { StoredCheckpoint } from './checkpoint.ts';

/** How most of its numbers are packed: F32, BF16, Q4_K … */
export function packingOf({ stored, parameters }: Pick<StoredCheckpoint, 'stored' | 'parameters'>): string {
  const counts = new Map<string, number>();
  for (const { inFile, shape } of parameters)
    counts.set(stored.dtype(inFile), (counts.get(stored.dtype(inFile)) ?? 0) + shape.reduce((a, b) => a * b, 1));
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}
