// Taking data out of a project: what is gathered, what is left out and counted, and that a file is whole or not there.

import fs from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, test } from 'vitest';
import type { Preference } from '#core/formats/preferences/preference.ts';
import { WRITERS } from '#core/formats/preferences/writers.ts';
import { createRowFile } from '#core/formats/row-file.ts';
import { EXPORT_DEFAULTS, exportData } from '#core/service/data/export-data.ts';
import type { DataExport } from '#core/service/data/export-data.ts';
import { exportHandlers } from '#core/service/data/exports.ts';
import { gatherPreferences } from '#core/service/data/gather-preferences.ts';
import { addCompletions } from '#core/store/completions.ts';
import { addItem } from '#core/store/items.ts';
import { addPolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRankings, listComparisons } from '#core/store/rankings.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { handled } from './handler-context.ts';
import { completionOf, smallProject, workFolder, writeSmallModel } from './projects-at-hand.ts';
import { fresh, folder, freshFile, linesOf, run, refusal, judgedProject } from './judged-project.ts';

const everything = { split: null, labelerIds: null, repeats: false };
const gathered = (project: Project, filter: Partial<typeof EXPORT_DEFAULTS | DataExport> = {}): Preference[] =>
  [...gatherPreferences(project, { ...everything, ...filter })].flatMap(({ preferences }) => preferences);

test('a ranking is gathered with all that was said of its answers, in the order they were shown, and each rating stands once', () => {
  const { project } = judgedProject();
  const [ranked, none, loose, ...more] = gathered(project);
  expect(more).toEqual([]);
  expect(ranked).toEqual({
    line: 1,
    prompt: 'My neighbour plays the trumpet at night.',
    messages: null,
    split: 'train',
    reference: null,
    labeler: 'ada',
    confidence: 7,
    note: 'short and true',
    durationMs: 1500,
    answers: [4, 3, 2, 1].map((n) => ({ text: `Answer number ${n}.`, writer: null, tokenIds: null })),
    ranks: [3, 2, 1, 2],
    ratings: [
      { answer: 2, axis: 'coherence', value: 6, low: 1, high: 7, labeler: 'ada' },
      { answer: 2, axis: 'coherence', value: 2, low: 1, high: 7, labeler: 'ben' },
    ],
    marks: [{ answer: 0, start: 0, end: 6, label: 'bad', note: 'why', labeler: 'ben' }],
    extra: { source: 'test', created_at: 1000, naive: 'a cat?', id: 'x9' },
  });
  expect(none).toMatchObject({
    line: 2,
    labeler: 'ben',
    ranks: null,
    answers: [{ text: 'Answer number 2.' }, { text: 'Answer number 1.' }],
    ratings: [],
    extra: { status: 'none-acceptable' },
  });
  expect(loose).toMatchObject({
    line: 3,
    prompt: 'My cat ignores me.',
    split: 'test',
    labeler: null,
    ranks: null,
    answers: [{ text: 'Buy a dog.' }],
    ratings: [{ axis: 'overall', labeler: 'ben' }],
  });
  project.close();
});

test('filters: a split, a labeler, and hidden repeats only where they are asked for', () => {
  const { project, ada, ben } = judgedProject();
  expect(gathered(project, { split: 'test' }).map(({ prompt }) => prompt)).toEqual(['My cat ignores me.']);
  expect(gathered(project, { split: 'validation' })).toEqual([]);
  expect(gathered(project, { labelerIds: [ada] })).toMatchObject([
    { labeler: 'ada', ratings: [{ labeler: 'ada' }], marks: [] },
  ]);
  const bens = gathered(project, { labelerIds: [ben] });
  expect(bens.map(({ ranks, ratings, marks }) => [ranks, ratings.length, marks.length])).toEqual([
    [null, 0, 0],
    [null, 1, 1],
    [null, 1, 0],
  ]); // what he rated without ranking it stands by itself
  expect(gathered(project, { repeats: true })).toMatchObject([
    { labeler: 'ada' },
    { labeler: 'ada', extra: { hidden_repeat: true } },
    { labeler: 'ben' },
    {},
  ]);
  project.close();
});

test('pairs are the comparisons of the project, and what makes none is counted', async () => {
  const { project, completionIds } = judgedProject();
  const file = freshFile();
  const result = await run(project, { format: 'trl-explicit', file });
  const expected = listComparisons(project).map(({ chosenId, rejectedId }) =>
    [completionIds.indexOf(chosenId) + 1, completionIds.indexOf(rejectedId) + 1].join('>'),
  );
  const rows = linesOf(file);
  expect(
    rows
      .map(({ chosen, rejected }) => [chosen, rejected].map((text) => /\d/.exec(text as string)![0]).join('>'))
      .sort(),
  ).toEqual(expected.sort());
  expect(rows.every(({ prompt }) => prompt === 'My neighbour plays the trumpet at night.')).toBe(true);
  expect(fs.readFileSync(file, 'utf8')).not.toContain('endoftext');
  expect(result).toMatchObject({
    file,
    beside: null,
    rows: 5,
    leftOut: { skipped: 1, repeats: 1, ties: 1, noneAcceptable: 1, unranked: 1 },
    bytes: fs.statSync(file).size,
  });
  expect(result.notes).toContain('Left out: 1 ranking that finds no answer acceptable.');
  expect(await run(project, { format: 'trl-explicit', file, pairs: 'best-worst' })).toMatchObject({ rows: 1 });
  expect(linesOf(file)[0]).toMatchObject({ chosen: 'Answer number 2.', rejected: 'Answer number 4.' });
  expect(await run(project, { format: 'trl-explicit', file, pairs: 'neighbours' })).toMatchObject({ rows: 4 });
  expect(await run(project, { format: 'trl-unpaired', file })).toMatchObject({ rows: 4, leftOut: { middle: 2 } });
  expect(linesOf(file).map(({ completion, label }) => [completion, label])).toEqual([
    ['Answer number 4.', false],
    ['Answer number 2.', true],
    ['Answer number 2.', false],
    ['Answer number 1.', false],
  ]);
  project.close();
});

test('every format writes a file of the judged project, and says what it keeps', async () => {
  const { project } = judgedProject();
  await writeSmallModel(path.join(folder, 'model'));
  const { call, events } = handled(project, exportHandlers);
  const modelId = addPolicy(project, { name: 'tiny', kind: 'base', path: path.join(folder, 'model') });
  const formats = await call('data.formats', {});
  expect(formats.length).toBe(WRITERS.length + 4);
  for (const { name, holds, needsTokenizer } of formats) {
    const file = path.join(folder, `${name}.out`);
    const inThread = name === 'openai-2019' || name === 'parquet'; // a thread takes half a second to start
    const result = inThread
      ? await call('data.export', { path: file, format: name, options: needsTokenizer ? { modelId } : {} })
      : await run(project, { format: name, file });
    expect(holds).toMatch(/\.$/);
    expect(result.rows, name).toBeGreaterThan(0);
    expect(fs.statSync(file).size, name).toBe(result.bytes);
  }
  expect(events.some(({ event }) => event === 'data.exporting')).toBe(true);
  expect(fs.readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  const info = JSON.parse(fs.readFileSync(path.join(folder, 'dataset_info.json'), 'utf8')) as Record<
    string,
    { file_name: string; ranking: boolean; formatting?: string }
  >;
  expect(info['llama-factory-alpaca']).toMatchObject({ file_name: 'llama-factory-alpaca.out', ranking: true });
  expect(info['llama-factory-sharegpt']).toMatchObject({
    file_name: 'llama-factory-sharegpt.out',
    ranking: true,
    formatting: 'sharegpt',
  }); // both, the first kept

  const tokenizer = await loadTokenizer(path.join(folder, 'model'));
  const [row] = JSON.parse(fs.readFileSync(path.join(folder, 'openai-2019.out'), 'utf8')) as [Record<string, number[]>];
  const pad = tokenizer.vocabularySize + 2;
  expect(Object.keys(row)).toEqual(['query', 'sample0', 'sample1', 'sample2', 'sample3', 'best']);
  expect([row['query']!.length, row['sample0']!.length, row['best']]).toEqual([64, 24, 2]);
  expect(await tokenizer.decode(row['sample2']!.filter((id) => id !== pad))).toBe('Answer number 2.');
  project.close();
}, 20_000);

test('prompts and completions come out with their scores', async () => {
  const { project, completionIds } = judgedProject();
  const reward = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward' });
  query(project, 'INSERT INTO measures (completion_id, model_id, score) VALUES (?, ?, 1.5)').run(
    completionIds[1]!,
    reward,
  );
  const file = freshFile();
  expect(await run(project, { format: 'completions', file })).toMatchObject({ rows: 5 });
  expect(linesOf(file)[1]).toEqual({
    prompt: 'My neighbour plays the trumpet at night.',
    completion: 'Answer number 2.',
    policy: null,
    score: 1.5,
    kl: null,
    logprob: -0.6,
    tokens: 2,
    finish: 'stop',
    flagged: false,
    split: 'train',
    run: null,
    step: null,
  });
  expect(await run(project, { format: 'prompts-csv', file, split: 'test' })).toMatchObject({ rows: 1 });
  expect(fs.readFileSync(file, 'utf8')).toBe('prompt,reference,split,source\nMy cat ignores me.,,test,test\n');
  project.close();
});

test('what cannot be written is refused in a sentence, and what stood there stays', async () => {
  const { project } = judgedProject();
  const unknown = await refusal(run(project, { format: 'trl-explict', file: freshFile() }));
  expect(unknown.message).toContain('There is no data format "trl-explict".');
  for (const { name } of WRITERS) expect(unknown.hint).toContain(name);
  expect(
    (await refusal(run(project, { format: 'csv', file: path.join(folder, 'nowhere', 'x.csv') }))).message,
  ).toContain(`there is no folder ${path.join(folder, 'nowhere')}`);
  expect((await refusal(run(project, { format: 'csv', file: folder }))).message).toContain('is a folder');
  expect((await refusal(run(project, { format: 'openai-2019', file: freshFile() }))).message).toContain(
    'no tokenizer was named',
  );
  expect(
    (await refusal(run(project, { format: 'csv', file: path.join(project.folder, 'project.db') }))).message,
  ).toContain("among the project's own files");
  expect((await run(project, { format: 'csv', file: path.join(project.folder, 'exports', 'x.csv') })).rows).toBe(5);
  const elsewhere = workFolder();
  fs.writeFileSync(path.join(elsewhere, 'dataset_info.json'), '[1]');
  expect(
    (await refusal(run(project, { format: 'llama-factory-alpaca', file: path.join(elsewhere, 'x.json') }))).message,
  ).toContain('cannot be added to');
  expect(fs.readdirSync(elsewhere)).toEqual(['dataset_info.json']);

  const file = freshFile();
  fs.writeFileSync(file, 'before');
  for await (const part of exportData(project.folder, { ...EXPORT_DEFAULTS, format: 'tastemaker', file })) {
    expect(part).toMatchObject({ done: 2, total: 2 });
    expect(fs.readdirSync(folder).some((name) => name.startsWith(`.${path.basename(file)}`))).toBe(true);
    break; // whoever waited has left
  }
  expect(fs.readFileSync(file, 'utf8')).toBe('before');
  expect(fs.readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  project.close();
});

test('what a killed program left is taken away by the next one, a living one’s is not', () => {
  const file = freshFile();
  const name = path.basename(file);
  const old = new Date(Date.now() - 120_000);
  const [dead, living, young] = [
    `.${name}.999999999-0.part`,
    `.${name}.${process.ppid}-0.part`,
    `.${name}.999999998-0.part`,
  ].map((entry) => path.join(folder, entry)) as [string, string, string];
  for (const place of [dead, living, young]) fs.writeFileSync(place, 'half');
  for (const place of [dead, living]) fs.utimesSync(place, old, old);
  const out = createRowFile(file, 'json');
  out.add([{ a: 1 }]);
  out.finish();
  expect([dead, living, young].map((place) => fs.existsSync(place))).toEqual([false, true, true]);
  expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual([{ a: 1 }]);
  for (const place of [living, young]) fs.rmSync(place);
});

test('a large export holds up the service for a moment only', async () => {
  const { project, labelerId } = smallProject(fresh());
  const prompts = addPrompts(
    project,
    Array.from({ length: 1500 }, (_, i) => ({
      text: `Prompt ${i}. ${'Long. '.repeat(100)}`,
      split: 'train' as const,
      source: 's',
    })),
  );
  const ids = addCompletions(
    project,
    prompts.flatMap((promptId) => [completionOf(promptId, 'One.'), completionOf(promptId, 'Two.')]),
  );
  addRankings(
    project,
    prompts.map((promptId, i) => ({
      promptId,
      labelerId,
      status: 'ranked' as const,
      ranks: [
        { completionId: ids[2 * i]!, rank: 1 },
        { completionId: ids[2 * i + 1]!, rank: 2 },
      ],
    })),
    { events: false },
  );
  const { call } = handled(project, exportHandlers);
  let last = performance.now();
  let longest = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    ticks++;
  }, 1);
  const { rows, bytes } = await call('data.export', { path: freshFile(), format: 'tastemaker', options: {} });
  clearInterval(timer);
  expect([rows, bytes > 900_000, ticks > 20]).toEqual([1500, true, true]);
  expect(longest).toBeLessThan(150); // on a machine that others keep busy; its own work is below 5 ms
  // nothing was locked
  addItem(project, { promptId: prompts[0]!, completionIds: [ids[0]!, ids[1]!], source: 'import' });
  project.close();
});
