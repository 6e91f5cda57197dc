// Supervised fine-tuning as a job: which tokens it learns, which texts it leaves out, what it keeps.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startRun } from '#core/runs/start.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts, updatePrompt } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { mean } from './first-rollout.ts';
import {
  makeTinyProject,
  metricsOf,
  modelBytes,
  newestCheckpoint,
  QUICK_SFT,
  runFile,
  temporaryProjects,
} from './tiny-project.ts';

const fresh = temporaryProjects();
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh(), { family: 'llama' });
});
afterAll(() => project.close());

const sft = async (changes: Record<string, unknown> = {}) => {
  const lines: string[] = [];
  return {
    ...(await startRun(project, 'sft', { ...QUICK_SFT, ...changes }, null, { onLog: (line) => lines.push(line) })),
    lines,
  };
};
const lossesOf = (id: string) => metricsOf(project, id).flatMap(({ loss }) => loss ?? []);

/** Mean cross-entropy of a split's texts under a model folder, over the response (with its end) or everything. */
async function crossEntropy(folder: string, split: 'train' | 'validation', everything = false): Promise<number> {
  const model = loadCheckpoint(folder);
  const evaluator = createEvaluator(model);
  const tokenizer = await loadTokenizer(folder);
  const groups = await Promise.all(
    listPrompts(project, { split }).map(async ({ text, reference }) => {
      const prompt = await tokenizer.encode(text);
      const answer = [...(await tokenizer.encode(` ${reference}`)), tokenizer.endOfText];
      return everything
        ? { prompt: prompt.slice(0, 1), completions: [[...prompt.slice(1), ...answer]] }
        : { prompt, completions: [answer] };
    }),
  );
  const logprobs = await evaluator.logprobs(model.weights, groups);
  await evaluator.release();
  return -mean(logprobs.flat(2));
}

test('the loss is that of the response and its end-of-text, or of everything', async () => {
  const base = path.join(project.folder, 'models', 'base');
  // one step over all texts at rate 0: the loss reported is the base model's
  const all = { batch: 28, steps_a_run: 1, learning_rate: 0 };
  const [response, everything] = [await sft(all), await sft({ ...all, loss_on: 'everything' })];
  expect(lossesOf(response.id)[0]).toBeCloseTo(await crossEntropy(base, 'train'), 4);
  expect(lossesOf(everything.id)[0]).toBeCloseTo(await crossEntropy(base, 'train', true), 4);
  expect(metricsOf(project, response.id).at(-1)!.validation_loss).toBeCloseTo(
    await crossEntropy(base, 'validation'),
    4,
  );
});

test('D5: end-of-text is learnt, prompt tokens are not', async () => {
  // "ǂ" and its bytes occur nowhere but in this prompt: in an untied output matrix, a token that is no target of the
  // loss is only pushed down
  const [text, reference] = [`${'ǂ'.repeat(30)}\nTL;DR:`, 'i eat alone.'];
  const copy = path.join(project.folder, 'models', 'zero-head');
  const base = path.join(project.folder, 'models', 'base');
  const checkpoint = loadCheckpoint(base);
  checkpoint.weights['lm_head.weight']!.fill(0); // every token is equally likely, so one step shows who was a target
  saveCheckpoint(copy, checkpoint, { tokenizerFrom: base });
  addPolicy(project, { name: 'zero-head', kind: 'base', path: copy });
  addPrompts(
    project,
    Array.from({ length: 28 }, (_, i) => ({
      text: `${text} ${i}`,
      reference,
      split: 'train' as const,
      source: 'test',
    })),
  );
  const tokenizer = await loadTokenizer(base);
  const rare = (await tokenizer.encode('ǂ')).at(-1)!;

  /**
   * How far the probability of a token moved at the place before the first answer token and at the end, by one step.
   */
  const changeOf = async (loss_on: string) => {
    const run = await sft({
      policy: 'zero-head',
      loss_on,
      batch: 56,
      steps_a_run: 1,
      learning_rate: 1e-2,
      weight_decay: 0,
    });
    const model = loadCheckpoint(runFile(project, run.id, 'model'));
    const evaluator = createEvaluator(model);
    const prompt = await tokenizer.encode(`${text} 1`);
    const answer = await tokenizer.encode(` ${reference}`);
    const at = prompt.lastIndexOf(rare);
    const [inPrompt, end] = (
      await evaluator.logprobs(model.weights, [
        { prompt: prompt.slice(0, at), completions: [[rare]] },
        { prompt: [...prompt, ...answer], completions: [[tokenizer.endOfText]] },
      ])
    ).flat(2);
    await evaluator.release();
    return { inPrompt: inPrompt! + Math.log(300), end: end! + Math.log(300) };
  };
  const response = await changeOf('response');
  const everything = await changeOf('everything');
  expect(response.end).toBeGreaterThan(0.01);
  expect(response.inPrompt).toBeLessThan(0);
  expect(everything.inPrompt).toBeGreaterThan(0.01);
});

test('D5: other tokens in the prompt, as targets, change nothing', async () => {
  // in a model whose blocks add nothing a token only matters where it is a target, or where a target follows it
  const base = path.join(project.folder, 'models', 'base');
  const blind = path.join(project.folder, 'models', 'blind');
  const checkpoint = loadCheckpoint(base);
  // both factors are 0, and so are their gradients
  for (const [name, data] of Object.entries(checkpoint.weights)) if (/(o|v|up|down)_proj/.test(name)) data.fill(0);
  saveCheckpoint(blind, checkpoint, { tokenizerFrom: base });
  addPolicy(project, { name: 'blind', kind: 'base', path: blind });
  const tokenizer = await loadTokenizer(base);
  const rows = listPrompts(project, { split: 'train' });
  const otherwise = await Promise.all(
    rows.map(async ({ text }) => {
      const { length } = await tokenizer.encode(text);
      const changed = text.replace(/[a-z]/g, (letter, at: number) => (at % 7 === 0 ? 'q' : letter));
      for (const candidate of [...Array(text.length - 12).keys()].map((p) => changed.slice(0, p) + text.slice(p)))
        if (candidate !== text && (await tokenizer.encode(candidate)).length === length) return candidate;
      return text;
    }),
  );
  expect(otherwise.filter((text, i) => text !== rows[i]!.text).length).toBeGreaterThan(20);

  const trained = async (loss_on: string) =>
    newestCheckpoint(project, (await sft({ policy: 'blind', loss_on, seed: 5, weight_decay: 0 })).id)[
      'model/weights/lm_head.weight'
    ]!;
  const [response, everything] = [await trained('response'), await trained('everything')];
  rows.forEach(({ id }, i) => updatePrompt(project, id, { text: otherwise[i]! }));
  expect(await trained('response')).toEqual(response);
  expect(await trained('everything')).not.toEqual(everything);
  rows.forEach(({ id, text }) => updatePrompt(project, id, { text }));
});

test('texts that do not fit are left out, with a line in the log', async () => {
  const [id] = addPrompts(project, [
    {
      text: `${listPrompts(project)[0]!.text.repeat(3)}`,
      reference: 'too long to be learnt.',
      split: 'train',
      source: 'test',
    },
  ]);
  expect(id).toBeGreaterThan(0);
  const { lines, summary } = await sft();
  const count = listPrompts(project, { split: 'train' }).length - 1;
  expect(lines.join('\n')).toMatch(
    /1 of \d+ prompts do not fit the context of 192 tokens with their reference and are left out/,
  );
  expect(summary).toContain(`SFT on ${count} references`);
});

test('validation loss falls, and the best weights are kept where it rises again', async () => {
  const run = await sft({
    epochs: 12,
    batch: 14,
    learning_rate: 3e-2,
    schedule: 'constant',
    validate_every: 6,
    checkpoint_every: 100,
    steps_a_run: 3,
  });
  const losses = metricsOf(project, run.id).flatMap(({ validation_loss }) => validation_loss ?? []);
  const untrained = await crossEntropy(path.join(project.folder, 'models', 'base'), 'validation');
  const best = Math.min(...losses);
  expect(best).toBeLessThan(untrained - 0.5);
  expect(losses.indexOf(best)).toBeLessThan(losses.length - 1); // it learns by heart after that
  expect(await crossEntropy(runFile(project, run.id, 'best'), 'validation')).toBeCloseTo(best, 4);
  expect(await crossEntropy(runFile(project, run.id, 'model'), 'validation')).toBeCloseTo(losses.at(-1)!, 4);
  expect(modelBytes(project, run.id, 'best').equals(modelBytes(project, run.id))).toBe(false);
  expect(fs.existsSync(runFile(project, run.id, 'best/tokenizer.json'))).toBe(true);
});
