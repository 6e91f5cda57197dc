// Where a reward model's score is read: our own at the last token, another program's as transformers reads it.

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { headParameters } from '#core/models/heads.ts';
import { freshWeights, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { readingOf, rowsToScore, scoresOf } from '#core/models/score-reading.ts';
import { temporaryFolder } from '#tests/core/formats/folder.ts';
import { tinyModel } from './tiny-models.ts';

const PAD = 1;
const ids = fc.array(fc.nat(4), { maxLength: 6 });

test('the last token that is not the padding is the last that is read, as transformers finds it', () => {
  fc.assert(
    fc.property(
      ids.filter((list) => list.length > 0),
      ids,
      (prompt, completion) => {
        const whole = [...prompt, ...completion];
        const last = Math.max(
          0,
          whole.findLastIndex((id) => id !== PAD),
        );
        const [row] = rowsToScore([{ prompt, completion }], { appendsEnd: false, passedOver: PAD }) as [
          { prompt: number[]; completions: number[][] },
        ];
        expect([...row.prompt, ...row.completions[0]!]).toEqual(whole.slice(0, last + 1));
        expect(rowsToScore([{ prompt, completion }], { appendsEnd: true, passedOver: null })).toEqual([
          { prompt, completions: [completion] },
        ]);
      },
    ),
  );
});

test('answers of one prompt get the scores that they get alone', async () => {
  const base = tinyModel('llama');
  const model = {
    ...base,
    head: 'linear' as const,
    weights: {
      ...base.weights,
      ...freshWeights(headParameters({ architecture: base.architecture, head: 'linear' }), 1, 3, 1),
    },
  };
  const evaluator = createEvaluator(model);
  const reading = { appendsEnd: false, passedOver: PAD };
  const asked = [[5, 6], [7], [], [PAD, PAD], [8, PAD]].map((completion) => ({ prompt: [2, 3, PAD], completion }));
  const together = await scoresOf(evaluator, model.weights, asked, reading);
  for (const [i, one] of asked.entries())
    expect((await scoresOf(evaluator, model.weights, [one], reading))[0]!).toBeCloseTo(together[i]!, 5);
  expect(together[2]).toBeCloseTo(
    (await evaluator.scores(model.weights, [{ prompt: [2, 3], completions: [[]] }]))[0]![0]!,
    5,
  );
  expect(await scoresOf(evaluator, model.weights, [], reading)).toEqual([]);
  await evaluator.release();
});

test('the convention is that of the note beside a model, else that of its config.json', () => {
  const folder = path.join(temporaryFolder(), 'judge');
  const base = tinyModel('gpt2');
  saveCheckpoint(folder, {
    ...base,
    head: 'linear',
    weights: {
      ...base.weights,
      ...freshWeights(
        headParameters({ architecture: base.architecture, head: 'linear' }, () => false),
        1,
        3,
      ),
    },
  });
  const config = path.join(folder, 'config.json');
  const say = (pad_token_id: unknown) =>
    fs.writeFileSync(
      config,
      JSON.stringify({ ...(JSON.parse(fs.readFileSync(config, 'utf8')) as object), pad_token_id }),
    );
  expect(readingOf(folder)).toEqual({ appendsEnd: false, passedOver: PAD });
  for (const none of [-1, null, 48]) {
    say(none);
    expect(readingOf(folder)).toEqual({ appendsEnd: false, passedOver: null });
  }
  say(0); // its end of text
  expect(readingOf(folder)).toEqual({ appendsEnd: false, passedOver: 0 });
  fs.writeFileSync(path.join(folder, 'tastemaker.json'), '{"appends_end_of_text": true}');
  expect(readingOf(folder)).toEqual({ appendsEnd: true, passedOver: null });
  fs.writeFileSync(path.join(folder, 'tastemaker.json'), 'not JSON');
  expect(() => readingOf(folder), 'a note that cannot be read is not the same as none').toThrow(
    'tastemaker.json is not valid JSON',
  );
});
