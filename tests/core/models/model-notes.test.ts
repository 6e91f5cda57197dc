// Notes beside the weights: what is there in another form is refused by its key, and never counts as absent.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { readMade } from '#core/models/model-notes.ts';
import { readingOf, saidToAppendEnd } from '#core/models/score-reading.ts';
import { refusalOf } from './refusal.ts';
import { tinyModel } from './tiny-models.ts';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'notes-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
const write = (name: string, text: string) => fs.writeFileSync(path.join(scratch, name), text);

describe('tastemaker.json', () => {
  saveCheckpoint(scratch, withScoreHead(tinyModel('llama'), 3));

  test('says whether ends are appended; without it, or where it says nothing of it, the model is another program’s', () => {
    expect(saidToAppendEnd(scratch)).toBe(null);
    for (const [text, said] of [
      ['{}', null],
      ['{"appends_end_of_text": true}', true],
      ['{"appends_end_of_text": false}', false],
    ] as const) {
      write('tastemaker.json', text);
      expect(saidToAppendEnd(scratch), text).toBe(said);
      expect(readingOf(scratch).appendsEnd).toBe(said === true);
    }
  });

  test.each(['"true"', '1', 'null', '[true]', '{"is":true}'])(
    '%s is refused by name wherever the model is read',
    (value) => {
      write('tastemaker.json', `{"appends_end_of_text": ${value}}`);
      expect(refusalOf(() => readingOf(scratch))).toMatchObject({
        code: 'bad-model',
        message: `${path.join(scratch, 'tastemaker.json')}: "appends_end_of_text" is ${value}, not true or false.`,
      });
    },
  );

  test('a note that is no JSON is refused too', () => {
    write('tastemaker.json', '{"appends');
    expect(refusalOf(() => readingOf(scratch))).toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining('tastemaker.json is not valid JSON'),
    });
  });
});

describe('made.json', () => {
  const made = { run: '0001-ppo', step: 3, steps: 4, metrics: { score: 1.5, kl: null }, reference: 'base' };

  test('is read as it was written; a number that could not be written is left out', () => {
    expect(readMade(path.join(scratch, 'none'))).toBe(null);
    write('made.json', JSON.stringify(made));
    expect(readMade(scratch)).toEqual({ ...made, metrics: { score: 1.5 } });
  });

  test.each([
    ['run', 5],
    ['run', undefined],
    ['step', '3'],
    ['step', 2.5],
    ['step', undefined],
    ['steps', null],
    ['metrics', [1]],
    ['metrics', undefined],
    ['reference', 7],
  ])('"%s" that is %j is refused by name', (key, value) => {
    write('made.json', JSON.stringify({ ...made, [key]: value }));
    expect(refusalOf(() => readMade(scratch))).toMatchObject({
      code: 'bad-model',
      message: expect.stringContaining(`made.json: "${key}" is `),
    });
  });

  test('a metric that is text is refused by its name', () => {
    write('made.json', JSON.stringify({ ...made, metrics: { score: '1.5' } }));
    expect(refusalOf(() => readMade(scratch)).message).toContain('"score" in "metrics" is "1.5", not a number');
  });
});
