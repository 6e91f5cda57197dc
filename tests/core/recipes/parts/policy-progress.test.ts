// What a run that tunes a policy takes down of its looks: best weights, the fall that stops it, and its way through a
// checkpoint.

import { expect, test } from 'vitest';
import type { MetricRow } from '#core/recipes/metrics.ts';
import { cameTo, keptOf, progressOf, takeLook } from '#core/recipes/parts/policy-progress.ts';
import type { PolicyProgress } from '#core/recipes/parts/policy-progress.ts';

const fresh = () => progressOf(null, { beta: 0.05 });
const row = (held_out_value: number, gold?: number): MetricRow => ({
  held_out_value,
  held_out_score: held_out_value + 1,
  held_out_kl: 2,
  ...(gold === undefined ? {} : { gold }),
});
/** One look after another, an update apart: which were the best yet, and how it stands then. */
function looks(rows: readonly MetricRow[], most: number): { best: boolean[]; progress: PolicyProgress } {
  const progress = fresh();
  const best = rows.map((one, update) => {
    progress.update = update;
    return takeLook(progress, one, most);
  });
  return { best, progress };
}

test('the best weights are those of the highest held-out value, the earlier of equals', () => {
  const { best, progress } = looks([row(1), row(3), row(3), row(2)], 0);
  expect(best).toEqual([true, true, false, false]);
  expect(progress.best).toEqual({ value: 3, update: 1 });
  expect(progress.why).toBe('');
});

test('a fall of gold stops it, whatever the value does; without gold the value is watched', () => {
  expect(looks([row(1, 4), row(5, 5), row(9, 3.5)], 1).progress.why).toBe(
    'the held-out gold score fell from 5.00 to 3.50',
  );
  expect(looks([row(1, 4), row(0, 5), row(-9, 4)], 1).progress.why).toBe('');
  expect(looks([row(2), row(0.5)], 1).progress.why).toBe(
    'the held-out score less the price of KL fell from 2.00 to 0.50',
  );
});

test('the summary goes from the first look to the last, and says nothing where nobody looked', () => {
  expect(cameTo(looks([row(1, 4), row(2, 4.5)], 0).progress)).toBe(
    '; on validation prompts score 2.00 → 3.00, KL 2.00 → 2.00, gold 4.00 → 4.50',
  );
  expect(cameTo(fresh())).toBe('');
});

test('a checkpoint brings it back as it was', () => {
  const { progress } = looks([row(1, 4), row(2, 3)], 0.5);
  expect(progress.why).not.toBe('');
  const rest = JSON.parse(JSON.stringify(keptOf(progress))) as Record<string, unknown>;
  expect(progressOf({ step: 1, tensors: {}, rest }, { beta: 9 })).toEqual(progress);
  const { first: _, ...unseen } = progressOf({ step: 0, tensors: {}, rest: {} }, { beta: 9 });
  expect(unseen).toEqual({ ...fresh(), beta: 9 });
});
