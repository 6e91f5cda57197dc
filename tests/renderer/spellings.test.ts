// A phrase is forbidden as its answers write it, beside what was forbidden before; and the last weights of before it.

import { expect, test } from 'vitest';
import type { RunRow } from '#core/contract/runs.ts';
import { bestBefore, keptWeights, lastBefore } from '#renderer/components/findings/kept-before.ts';
import { forbiddenWith, spellingsOf } from '#renderer/components/findings/spellings.ts';

const sample = (text: string, ...places: { start: number; end: number }[]) => ({
  promptId: 1,
  update: 2,
  text,
  score: 0,
  places,
});
const finding = {
  phrase: 'pls halp',
  samples: [
    sample('Pls halp me', { start: 0, end: 8 }),
    sample('oh pls halp. pls halp', { start: 3, end: 11 }, { start: 13, end: 21 }),
    sample('pls\nhalp', { start: 0, end: 8 }),
  ],
};

test('every spelling once, the most frequent first, a line end as \\n, beside what is there', () => {
  expect(spellingsOf(finding)).toEqual(['pls halp', 'Pls halp', 'pls\nhalp']);
  expect(forbiddenWith('old\n\npls halp', finding)).toBe('old\npls halp\nPls halp\npls\\nhalp');
  expect(forbiddenWith('', { phrase: 'as it is', samples: [] })).toBe('as it is');
});

test('weights of before an update are the last that are kept, of the best and of looks', () => {
  const look = (update: number) => ({ update, folder: `looks/${update}`, sentence: '', modelId: null });
  const best = { folder: 'best', step: 8, steps: 20, sentence: 'best', by: null };
  const run = { id: 'r' } as RunRow;
  const detail = { run, best, looks: [look(4), look(8), look(12)] };
  expect(keptWeights(detail, []).map(({ folder }) => folder)).toEqual(['looks/4', 'best', 'looks/12']);
  expect(keptWeights({ run, best, looks: [look(4)] }, []).map(({ folder }) => folder)).toEqual(['looks/4', 'best']);
  const models = [
    { id: 7, runId: 'r', step: 8, best: true },
    { id: 8, runId: 'another', step: 11, best: true },
    { id: 9, runId: 'r', step: null, best: false },
  ];
  expect(lastBefore(detail, models, 12)).toMatchObject({ update: 8, modelId: 7 });
  expect(lastBefore(detail, models, 4)).toBeNull();
  expect(bestBefore(detail, models, 20)).toMatchObject({ update: 8, modelId: 7 });
  expect(bestBefore({ ...detail, best: null }, [], 12)?.update).toBe(8); // the last of before
  expect(bestBefore(detail, [], 3)).toBeNull();
  expect(lastBefore({ run, best: { ...best, step: null }, looks: [] }, [], 99)).toBeNull();
});
