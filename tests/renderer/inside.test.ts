// What the figures of the inside show: tints and numbers of the lens, its difference, tables, bands of a picture.
import { expect, test } from 'vitest';
import type { Lens, LensLayer } from '#core/contract/inspect.ts';
import { readable, visible } from '#renderer/components/inside/figure.ts';
import { A_BAND, bandsOf, csvOf } from '#renderer/components/inside/figure-export.ts';
import { cellAt, MEASURES, mostOf, numberAt, tableOf } from '#renderer/components/inside/lens-measures.ts';

const layer = (l: number, scale: number): LensLayer => ({
  layer: l,
  best: [[{ id: 7, token: 'Ġboss', logprob: Math.log(0.25 * scale) }], [{ id: 8, token: 'Ċ', logprob: Math.log(0.5) }]],
  entropies: [2 * scale, 1],
  divergences: [3 * scale, 0],
  nextLogprobs: [-4 * scale, null],
  nextRanks: [5 * scale, null],
  norms: [10 * scale, 20],
});
const one: Lens = {
  ids: [3, 7],
  tokens: ['my', 'Ġboss,"x"'],
  prompt: 1,
  positions: [0, 2],
  layers: [layer(0, 1), layer(1, 1)],
  beside: null,
  difference: null,
};
const two: Lens = {
  ...one,
  beside: [layer(0, 2), layer(1, 2)],
  difference: [0, 1].map((l) => ({
    layer: l,
    entropies: [2, 0],
    divergences: [3, 0],
    nextLogprobs: [-4, null],
    nextRanks: [5, null],
    norms: [10, 0],
  })),
};

test('a space and the end of a line are seen', () => {
  expect([visible('Ġship'), visible('▁ship'), visible('Ċ'), visible(''), readable('Ġship')]).toEqual([
    '␣ship',
    '␣ship',
    '⏎',
    '∅',
    ' ship',
  ]);
});

test('a cell holds the likeliest token, its ground the measure, its words every number', () => {
  const most = mostOf([one], 'model', MEASURES.entropy);
  expect(most).toBe(2);
  const cell = cellAt(one, 'model', MEASURES.entropy, 0, 0, most);
  expect(cell).toMatchObject({ text: '␣boss', tint: { hue: 'warn', strength: 1 } });
  for (const words of [
    '␣boss 0.25',
    'entropy 2.00',
    'KL to the last layer 3.00',
    'rank of what follows 5',
    'norm 10.0',
  ])
    expect(cell.title).toContain(words);
  expect(cellAt(one, 'model', MEASURES.entropy, 0, 1, most).tint.strength).toBe(0.5);
  expect(cellAt(one, 'model', MEASURES.next, 0, 1, 4)).toMatchObject({ text: '⏎', tint: { strength: 0 } });
  expect(cellAt(one, 'model', MEASURES.probability, 0, 0, 1).tint.strength).toBeCloseTo(0.25);
});

test('the difference is what the second model has more of, with its sign, where there is one', () => {
  expect(numberAt(two, 'difference', MEASURES.probability, 0, 0)).toBeNull();
  expect(numberAt(one, 'difference', MEASURES.norm, 0, 0)).toBeNull();
  for (const [name, value] of [
    ['entropy', 2],
    ['divergence', 3],
    ['next', -4],
    ['norm', 10],
  ] as const) {
    expect(numberAt(two, 'difference', MEASURES[name], 1, 0)).toBe(value);
    expect(numberAt(two, 'beside', MEASURES[name], 1, 0)).toBe(2 * value);
    expect(numberAt(two, 'beside', MEASURES[name], 1, 0)! - numberAt(two, 'model', MEASURES[name], 1, 0)!).toBe(value);
  }
  expect(cellAt(two, 'difference', MEASURES.next, 0, 0, 4)).toMatchObject({ text: '−4.00', tint: { hue: 'bad' } });
  expect(cellAt(two, 'difference', MEASURES.norm, 0, 0, 10)).toMatchObject({ text: '10.0', tint: { hue: 'good' } });
});

test('the table has a line each model, position and layer, and survives commas and quotes', () => {
  const table = tableOf([two], ['a', 'b']);
  expect(table).toHaveLength(1 + 2 * 2 * 2);
  expect(new Set(table.map((row) => row.length))).toEqual(new Set([table[0]!.length]));
  const lines = csvOf(table).trimEnd().split('\n');
  expect(lines[1]).toBe(`a,0,my,"Ġboss,""x""",0,Ġboss,${Math.log(0.25)},2,3,-4,5,10`);
  expect(lines[3]).toBe(`a,1,"Ġboss,""x""",,0,Ċ,${Math.log(0.5)},1,0,,,20`);
});

test('a picture has as many bands as the tokens take, and never more than a canvas holds', () => {
  const rows = Array.from({ length: 5 }, () => ({ name: '', title: '', cell: () => null }));
  const columns = (n: number) => Array.from({ length: n }, () => 'a');
  expect(bandsOf({ columns: columns(A_BAND), rows }).bands).toBe(1);
  expect(bandsOf({ columns: columns(A_BAND + 1), rows }).bands).toBe(2);
  expect(bandsOf({ columns: columns(100_000), rows }).height).toBeLessThanOrEqual(16_000);
});
