// Distances from the ranked data: against a slow reference that inverts the covariance, and a planted outlier.

import { expect, test } from 'vitest';
import { distances, farFrom, spreadOf } from '#core/findings/mahalanobis.ts';
import { createRandom } from '#core/random.ts';

type Matrix = number[][];

/** Gauss and Jordan's inverse with pivots. */
function inverse(matrix: Matrix): Matrix {
  const C = matrix.length;
  const rows = matrix.map((row, r) => [...row, ...row.map((_, c) => Number(r === c))]);
  for (let c = 0; c < C; c++) {
    const pivot = rows.slice(c).reduce((best, row) => (Math.abs(row[c]!) > Math.abs(best[c]!) ? row : best), rows[c]!);
    const at = rows.indexOf(pivot);
    [rows[c], rows[at]] = [pivot, rows[c]!];
    const unit = pivot.map((x) => x / pivot[c]!);
    for (let r = 0; r < C; r++) {
      const row = rows[r]!;
      const times = row[c]!;
      rows[r] = r === c ? unit : row.map((x, k) => x - times * unit[k]!);
    }
  }
  return rows.map((row) => row.slice(C));
}

/** Ledoit and Wolf's covariance from its definition: b² = Σ_i ‖x_i x_iᵀ − S‖² / N². */
function slowCovariance(centred: Matrix): Matrix {
  const N = centred.length;
  const C = centred[0]!.length;
  const all = (of: (r: number, c: number) => number): Matrix =>
    Array.from({ length: C }, (_, r) => Array.from({ length: C }, (__, c) => of(r, c)));
  const norm2 = (matrix: Matrix) => matrix.flat().reduce((sum, x) => sum + x * x, 0);
  const S = all((r, c) => centred.reduce((sum, x) => sum + x[r]! * x[c]!, 0) / N);
  const m = S.reduce((sum, row, r) => sum + row[r]!, 0) / C;
  const d2 = norm2(all((r, c) => S[r]![c]! - (r === c ? m : 0)));
  const b2 = centred.reduce((sum, x) => sum + norm2(all((r, c) => x[r]! * x[c]! - S[r]![c]!)), 0) / N ** 2;
  const rho = Math.min(b2, d2) / d2;
  return all((r, c) => (1 - rho) * S[r]![c]! + (r === c ? rho * m : 0));
}

const random = createRandom(2, 'features');
/** Rows that vary together, as a model's features do. */
const rowsOf = (N: number, C: number): Matrix =>
  Array.from({ length: N }, () => {
    const common = random.normal();
    return Array.from({ length: C }, (_, c) => (1 + c) * random.normal() + 3 * common + c);
  });

for (const [N, C] of [
  [200, 5],
  [12, 8],
  [6, 9],
] as const)
  test(`${N} rows of ${C} features: the distance through the inverse`, () => {
    const rows = rowsOf(N, C);
    const others = rowsOf(10, C);
    const mean = rows[0]!.map((_, c) => rows.reduce((sum, row) => sum + row[c]!, 0) / N);
    const off = (row: number[]) => row.map((x, c) => x - mean[c]!);
    const inverted = inverse(slowCovariance(rows.map(off)));
    const spread = spreadOf(rows.flat(), C)!;
    const found = distances(spread, others.flat());
    others.map(off).forEach((x, i) => {
      const square = x.reduce((sum, a, r) => sum + a * x.reduce((inner, b, c) => inner + b * inverted[r]![c]!, 0), 0);
      expect(found[i]! / Math.sqrt(square)).toBeCloseTo(1, 8);
    });
  });

test('normal data lies at √C, and what leaves the common direction stands out though each feature is usual', () => {
  const C = 8;
  const rows = rowsOf(2000, C);
  const spread = spreadOf(Float32Array.from(rows.flat()), C)!;
  const own = distances(spread, rows.flat());
  const square = own.reduce((sum, d) => sum + d * d, 0) / own.length;
  expect(square).toBeGreaterThan(0.95 * C);
  expect(square).toBeLessThan(1.05 * C);
  const odd = Array.from(spread.mean, (m, c) => m + (c % 2 ? 1 : -1) * 2.5 * (1 + c));
  expect(distances(spread, odd)[0]!).toBeGreaterThan(own.toSorted()[1980]!);
});

test('nothing to compare with is null, not a distance', () => {
  expect(spreadOf([1, 2, 3], 3)).toBeNull();
  expect(spreadOf([1, 2, 3, 1, 2, 3], 3)).toBeNull();
  expect(spreadOf([1, 2, NaN, 4, 5, 6], 3)).toBeNull();
});

test('of the same kind one in a hundred is far, of another kind nearly all; of few ranked rows nothing is said', () => {
  const C = 6;
  const ranked = rowsOf(1200, C).flat();
  const share = (rows: Matrix) => farFrom(ranked, rows.flat(), C)!.filter(Boolean).length / rows.length;
  expect(share(rowsOf(3000, C))).toBeLessThan(0.03);
  expect(share(rowsOf(3000, C))).toBeGreaterThan(0.001);
  const moved = rowsOf(300, C).map((row) => row.map((x, c) => x + (c % 2 ? 1 : -1) * 5 * (1 + c)));
  expect(share(moved)).toBeGreaterThan(0.9);
  expect(farFrom(rowsOf(63, C).flat(), moved.flat(), C)).toBeNull();
  expect(farFrom(Array<number>(64 * C).fill(1), moved.flat(), C)).toBeNull();
});
