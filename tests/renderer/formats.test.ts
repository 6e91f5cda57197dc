// Data and models in and out, as the window words them: preview columns, options, file names, turns, what a recipe
// asks.
// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { DataFormat, ImportPreview } from '#core/contract/data.ts';
import type { Estimate, Field, RecipeCard } from '#core/contract/recipes.ts';
import type { ModelRow } from '#core/contract/models.ts';
import ExportDialog from '#renderer/components/data/ExportDialog.vue';
import { fileIn, fileNameFor, groupsOf, optionsFor } from '#renderer/components/data/export-words.ts';
import type { ExportChoices } from '#renderer/components/data/export-words.ts';
import { holdsTokens, kindOf, madeSentence, shownFields, titleOf } from '#renderer/components/data/import-words.ts';
import ExportModelDialog from '#renderer/components/models/ExportModelDialog.vue';
import PromptText from '#renderer/components/PromptText.vue';
import RecipeForm from '#renderer/components/train/RecipeForm.vue';
import { useApp } from '#renderer/stores/app.ts';

const { answers, asked } = vi.hoisted(() => ({
  answers: {} as Record<string, (args: never) => unknown>,
  asked: [] as [string, Record<string, unknown>][],
}));
vi.mock('#renderer/api.ts', () => {
  const api = {
    on: () => () => {},
    systemDialog: () => undefined,
    faultOf: (error: unknown) => error,
    call: async (name: string, args: never) => {
      asked.push([name, args]);
      return answers[name]!(args);
    },
  };
  return {
    ...api,
    isOfAnother: () => false,
    showProject: () => {},
    useProjectService: () => ({ project: 'one', call: api.call, on: api.on, beforeClosing: () => {} }),
  };
});

const format = (name: string, of: DataFormat['of'], needsTokenizer = false): DataFormat => ({
  name,
  title: `Title of ${name}`,
  container: 'jsonl',
  holds: `What ${name} holds.`,
  of,
  needsTokenizer,
});
const FORMATS = [
  format('tastemaker', 'rankings'),
  format('tokens', 'rankings', true),
  format('trl', 'pairs'),
  format('prompts', 'rows'),
];
const CHOICES: ExportChoices = {
  split: '',
  without: [],
  pairs: 'neighbours',
  repeats: true,
  flagged: false,
  modelId: 4,
  queryLength: 64,
  responseLength: 24,
  responses: 4,
};

let shown: ReturnType<typeof mount> | null = null;
beforeEach(() => {
  setActivePinia(createPinia());
  asked.length = 0;
  for (const name of Object.keys(answers)) delete answers[name];
});
afterEach(() => {
  shown?.unmount();
  shown = null;
});
const button = (text: string) =>
  [...document.querySelectorAll<HTMLButtonElement>('button')].find((each) =>
    each.textContent!.trim().startsWith(text),
  )!;
const argsOf = (name: string) => asked.findLast(([called]) => called === name)?.[1];

describe('import', () => {
  test('shows the fields that some row fills, what was asked first, its answers next, and what the format says besides', () => {
    const rows: Record<string, string>[] = [
      { prompt: '', completions: '1. a', chosen: '', ranks: '1, 2', note: '', writers: 'x, y' },
      { prompt: '', completions: '1. c', chosen: '', ranks: '2, 1', note: '', marks: 'odd' },
    ];
    const fields = ['ranks', 'prompt', 'chosen', 'note', 'completions'];
    expect(shownFields({ fields, rows, conversations: [null, null] })).toEqual([
      'completions',
      'ranks',
      'writers',
      'marks',
    ]);
    expect(shownFields({ fields, rows, conversations: [null, [{ role: 'user', content: 'hello' }]] })).toEqual([
      'prompt',
      'completions',
      'ranks',
      'writers',
      'marks',
    ]);
  });

  test('names the format by its title, and says what came of its rows', () => {
    expect(titleOf({ format: 'trl', formats: [{ name: 'trl', title: 'TRL' }] })).toBe('TRL');
    expect(titleOf({ format: 'csv', formats: [] })).toBe('csv');
    expect(madeSentence({ prompts: 1, completions: 1204, rankings: 2, ratings: 0, marks: 0 })).toBe(
      'Added 1 prompt, 1,204 answers and 2 rankings.',
    );
    expect(madeSentence({ prompts: 0, completions: 0, rankings: 0, ratings: 3, marks: 0 })).toBe('Added 3 ratings.');
    expect(madeSentence({ prompts: 0, completions: 0, rankings: 0, ratings: 0, marks: 0 })).toBe('Nothing was added.');
  });

  test('asks for a tokenizer where the reader wants one', () => {
    const preview = (format: string, message: string): Pick<ImportPreview, 'format' | 'errors'> => ({
      format,
      errors: [{ line: 1, message }],
    });
    expect(
      holdsTokens(preview('unknown', 'a.json holds token ids, and no tokenizer is given that makes texts of them.')),
    ).toBe(true);
    expect(holdsTokens(preview('openai-2019', 'Item 1 of "query" is not a token id.'))).toBe(true);
    expect(holdsTokens(preview('unknown', 'a.json is preference data in no format that is known.'))).toBe(false);
  });
});

describe('export of data', () => {
  test('a format is asked only what it has a use for', () => {
    const [ours, tokens, pairs, prompts] = FORMATS as [DataFormat, DataFormat, DataFormat, DataFormat];
    expect(optionsFor(pairs, CHOICES, [1, 2])).toEqual({ repeats: true, pairs: 'neighbours' });
    expect(optionsFor(ours, { ...CHOICES, split: 'test', without: [2], repeats: false }, [1, 2, 3])).toEqual({
      split: 'test',
      labelerIds: [1, 3],
    });
    expect(optionsFor(tokens, { ...CHOICES, repeats: false }, [1])).toEqual({
      modelId: 4,
      queryLength: 64,
      responseLength: 24,
      responses: 4,
    });
    expect(optionsFor(prompts, { ...CHOICES, split: 'train', without: [1] }, [1, 2])).toEqual({ split: 'train' });
  });

  test('a file is named after project and format, and lies in its folder whatever the system', () => {
    expect(fileNameFor('Tiny TL;DR', format('trl', 'pairs'))).toBe('Tiny-TL-DR-trl.jsonl');
    expect(fileNameFor('…', format('trl', 'pairs'))).toBe('data-trl.jsonl');
    expect(fileIn('/home/ada/', 'a.jsonl')).toBe('/home/ada/a.jsonl');
    expect(fileIn('C:\\Users\\ada', 'a.jsonl')).toBe('C:\\Users\\ada\\a.jsonl');
    expect(groupsOf(FORMATS).map(({ items }) => items.map(({ name }) => name))).toEqual([
      ['tastemaker', 'tokens'],
      ['trl'],
      ['prompts'],
    ]);
  });

  test('the dialog writes what was chosen, warns before it replaces a file, and says what was left out', async () => {
    const state = {
      project: { folder: '/p/demo.tastemaker', name: 'demo' },
      labelers: [
        { id: 1, name: 'Ada', kind: 'person' },
        { id: 2, name: 'Bob', kind: 'person' },
      ],
    };
    useApp().state = state as unknown as AppState;
    Object.assign(answers, {
      'data.formats': () => FORMATS,
      'models.list': () => [],
      'files.list': ({ folder }: { folder: string }) => ({
        folder,
        parent: null,
        entries: [{ name: 'demo-trl.jsonl', path: '', folder: false, bytes: 1, kind: 'data' }],
      }),
      'data.export': ({ path }: { path: string }) => ({
        file: path,
        beside: null,
        rows: 1200,
        leftOut: { ties: 3 },
        notes: ['Left out: 3 pairs that are ties.'],
        bytes: 5000,
      }),
    });
    shown = mount(ExportDialog, { attachTo: document.body, props: { open: false } });
    await shown.setProps({ open: true });
    await flushPromises();
    const pick = (value: string) =>
      document.querySelector<HTMLInputElement>(`input[type=radio][value=${value}]`)!.click();
    pick('tokens');
    await flushPromises();
    expect(button('Export').disabled).toBe(true); // whose tokens?
    pick('trl');
    await flushPromises();
    expect(document.body.textContent).toContain('What trl holds.');
    await vi.waitFor(() => expect(button('Replace the file')).toBeTruthy());
    [...document.querySelectorAll<HTMLLabelElement>('.labelers label')]
      .find(({ textContent }) => textContent!.includes('Bob'))!
      .querySelector('input')!
      .click();
    await flushPromises();
    button('Replace the file').click();
    await flushPromises();
    expect(argsOf('data.export')).toEqual({
      path: '/p/demo.tastemaker/exports/demo-trl.jsonl',
      format: 'trl',
      options: { labelerIds: [1], pairs: 'all' },
    });
    expect(document.body.textContent).toContain('1,200 rows written');
    expect(document.body.textContent).toContain('Left out: 3 pairs that are ties.');
  });
});

test('a format that does not fit a model is shown with the reason and cannot be chosen', async () => {
  useApp().state = { project: { folder: '/p/demo.tastemaker', name: 'demo' } } as unknown as AppState;
  Object.assign(answers, {
    'models.formats': () => ({
      formats: [
        {
          name: 'adapter',
          title: 'Adapter',
          sentence: 'Only what was trained.',
          problem: 'It has no adapter.',
          bytes: 0,
        },
        { name: 'whole', title: 'Whole', sentence: 'All of it.', problem: null, bytes: 7e6 },
      ],
    }),
    'models.export': () => ({ path: '/p/demo.tastemaker/exports/base', bytes: 7_100_000 }),
  });
  shown = mount(ExportModelDialog, {
    attachTo: document.body,
    props: { open: false, model: { id: 3, name: 'base' } as ModelRow },
  });
  await shown.setProps({ open: true });
  await flushPromises();
  const radios = [...document.querySelectorAll<HTMLInputElement>('input[type=radio]')];
  expect(radios.map(({ value, disabled, checked }) => [value, disabled, checked])).toEqual([
    ['adapter', true, false],
    ['whole', false, true],
  ]);
  expect(document.body.textContent).toContain('It has no adapter.');
  button('Export').click();
  await flushPromises();
  expect(argsOf('models.export')).toEqual({ modelId: 3, folder: '/p/demo.tastemaker/exports', format: 'whole' });
  button('Open folder').click();
  expect(argsOf('files.reveal')).toEqual({ path: '/p/demo.tastemaker/exports/base' });
});

test('a conversation is shown turn by turn, anything else as its text', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Why?\nReally?' },
    { role: 'assistant', content: '<b>So.</b>' },
  ] as const;
  const turns = mount(PromptText, { props: { text: 'unused', messages: [...messages] } });
  expect(
    turns.findAll('li').map((turn) => [turn.find('.speaker').text(), turn.find('.said').element.textContent]),
  ).toEqual([
    ['System', 'Be brief.'],
    ['User', 'Why?\nReally?'],
    ['Assistant', '<b>So.</b>'],
  ]);
  expect(mount(PromptText, { props: { text: ' two\n lines', messages: null } }).element.textContent).toBe(
    ' two\n lines',
  );
});

test('a recipe asks only what the chosen way of learning uses, and starts with no more', async () => {
  const field = (
    name: string,
    kind: Field['kind'],
    value: number | string,
    choices: string[] | null = null,
    when: string | null = null,
  ): Field => ({
    name,
    kind,
    default: value,
    range: kind === 'whole' ? [1, 100] : null,
    choices,
    sentence: '',
    group: 'tuning',
    main: false,
    when: when === null ? null : { setting: 'tune', is: when },
  });
  const fields = [
    { ...field('epochs', 'whole', 1), group: 'optimisation' },
    field('tune', 'choice', 'full', ['full', 'lora', 'blocks']),
    field('lora_rank', 'whole', 8, null, 'lora'),
    field('tuned_blocks', 'whole', 4, null, 'blocks'),
    field('micro_batch', 'whole', 1),
  ];
  const card: RecipeCard = {
    name: 'sft',
    title: 'SFT',
    sentence: '',
    makes: '',
    start: 'Train',
    place: 'loop',
    asksFirst: false,
    fields,
    groups: [
      { name: 'tuning', title: 'What learns' },
      { name: 'optimisation', title: 'Optimisation' },
    ],
    defaults: Object.fromEntries(fields.map(({ name, default: value }) => [name, value])),
    needs: [],
    models: [],
  };
  answers['recipes.estimate'] = (): Estimate => ({
    verdict: 'fits',
    bytes: 1,
    availableBytes: 2,
    card: null,
    seconds: 1,
    sentence: '',
    fixes: [],
    shorter: [],
  });
  shown = mount(RecipeForm, { attachTo: document.body, props: { card, models: [] } });
  await flushPromises();
  const group = () =>
    [...document.querySelectorAll('details')].find((each) => each.textContent!.startsWith('What learns'))!;
  const asks = () => [...group().querySelectorAll('.title')].map((title) => title.textContent);
  expect(asks()).toEqual(['Tune', 'Micro batch']);
  const choose = async (way: string) => {
    const select = group().querySelector('select')!;
    select.value = way;
    select.dispatchEvent(new Event('change', { bubbles: true }));
    await flushPromises();
  };
  await choose('lora');
  expect(asks()).toEqual(['Tune', 'LoRA rank', 'Micro batch']);
  const rank = group().querySelectorAll('input')[0]!;
  rank.value = 'many';
  rank.dispatchEvent(new Event('input', { bubbles: true }));
  await flushPromises();
  expect(button('Train').disabled).toBe(true);
  await choose('blocks'); // what is wrong in a hidden setting holds nothing up
  expect(asks()).toEqual(['Tune', 'Tuned blocks', 'Micro batch']);
  expect(button('Train').disabled).toBe(false);
});

test('a file is taken for what its columns say: a prompt and an answer a row are completions, a person’s summary is none', () => {
  const kind = (columns: string[], format = 'unknown') => kindOf({ format, columns, errors: [] });
  expect([
    kind(['prompt', 'completion']),
    kind(['id', 'question', 'response', 'model']),
    kind(['prompt', 'chosen', 'rejected'], 'pairs'),
  ]).toEqual(['completions', 'completions', 'rankings']);
  expect([
    kind(['prompt']),
    kind(['prompt', 'summary']),
    kind(['subreddit', 'title', 'post', 'summary']),
    kind(['text', 'reference']),
  ]).toEqual(['prompts', 'prompts', 'prompts', 'prompts']);
});
