// One invented row of every format, as its documentation writes it, what it is read as, and rows of it that are wrong.

import type { Preference } from '#core/formats/preferences/preference.ts';
import { by, record } from './read-file.ts';

export interface Invented {
  name: string;
  row: Record<string, unknown>;
  is: Preference | Preference[];
  bad: [row: unknown, says: RegExp][];
}

const ask = (content: string) => ({ role: 'user', content }) as const;
const say = (content: string) => ({ role: 'assistant', content }) as const;
const pair = (given: Partial<Preference> = {}) =>
  record({ answers: [by(' good'), by(' bad')], ranks: [1, 2], ...given });

const post = { id: 't3_x1', post: 'My cat ate my badge.', title: 'Late again', subreddit: 'tifu' };
const comparison = {
  info: post,
  summaries: [
    { text: ' cat ate badge, late for work', policy: 'sup4', note: 'Cat made them late.' },
    { text: ' I was late.', policy: 'ref', note: null },
  ],
  choice: 0,
  worker: 'w7',
  batch: 'batch9',
  split: 'train',
  extra: { confidence: 2 },
};
const axis = {
  info: { id: 'a1', site: 'cnn', title: 'T', article: 'It rained.' },
  split: 'test',
  summary: {
    text: 'S',
    policy: 'ref',
    note: '',
    axes: { overall: 4, accuracy: 6, coverage: 3, coherence: null, compatible: true },
  },
  worker: 'w7',
  batch: 'cnndm1',
};
const rated = (name: string, value: number) => ({ answer: 0, axis: name, value, low: 1, high: 7, labeler: 'w7' });

const items = [
  { id: 's0', title: 'Model A', body: 'Fog.' },
  { id: 's1', title: '', body: 'Snow.' },
  { id: 's2', title: 'Model C', body: 'Ice.' },
];
const ranker = (value: unknown, more = {}) => ({
  from_name: 'rank',
  to_name: 'results',
  type: 'ranker',
  value: { ranker: value },
  ...more,
});
const ranked = {
  id: 12,
  data: { prompt: 'Why is it late?', items },
  annotations: [
    { completed_by: 3, lead_time: 4.25, result: [ranker({ rank: ['s2', 's0', 's1'] })] },
    {
      completed_by: { id: 4, email: 'ben@example.org' },
      was_cancelled: false,
      result: [ranker({ _: ['s1'], best: ['s2', 's0'] })],
    },
    { completed_by: 5, was_cancelled: true, result: [ranker({ rank: ['s0', 's1', 's2'] })] },
  ],
};
const task = {
  data: { prompt: 'Why?', text1: 'Fog.', text2: 'Snow.' },
  annotations: [
    {
      completed_by: 3,
      result: [{ type: 'pairwise', from_name: 'pw', to_name: ['text1', 'text2'], value: { selected: 'right' } }],
    },
  ],
};
const compared = {
  data: { prompt: 'Why?', t1: 'Fog.', t2: 'Snow.', length: 3 },
  annotations: [
    {
      completed_by: 3,
      result: [{ type: 'pairwise', from_name: 'pw', to_name: ['t1', 't2'], value: { selected: 'left' } }],
    },
  ],
};

const argilla2 = {
  id: 'r1',
  status: 'completed',
  prompt: 'P',
  response_a: 'A',
  response_b: 'B',
  'preference.responses': [
    ['response_a', 'response_b'],
    ['response_b', 'response_a'],
    ['response_a', 'response_b'],
  ],
  'preference.responses.users': ['u1', 'u2', 'u3'],
  'preference.responses.status': ['submitted', 'submitted', 'discarded'],
  'preference.suggestion': null,
  'preference.suggestion.score': null,
  'preference.suggestion.agent': null,
  'metadata.split': 'test',
};
const suggested = { 'preference.suggestion.score': null, 'preference.suggestion.agent': null };
const argilla1 = {
  prompt: 'P',
  response1: 'A',
  response2: 'B',
  preference: [
    { user_id: 'u1', value: { rank: [2, 1], value: ['response1', 'response2'] }, status: 'submitted' },
    { user_id: null, value: { rank: [1, 1], value: ['response2', 'response1'] }, status: 'submitted' },
  ],
  'preference-suggestion': null,
  'preference-suggestion-metadata': { type: null, score: null, agent: null },
  external_id: 'e7',
  metadata: '{"split":"train","tokens":9}',
};

const review = (system: string, worker: string, rank: number, annotations: unknown[] = []) => ({
  annotations,
  system,
  worker_id: worker,
  'correctness-rating': 60,
  'selection-rating': 0,
  'overall-rating': 5,
  'correctness-rank': rank,
  'selection-rank': 3 - rank,
  'overall-rank': rank,
});
const passage = {
  'passage-id': '7',
  questions: {
    0: {
      bart: {
        response: 'They dig  a path. They leave, and they dig  a path again.',
        reviews: [
          review('bart', '3', 2, [
            { annotation: ['No.', 'Never.'], selection: 'dig a\npath' },
            { annotation: [], selection: 'dig a path' },
            { annotation: ['It is long.'], selection: '' },
          ]),
        ],
        overall: {},
      },
      human: {
        response: 'They find robots.',
        reviews: [review('human', '3', 1, [{ annotation: ['Right.'], selection: 'nowhere' }])],
        overall: {},
      },
    },
  },
};
const judged = (answer: number, rank: number) => [
  { answer, axis: 'correctness', value: 60, low: 0, high: 100, labeler: '3' },
  { answer, axis: 'selection', value: 0, low: 0, high: 100, labeler: '3' },
  { answer, axis: 'overall', value: 5, low: 0, high: 100, labeler: '3' },
  { answer, axis: 'correctness-rank', value: rank, low: 2, high: 1, labeler: '3' },
  { answer, axis: 'selection-rank', value: 3 - rank, low: 2, high: 1, labeler: '3' },
];

export const INVENTED: readonly Invented[] = [
  {
    name: 'trl-explicit',
    row: { prompt: 'P', chosen: ' good', rejected: ' bad', margin: 0.5 },
    is: pair({ extra: { margin: 0.5 } }),
    bad: [
      [{ prompt: 'P', chosen: ' good', rejected: 7 }, /"rejected" is not text/],
      [{ prompt: ' ', chosen: 'a', rejected: 'b' }, /"prompt" is empty/],
    ],
  },
  {
    name: 'trl-implicit',
    row: { chosen: 'The sky is blue.', rejected: 'The sky is black.' },
    is: record({ prompt: 'The sky is', answers: [by(' blue.'), by(' black.')], ranks: [1, 2] }),
    bad: [[{ chosen: 'Blue.', rejected: 'Black.' }, /"prompt" is missing, and .* do not begin with the same/]],
  },
  {
    name: 'trl-conversational',
    row: { prompt: [ask('Q')], chosen: [say('A')], rejected: [say('B')] },
    is: record({ prompt: 'Q', messages: [ask('Q')], answers: [by('A'), by('B')], ranks: [1, 2] }),
    bad: [
      [
        { prompt: [ask('Q')], chosen: [say('A'), ask('more')], rejected: [say('B')] },
        /"chosen" has 2 messages after the prompt/,
      ],
      [{ prompt: [ask('Q')], chosen: [ask('A')], rejected: [say('B')] }, /answer in "chosen" is by the user/],
      [
        { prompt: [ask('Q')], chosen: [{ role: 'tool', content: 'A' }], rejected: [say('B')] },
        /Message 1 of "chosen" has the role "tool"/,
      ],
      [
        { prompt: [{ role: 'user', content: [{ type: 'image' }] }], chosen: [say('A')], rejected: [say('B')] },
        /Message 1 of "prompt" has no text/,
      ],
    ],
  },
  {
    name: 'llama-factory-alpaca',
    row: {
      instruction: 'Sum up.',
      input: 'It rained.',
      chosen: ' good',
      rejected: ' bad',
      system: 'Be brief.',
      history: [['Hi', 'Hello']],
    },
    is: pair({
      prompt: 'System: Be brief.\n\nUser: Hi\n\nAssistant: Hello\n\nUser: Sum up.\nIt rained.',
      messages: [{ role: 'system', content: 'Be brief.' }, ask('Hi'), say('Hello'), ask('Sum up.\nIt rained.')],
      extra: { input: 'It rained.' },
    }),
    bad: [
      [{ instruction: '', chosen: 'a', rejected: 'b' }, /"instruction" is empty/],
      [{ instruction: 'x', chosen: 'a', rejected: 'b', history: [['only']] }, /"history" is not/],
    ],
  },
  {
    name: 'llama-factory-sharegpt',
    row: {
      conversations: [{ from: 'human', value: 'Q' }],
      chosen: { from: 'gpt', value: 'A' },
      rejected: { from: 'gpt', value: 'B' },
    },
    is: record({ prompt: 'Q', messages: [ask('Q')], answers: [by('A'), by('B')], ranks: [1, 2] }),
    bad: [
      [
        {
          conversations: [{ from: 'function_call', value: 'x' }],
          chosen: { from: 'gpt', value: 'A' },
          rejected: { from: 'gpt', value: 'B' },
        },
        /has the role "function_call"/,
      ],
      [
        { conversations: [{ from: 'human', value: 'Q' }], chosen: { from: 'gpt' }, rejected: {} },
        /"chosen" is not a message/,
      ],
    ],
  },
  {
    name: 'h2o',
    row: { prompt: 'P', answer: ' good', rejected_answer: ' bad', id: 4 },
    is: pair({ extra: { id: 4 } }),
    bad: [[{ prompt: 'P', answer: ' good', rejected_answer: null }, /"rejected_answer" is not text/]],
  },
  {
    name: 'hh-rlhf',
    row: {
      chosen: '\n\nHuman: Q\n\nAssistant: Why?\n\nHuman: So.\n\nAssistant: A',
      rejected: '\n\nHuman: Q\n\nAssistant: Why?\n\nHuman: So.\n\nAssistant: B',
    },
    is: record({
      prompt: 'User: Q\n\nAssistant: Why?\n\nUser: So.',
      messages: [ask('Q'), say('Why?'), ask('So.')],
      answers: [by('A'), by('B')],
      ranks: [1, 2],
    }),
    bad: [
      [{ chosen: '\n\nHuman: Q\n\nAssistant: A', rejected: '\n\nHuman: R\n\nAssistant: B' }, /no dialogue up to an/],
      [{ chosen: '\n\nHuman: Q\n\nAssistant: A', rejected: '\n\nHuman: Q\n\nAssistant: A' }, /same text/],
    ],
  },
  {
    name: 'trl-unpaired',
    row: { prompt: 'P', completion: ' good', label: true },
    is: record({
      answers: [by(' good')],
      ratings: [{ answer: 0, axis: 'label', value: 1, low: 0, high: 1, labeler: null }],
    }),
    bad: [
      [{ prompt: 'P', completion: 'x', label: 'maybe' }, /"label" is neither true nor false/],
      [{ prompt: 'P', completion: null, label: false }, /"completion" is not text/],
    ],
  },
  {
    name: 'trl-stepwise',
    row: { prompt: 'P', completions: ['One.', '', 'Two.'], labels: [true, true, false] },
    is: record({
      answers: [by('One.\n\nTwo.')],
      marks: [
        { answer: 0, start: 0, end: 4, label: 'good', note: null, labeler: null },
        { answer: 0, start: 6, end: 10, label: 'bad', note: null, labeler: null },
      ],
    }),
    bad: [
      [{ prompt: 'P', completions: ['a'], labels: [] }, /1 steps but 0 labels/],
      [{ prompt: 'P', completions: ['a'], labels: ['yes'] }, /Item 1 of "labels"/],
    ],
  },
  {
    name: 'openai-comparisons',
    row: comparison,
    is: record({
      prompt: 'SUBREDDIT: r/tifu\n\nTITLE: Late again\n\nPOST: My cat ate my badge.\n\nTL;DR:',
      answers: [by(' cat ate badge, late for work', 'sup4'), by(' I was late.', 'ref')],
      ranks: [1, 2],
      labeler: 'w7',
      confidence: 7,
      split: 'train',
      reference: ' I was late.',
      extra: { id: 't3_x1', batch: 'batch9', split: 'train', confidence: 2, note_0: 'Cat made them late.' },
    }),
    bad: [
      [{ ...comparison, choice: 2 }, /"choice" is neither 0 nor 1/],
      [{ ...comparison, summaries: comparison.summaries.slice(1) }, /"summaries" is not a list of two/],
      [{ ...comparison, info: { id: 'x' } }, /"prompt" is missing/],
      [{ ...comparison, extra: { confidence: 10 } }, /"extra.confidence"/],
      [{ ...comparison, summaries: [{ policy: 'a' }, { text: 'b' }] }, /"text" is missing/],
    ],
  },
  {
    name: 'openai-axis',
    row: axis,
    is: record({
      prompt: 'Article:\nIt rained.\n\nTL;DR:\n',
      answers: [by('S', 'ref')],
      ratings: [rated('overall', 4), rated('accuracy', 6), rated('coverage', 3)],
      labeler: 'w7',
      split: 'test',
      reference: 'S',
      extra: { id: 'a1', site: 'cnn', title: 'T', batch: 'cnndm1', split: 'test', compatible: true },
    }),
    bad: [
      [{ ...axis, summary: { ...axis.summary, axes: { overall: 8 } } }, /"overall" is 8/],
      [{ ...axis, summary: { ...axis.summary, axes: { overall: 'good' } } }, /"overall" is not a number/],
      [{ ...axis, summary: { text: 'S' } }, /"axes" is missing/],
    ],
  },
  {
    name: 'openai-samples',
    row: {
      context: 'P',
      samples: ['a', 'b'],
      ref: 'r',
      __np_sample_tokens: { shape: [1], dtype: 'int64', data: 'AAAA' },
      extra_fields: { id: 'x' },
    },
    is: record({ answers: [by('a'), by('b')], reference: 'r', extra: { id: 'x' } }),
    bad: [[{ context: 'P', samples: [] }, /"samples" is not a list of texts/]],
  },
  {
    name: 'label-studio-ranker',
    row: ranked,
    is: [
      record({
        prompt: 'Why is it late?',
        answers: [by('Fog.', 'Model A'), by('Snow.'), by('Ice.', 'Model C')],
        ranks: [2, 3, 1],
        labeler: '3',
        durationMs: 4250,
        extra: { id: 12 },
      }),
      record({
        prompt: 'Why is it late?',
        answers: [by('Fog.', 'Model A'), by('Snow.'), by('Ice.', 'Model C')],
        ranks: [1, 2, 1],
        labeler: 'ben@example.org',
        extra: { id: 12 },
      }),
    ],
    bad: [
      [{ ...ranked, annotations: [{ result: [ranker({ rank: ['s9'] })] }] }, /names "s9", which is no item/],
      [{ ...ranked, annotations: [{ result: [ranker({ rank: ['s0', 's0'] })] }] }, /names "s0" twice/],
      [{ ...ranked, data: { items } }, /No field holds a prompt/],
      [{ ...ranked, data: { prompt: 'P', items: items.slice(1, 2) } }, /two items at least/],
      [{ ...ranked, data: { prompt: 'P', items: [...items, items[0]] } }, /same id/],
    ],
  },
  {
    name: 'label-studio-pairwise',
    row: compared,
    is: record({
      prompt: 'Why?',
      answers: [by('Fog.'), by('Snow.')],
      ranks: [1, 2],
      labeler: '3',
      extra: { length: 3 },
    }),
    bad: [
      [
        { ...task, annotations: [{ result: [{ type: 'pairwise', value: { selected: 'middle' } }] }] },
        /neither "left" nor "right"/,
      ],
      [{ ...compared, data: { prompt: 'Why?', t1: 'Fog.' } }, /does not say which two texts/],
    ],
  },
  {
    name: 'argilla-2',
    row: argilla2,
    is: [
      ['u1', [1, 2]],
      ['u2', [2, 1]],
    ].map(([labeler, ranks]) =>
      record({
        answers: [by('A'), by('B')],
        ranks: ranks as number[],
        labeler: labeler as string,
        split: 'test',
        extra: { id: 'r1', status: 'completed', ...suggested },
      }),
    ),
    bad: [
      [{ ...argilla2, 'preference.responses': [['response_a', 'response_c']] }, /names "response_c", which is no text/],
      [{ ...argilla2, 'preference.responses': [['response_a', 'response_a']] }, /names an answer twice/],
      [{ ...argilla2, 'preference.responses': [['response_a']] }, /two answers at least/],
    ],
  },
  {
    name: 'argilla-1',
    row: argilla1,
    is: [
      ['u1', [2, 1]],
      [null, [1, 1]],
    ].map(([labeler, ranks]) =>
      record({
        answers: [by('A'), by('B')],
        ranks: ranks as number[],
        labeler: labeler as string | null,
        split: 'train',
        extra: { id: 'e7', tokens: 9 },
      }),
    ),
    bad: [
      [
        {
          ...argilla1,
          preference: [
            { user_id: 'u', status: 'submitted', value: { rank: [1, 0], value: ['response1', 'response2'] } },
          ],
        },
        /no names with ranks/,
      ],
      [
        {
          ...argilla1,
          preference: [{ user_id: 'u', status: 'submitted', value: { rank: [1], value: ['response1', 'response2'] } }],
        },
        /no names with ranks/,
      ],
    ],
  },
  {
    name: 'squality',
    row: passage,
    is: record({
      prompt: 'Passage 7, question 0',
      answers: [
        by('They dig  a path. They leave, and they dig  a path again.', 'bart'),
        by('They find robots.', 'human'),
      ],
      ranks: [2, 1],
      labeler: '3',
      reference: 'They find robots.',
      extra: { 'passage-id': '7', question: '0' },
      ratings: [...judged(0, 2), ...judged(1, 1)],
      marks: [
        { answer: 0, start: 5, end: 16, label: 'annotation', note: 'No.\nNever.', labeler: '3' },
        { answer: 0, start: 39, end: 50, label: 'annotation', note: null, labeler: '3' },
      ],
      note: 'Annotations that are at no place of the answers:\nbart: It is long.\nhuman: "nowhere" Right.',
    }),
    bad: [
      [{ questions: passage.questions, 'passage-id': null }, /"passage-id" is missing/],
      [{ ...passage, questions: { 0: { bart: { reviews: [] } } } }, /"response" is missing/],
      [
        {
          ...passage,
          questions: {
            0: { bart: { response: 'x', reviews: [{ ...review('bart', '3', 1), 'overall-rating': 101 }] } },
          },
        },
        /"overall-rating" is 101/,
      ],
      [
        {
          ...passage,
          questions: { 0: { bart: { response: 'x', reviews: [review('bart', '3', 1), review('bart', '3', 1)] } } },
        },
        /Worker 3 reviewed bart twice in question 0/,
      ],
    ],
  },
];
