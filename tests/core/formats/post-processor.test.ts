// What a post-processor puts before a text; one in an unexpected form is refused and never taken as none.

import { expect, test } from 'vitest';
import { beginOf } from '#core/formats/post-processor.ts';

const one = { SpecialToken: { id: '<s>', type_id: 0 } };
const text = { Sequence: { id: 'A', type_id: 0 } };
const template = (single: unknown, ids: unknown = [1]) => ({
  type: 'TemplateProcessing',
  single,
  special_tokens: { '<s>': { id: '<s>', ids, tokens: ['<s>'] } },
});
const begin = (processor: unknown) => beginOf(processor, 'tokenizer.json').map(({ id }) => id);

test('nothing, a template’s tokens, those of BERT and RoBERTa, and of a sequence the later before the earlier', () => {
  for (const none of [
    null,
    undefined,
    { type: 'ByteLevel' },
    template([text]),
    template([text, one]),
    { type: 'Sequence', processors: [] },
  ])
    expect(begin(none), JSON.stringify(none)).toEqual([]);
  expect(begin(template([one, text, one]))).toEqual([1]);
  expect(begin(template([one, one, text], [1, 7]))).toEqual([1, 7, 1, 7]);
  expect(begin({ type: 'BertProcessing', sep: ['</s>', 2], cls: ['<s>', 3] })).toEqual([3]);
  expect(
    begin({
      type: 'Sequence',
      processors: [
        template([one, text], [4]),
        { type: 'ByteLevel' },
        { type: 'Sequence', processors: [template([one, text], [5])] },
      ],
    }),
  ).toEqual([5, 4]);
});

test.each([
  ['x', 'is not an object'],
  [[], 'is not an object'],
  [{}, 'has a step of the type missing'],
  [{ type: 'Metaspace' }, 'has a step of the type "Metaspace"'],
  [{ type: ['ByteLevel'] }, 'has a step of the type ["ByteLevel"]'],
  [{ type: 'Sequence' }, 'is a sequence whose "processors" are not a list'],
  [{ type: 'Sequence', processors: ['x'] }, 'has a step that is not an object'],
  [
    { type: 'Sequence', processors: Array.from({ length: 65 }, () => ({ type: 'ByteLevel' })) },
    'has more than 64 steps',
  ],
  [template('<s> $A'), 'has a template whose "single" is not a list'],
  [template([one]), 'has a template without a place for the text'],
  [template(['<s>', text]), 'has a template with a part that is no token'],
  [template([one, text], ['1']), 'names "<s>"'],
  [template([one, text], 1), 'names "<s>"'],
  [{ ...template([one, text]), special_tokens: {} }, 'names "<s>"'],
  [{ type: 'RobertaProcessing', cls: ['<s>', '3'] }, 'has a "cls"'],
  [{ type: 'BertProcessing' }, 'has a "cls"'],
])('%j is refused', (processor, says) => {
  expect(() => begin(processor)).toThrow(`tokenizer.json: "post_processor" ${says}`);
});
