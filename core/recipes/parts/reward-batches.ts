// Rankings packed into the rows of some steps: one row a ranking where each fits into one, else over as many rows as it
// takes.

import type { Arrays } from '#core/autodiff/compile.ts';
import { packRows, rowShape } from '#core/models/rows.ts';
import type { Group, RowShape } from '#core/models/rows.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import type { Spread } from '#core/training/objectives/row-losses.ts';

/** A ranking to be learnt from. */
export interface Ranked {
  /** its texts, one group a row */
  rows: readonly Group[];
  ranks: readonly number[];
  /** how much it counts; 1 on average */
  weight: number;
}

export interface Batches {
  /** of a micro-batch */
  shape: RowShape;
  /** null where every ranking is a row */
  spread: Spread | null;
  /** ids, at, positions, segments, pairs and, spread, places: of all micro-batches of all steps in a line */
  arrays: Arrays;
  /** the group of every row, empty ones for padding */
  rows: Group[];
}

const NOTHING: Group = { prompt: [], completions: [] };
const filled = <T>(list: readonly T[], count: number, by: T): T[] => [
  ...list,
  ...Array.from({ length: count - list.length }, () => by),
];

/**
 * `rankings` for steps of `B` of them, each step cut into `micro` equal parts; a last step with fewer is filled up with
 * rows that count nothing.
 */
export function packRankings(rankings: readonly Ranked[], B: number, micro: number): Batches {
  const each = B / micro;
  const units = Array.from({ length: Math.ceil(rankings.length / B) * micro }, (_, i) =>
    rankings.slice(i * each, (i + 1) * each),
  );
  const isSpread = rankings.some(({ rows }) => rows.length > 1);
  const count = isSpread
    ? Math.max(...units.map((unit) => unit.reduce((sum, { rows }) => sum + rows.length, 0)))
    : each;
  const rows = units.flatMap((unit) =>
    filled(
      unit.flatMap((ranking) => ranking.rows),
      count,
      NOTHING,
    ),
  );
  const shape = rowShape(rows, count, 'last');
  const most = isSpread ? Math.max(...rankings.map(({ ranks }) => ranks.length)) : shape.Q;
  const { arrays, first } = packRows(rows, shape, rows.length, 'last');
  const pairs = new Float32Array(units.length * each * most * most);
  const places = new Int32Array(units.length * each * most);
  units.forEach((unit, u) => {
    let row = u * count;
    unit.forEach((ranking, r) => {
      const at = u * each + r;
      pairs.set(pairWeights(ranking.ranks, most, ranking.weight), at * most * most);
      // flat slots within the micro-batch
      places.set(
        ranking.rows.flatMap((_, i) => first[row + i]!).map((slot) => slot - u * count * shape.Q),
        at * most,
      );
      row += ranking.rows.length;
    });
  });
  return {
    shape,
    spread: isSpread ? { rankings: each, most } : null,
    arrays: { ...arrays, pairs, ...(isSpread ? { places } : {}) },
    rows,
  };
}
