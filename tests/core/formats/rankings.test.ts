// Rankings and completions: each kind of row, and each way to get one wrong, by its line.
import { describe, expect, test } from 'vitest';
import { readCompletions } from '#core/formats/completions.ts';
import { readRankings } from '#core/formats/rankings.ts';
import { errorOf, fileWith } from './folder.ts';

const lines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n');
const rankings = (...rows: unknown[]) => readRankings(fileWith(lines(...rows)));

describe('rankings', () => {
  test('by text, by id, and pairs', () => {
    expect(rankings(
      { prompt: 'p', completions: ['a', 'b', 'c'], ranks: [2, 1, 2], labeler: 'ada', confidence: 9, note: 'close' },
      { prompt_id: 7, completion_ids: [3, 1], ranks: [1, 2] },
      { prompt: 'p', chosen: ' good', rejected: '', margin: 0.5 },
    )).toEqual({
      rankings: [
        { kind: 'texts', line: 1, prompt: 'p', completions: ['a', 'b', 'c'], ranks: [2, 1, 2], labeler: 'ada', confidence: 9, note: 'close' },
        { kind: 'ids', line: 2, promptId: 7, completionIds: [3, 1], ranks: [1, 2], labeler: null, confidence: null, note: null },
        { kind: 'texts', line: 3, prompt: 'p', completions: [' good', ''], ranks: [1, 2], labeler: null, confidence: null, note: null },
      ],
      errors: [],
    });
  });

  const good = { prompt: 'p', completions: ['a', 'b'], ranks: [1, 2] };
  const byId = { prompt_id: 1, completion_ids: [1, 2], ranks: [1, 2] };
  const pair = { prompt: 'p', chosen: 'a', rejected: 'b' };
  test.each<[row: unknown, says: RegExp]>([
    [{ ...good, ranks: [1] }, /2 completions but 1 ranks/],
    [{ ...good, ranks: [1, 2, 3] }, /2 completions but 3 ranks/],
    [{ ...good, completions: ['a'], ranks: [1] }, /two completions.*has 1/],
    [{ ...good, completions: [], ranks: [] }, /two completions.*has 0/],
    [{ ...good, ranks: [1, 1.5] }, /Item 2 of "ranks" is not a whole number/],
    [{ ...good, ranks: [0, 1] }, /Item 1 of "ranks"/],
    [{ ...good, ranks: ['1', '2'] }, /Item 1 of "ranks"/],
    [{ ...good, ranks: null }, /"ranks" is not a list/],
    [{ prompt: 'p', completions: ['a', 'b'] }, /"ranks" is missing/],
    [{ ...good, completions: ['a', null] }, /Item 2 of "completions" is not text/],
    [{ ...good, completions: ['a', 'a'] }, /Completions 1 and 2 are the same text/],
    [{ ...good, prompt: '' }, /"prompt" is empty/],
    [{ ...good, confidence: 10 }, /"confidence"/],
    [{ ...good, confidence: 2.5 }, /"confidence"/],
    [{ ...good, labeler: 4 }, /"labeler"/],
    [{ ...byId, prompt_id: '1' }, /"prompt_id"/],
    [{ ...byId, completion_ids: [1, 1] }, /Completion 1 is ranked twice/],
    [{ ...byId, completion_ids: [1, -2] }, /Item 2 of "completion_ids"/],
    [{ prompt_id: 1, ranks: [1, 2] }, /"completion_ids" is missing/],
    [{ ...pair, rejected: 'a' }, /same text/],
    [{ prompt: 'p', chosen: 'a' }, /"rejected" is missing/],
    [{ chosen: 'a', rejected: 'b' }, /"prompt" is missing/],
    [{ ...pair, chosen: [{ role: 'assistant', content: 'a' }] }, /"chosen" is a list of messages/],
    [[1], /not an object/],
    [null, /not an object/],
  ])('%j is refused', (row, says) => {
    const { rankings: kept, errors } = rankings(good, row, byId);
    expect(kept.map(({ line }) => line)).toEqual([1, 3]);
    expect(errors).toEqual([{ line: 2, message: expect.stringMatching(says) }]);
  });
});

describe('completions', () => {
  test('rows and tables, with and without a policy', () => {
    expect(readCompletions(fileWith(lines({ prompt: 'p', completion: ' a', policy: 'sup4' }, { prompt: 'p', completion: '' }, { prompt: 'p' }, { completion: 'a' }, { prompt: 'p', completion: 3 })))).toEqual({
      completions: [{ line: 1, prompt: 'p', completion: ' a', policy: 'sup4' }, { line: 2, prompt: 'p', completion: '', policy: null }],
      errors: [
        { line: 3, message: '"completion" is missing.' },
        { line: 4, message: '"prompt" is missing.' },
        { line: 5, message: '"completion" is not text.' },
      ],
    });
    expect(readCompletions(fileWith('policy,prompt,completion\nsup4,p," a\nb"\n', 'c.csv')).completions).toEqual([{ line: 2, prompt: 'p', completion: ' a\nb', policy: 'sup4' }]);
  });
});

test('a map names other columns; a field that does not exist is one error', () => {
  const map = { prompt: 'question', chosen: 'better', rejected: 'worse' };
  expect(readRankings(fileWith(lines({ question: 'q', better: 'a', worse: 'b' }, { question: 'q', better: 'a' })), { map })).toMatchObject({
    rankings: [{ kind: 'texts', prompt: 'q', completions: ['a', 'b'], ranks: [1, 2] }], errors: [{ line: 2, message: '"rejected" is missing.' }],
  });
  expect(readCompletions(fileWith('q,a\np,c\n', 'c.csv'), { map: { prompt: 'q', completion: 'a' } }).completions).toEqual([{ line: 2, prompt: 'p', completion: 'c', policy: null }]);
  for (const act of [() => readRankings(fileWith('{}'), { map: { colour: 'x' } }), () => readCompletions(fileWith('{}'), { map: { colour: 'x' } })]) {
    expect(errorOf(act)).toMatchObject({ code: 'bad-argument', message: expect.stringContaining('"colour"') });
  }
});
