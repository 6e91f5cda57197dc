// Prompts, completions, labelers, policies, runs and settings: what goes in comes out.

import fc from 'fast-check';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { addCompletions, deleteCompletions, listCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import { addPolicy, getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import {
  addPrompts,
  countPrompts,
  deletePrompts,
  findPrompt,
  importPrompts,
  listPrompts,
  updatePrompt,
} from '#core/store/prompts.ts';
import { addRun, getRun, listRuns, updateRun } from '#core/store/runs.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';
import { completionOf, errorOf, sampling, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

test('prompts come back whole; a known text gives its id and is not counted as new', () => {
  const project = createProject(fresh());
  const first = importPrompts(project, [
    { text: 'one', split: 'train', source: 'a.jsonl', reference: 'yes', facts: { colour: 'red' } },
    { text: 'two\r\n\0 “Straße” 🙂', split: 'test', source: 'a.jsonl' },
    { text: 'one', split: 'test', source: 'b.jsonl' },
    {
      text: 'one',
      split: 'test',
      source: 'chat.jsonl',
      messages: [{ role: 'user', content: 'one' }],
      extra: { site: 'cnn', id: 7 },
    },
    // the same conversation, spelled otherwise
    { text: 'one', split: 'train', source: 'chat.jsonl', messages: [{ content: 'one', role: 'user' }] },
    { text: 'one', split: 'test', source: 'chat.jsonl', messages: [{ role: 'system', content: 'one' }] },
  ]);
  // the conversation of one message is the same question, and goes to its split
  expect(first).toEqual({ ids: [1, 2, 1, 3, 3, 4], added: 4, settled: 1 });
  expect(findPrompt(project, 'one')).toBe(1);
  expect(findPrompt(project, 'one', [{ role: 'user', content: 'one' }])).toBe(3);
  expect(findPrompt(project, 'one', [{ role: 'assistant', content: 'one' }])).toBeUndefined();
  expect(listPrompts(project, { ids: [3] })).toEqual([
    {
      id: 3,
      text: 'one',
      reference: null,
      split: 'train',
      source: 'chat.jsonl',
      facts: null,
      messages: [{ role: 'user', content: 'one' }],
      extra: { site: 'cnn', id: 7 },
    },
  ]);
  deletePrompts(project, [3, 4]);
  expect(
    addPrompts(project, [
      { text: 'three', split: 'validation', source: 'b' },
      { text: 'two\r\n\0 “Straße” 🙂', split: 'train', source: 'b' },
    ]),
  ).toEqual([5, 2]);
  expect(listPrompts(project)).toEqual([
    {
      id: 1,
      text: 'one',
      reference: 'yes',
      split: 'train',
      source: 'a.jsonl',
      facts: { colour: 'red' },
      messages: null,
      extra: null,
    },
    {
      id: 2,
      text: 'two\r\n\0 “Straße” 🙂',
      reference: null,
      split: 'test',
      source: 'a.jsonl',
      facts: null,
      messages: null,
      extra: null,
    },
    {
      id: 5,
      text: 'three',
      reference: null,
      split: 'validation',
      source: 'b',
      facts: null,
      messages: null,
      extra: null,
    },
  ]);
  expect(listPrompts(project, { split: 'test' }).map((prompt) => prompt.id)).toEqual([2]);
  expect(listPrompts(project, { limit: 2 }).map((prompt) => prompt.id)).toEqual([1, 2]);
  expect(listPrompts(project, { ids: [5, 1, 44] }).map((prompt) => prompt.id)).toEqual([1, 5]);
  expect(countPrompts(project)).toEqual({ train: 1, validation: 1, test: 1 });
  project.close();
});

test('a bad prompt is named, and none of its list is added', () => {
  const project = createProject(fresh());
  const good = { text: 'fine', split: 'train' as const, source: 's' };
  expect(errorOf(() => addPrompts(project, [good, { ...good, text: '' }]))).toMatchObject({
    code: 'bad-data',
    message: 'Prompt 2 of 2 has no text.',
  });
  expect(errorOf(() => addPrompts(project, [good, { ...good, text: 'b', split: 'dev' as 'test' }])).message).toContain(
    '"dev"',
  );
  expect(listPrompts(project)).toEqual([]);
  project.close();
});

test('prompts and completions that others refer to stay', () => {
  const { project, promptId, otherPromptId, otherId } = smallProject(fresh());
  expect(errorOf(() => deletePrompts(project, [promptId]))).toMatchObject({
    code: 'bad-data',
    message: expect.stringContaining(`Prompt ${promptId}`),
  });
  expect(
    errorOf(() => updatePrompt(project, otherPromptId, { text: listPrompts(project)[0]!.text })).message,
  ).toContain(`Prompt ${promptId} already`);
  deleteCompletions(project, [otherId]);
  deletePrompts(project, [otherPromptId]);
  expect(listPrompts(project).map((prompt) => prompt.id)).toEqual([promptId]);
  project.close();
});

test('any completion comes back to the last bit', () => {
  const { project, promptId } = smallProject(fresh());
  addRun(project, { id: 'sample-7', kind: 'sample', name: 'x' });
  const policyId = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  const real = fc.oneof(fc.float({ max: 0, noNaN: true }), fc.double({ max: 0, noNaN: true }));
  const tokens = fc.array(fc.tuple(fc.nat(0xffffffff), real, real), { maxLength: 12 });
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), tokens, fc.boolean(), (text, list, known) => {
      const row: NewCompletion = {
        promptId,
        policyId: known ? policyId : null,
        text,
        tokenIds: list.map((t) => t[0]),
        logprobs: list.map((t) => t[1]),
        samplingLogprobs: list.map((t) => t[2]),
        finish: known ? 'stop' : 'length',
        sampling,
        runId: known ? 'sample-7' : null,
        step: known ? list.length : null,
        writer: known ? text : null,
        tokenizer: known ? 'a'.repeat(64) : null,
      };
      const [id] = addCompletions(project, [row]) as [number];
      const [back] = listCompletions(project, { ids: [id] });
      expect(back).toEqual({ id, ...row });
      expect(back!.logprobs.every((value, i) => Object.is(value, row.logprobs[i]))).toBe(true);
    }),
    { numRuns: 80 },
  );
  expect(listCompletions(project, { policyId }).every((completion) => completion.runId === 'sample-7')).toBe(true);
  expect(listCompletions(project, { runId: 'sample-7' }).length).toBe(listCompletions(project, { policyId }).length);
  expect(listCompletions(project, { promptId: 2 }).map((completion) => completion.text)).toEqual(['Buy a dog.']);
  project.close();
});

test('a bad completion is named', () => {
  const { project, promptId } = smallProject(fresh(), 1);
  const good = completionOf(promptId, 'x');
  const count = listCompletions(project).length;
  for (const [changes, says] of [
    [{ promptId: 50 }, 'no prompt 50'],
    [{ policyId: 9 }, 'no policy 9'],
    [{ runId: 'nope' }, 'no run nope'],
    [{ logprobs: [-1] }, '1 logprobs for 2 token ids'],
    [{ samplingLogprobs: [-1, NaN] }, 'not numbers'],
    [{ tokenIds: [1, -2] }, 'token id -2'],
    [{ finish: 'eos' as 'stop' }, '"eos"'],
  ] as [Partial<NewCompletion>, string][])
    expect(errorOf(() => addCompletions(project, [good, { ...good, ...changes }]))).toMatchObject({
      code: 'bad-data',
      message: expect.stringContaining(says),
    });
  expect(listCompletions(project)).toHaveLength(count);
  project.close();
});

test('a labeler is made once and keeps its kind', () => {
  const project = createProject(fresh());
  const ada = ensureLabeler(project, 'ada', 'person');
  expect(ensureLabeler(project, 'ada', 'person')).toEqual(ada);
  expect(errorOf(() => ensureLabeler(project, 'ada', 'program')).message).toContain('"ada" is a person');
  expect(listLabelers(project)).toEqual([{ id: 1, name: 'ada', kind: 'person' }]);
  project.close();
});

test('policies keep their lineage, and paths inside the project move with it', () => {
  const project = createProject(fresh());
  expect(errorOf(() => getPolicy(project, 'x')).hint).toContain('no models yet');
  addRun(project, { id: 'sft-1', kind: 'sft', name: 'first' });
  const base = addPolicy(project, { name: 'base', kind: 'base', path: resolve('elsewhere', 'gpt2'), createdAt: 5 });
  const tuned = addPolicy(project, {
    name: 'tuned',
    kind: 'policy',
    path: join(project.folder, 'runs', 'sft-1', 'final'),
    parentId: base,
    runId: 'sft-1',
    createdAt: 6,
  });
  expect(getPolicy(project, 'tuned')).toEqual({
    id: tuned,
    name: 'tuned',
    kind: 'policy',
    path: 'runs/sft-1/final',
    parentId: base,
    runId: 'sft-1',
    createdAt: 6,
  });
  expect(policyPath(project, getPolicy(project, 'tuned'))).toBe(join(project.folder, 'runs', 'sft-1', 'final'));
  expect(policyPath(project, getPolicy(project, 'base'))).toBe(resolve('elsewhere', 'gpt2'));
  expect(listPolicies(project, { kind: 'policy' }).map((policy) => policy.name)).toEqual(['tuned']);
  expect(errorOf(() => getPolicy(project, 'tunde'))).toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('"tunde"'),
    hint: 'Known names: base, tuned.',
  });
  expect(errorOf(() => addPolicy(project, { name: 'base', kind: 'base', path: 'x' })).message).toContain(
    'already has a policy called "base"',
  );
  project.close();
});

test('runs start, end and are found again', () => {
  const project = createProject(fresh());
  expect(addRun(project, { id: 'ppo-1', kind: 'ppo', name: 'first', createdAt: 10 })).toEqual({
    id: 'ppo-1',
    kind: 'ppo',
    name: 'first',
    status: 'running',
    createdAt: 10,
    endedAt: null,
    error: null,
  });
  addRun(project, { id: 'ppo-2', kind: 'ppo', name: 'second', createdAt: 20 });
  const ended = updateRun(project, 'ppo-1', { status: 'failed', endedAt: 30, error: 'The loss is not finite.' });
  expect(getRun(project, 'ppo-1')).toEqual(ended);
  expect(ended).toMatchObject({ status: 'failed', endedAt: 30, error: 'The loss is not finite.', name: 'first' });
  expect(listRuns(project).map((run) => run.id)).toEqual(['ppo-2', 'ppo-1']);
  expect(listRuns(project, { status: 'running', kind: 'ppo' }).map((run) => run.id)).toEqual(['ppo-2']);
  expect(errorOf(() => getRun(project, 'ppo-9'))).toMatchObject({
    code: 'bad-argument',
    hint: expect.stringContaining('ppo-2, ppo-1'),
  });
  for (const id of ['ppo-1', '../up', 'a/b', ''])
    expect(errorOf(() => addRun(project, { id, kind: 'ppo', name: 'x' })).code).toBe('bad-data');
  project.close();
});

test('settings keep any JSON value', () => {
  const project = createProject(fresh());
  expect(getSetting(project, 'axes', ['overall'])).toEqual(['overall']);
  setSetting(project, 'axes', ['overall', 'tone']);
  setSetting(project, 'axes', ['tone', null, 1.5]);
  expect(getSetting<unknown>(project, 'axes', [])).toEqual(['tone', null, 1.5]);
  project.close();
});
