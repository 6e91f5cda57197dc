// The test split is for evaluation alone: every recipe is run on a project that has test prompts, and none of its files
// may hold one.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { prepareRun } from '#core/runs/execute.ts';
import { RECIPE_NAMES, RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { startRun } from '#core/runs/start.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import {
  addTrainedReward,
  errorFrom,
  makeTinyProject,
  QUICK_PPO,
  QUICK_SFT,
  runFile,
  temporaryProjects,
} from './tiny-project.ts';

const fresh = temporaryProjects();
const SECRET = 'zebra quagga okapi';
let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
  const [id] = addPrompts(project, [
    { text: `Which is it?\n${SECRET}\nTL;DR:`, reference: ` ${SECRET} it is.`, split: 'test', source: 'test' },
  ]) as [number];
  const like = listCompletions(project)[0]!;
  addCompletions(
    project,
    [' one', ' two'].map((text) => ({
      ...like,
      promptId: id,
      text,
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      runId: null,
      step: null,
    })),
  );
  fs.writeFileSync(path.join(project.folder, 'texts.txt'), 'A ship left the harbour. '.repeat(200));
  await addTrainedReward(project);
});
afterAll(() => project.close());

/** Small numbers for whatever a recipe has a setting of; what it has no small number for is as the recipe has it. */
function quick(recipe: RecipeName): Record<string, unknown> {
  const small: Record<string, unknown> = {
    ...QUICK_PPO,
    ...QUICK_SFT,
    texts: path.join(project.folder, 'texts.txt'),
    reference: 'base',
    k: 5,
    max_new: 6,
    show_max_new: 6,
    updates: 1,
    evaluate_every: 1,
    steps: 2,
    context: 16,
    vocabulary: 300,
    channels: 16,
    layers: 1,
    heads: 2,
  };
  return Object.fromEntries(Object.entries(small).filter(([name]) => Object.hasOwn(RECIPES[recipe].settings, name)));
}

describe('no file of a run holds a test prompt', () => {
  test.each(RECIPE_NAMES)('%s', async (recipe) => {
    const { id } = await startRun(project, recipe, quick(recipe), null);
    const tests = listPrompts(project, { split: 'test' });
    const ids = new Set(tests.map((prompt) => prompt.id));
    expect(tests.length).toBeGreaterThan(6);
    for (const name of [
      'data.jsonl',
      'samples.jsonl',
      'completions.jsonl',
      'measures.jsonl',
      'validation.jsonl',
      'log.txt',
    ]) {
      const file = runFile(project, id, name);
      if (!fs.existsSync(file)) continue;
      const text = fs.readFileSync(file, 'utf8');
      expect(text, name).not.toContain(SECRET);
      for (const prompt of tests) expect(text, name).not.toContain(JSON.stringify(prompt.text).slice(1, -1));
      const rows = name.endsWith('.jsonl') ? text.trim().split('\n').filter(Boolean) : [];
      for (const row of rows) expect(ids.has((JSON.parse(row) as { promptId: number }).promptId), name).toBe(false);
    }
    const ofTest = new Set(
      listCompletions(project)
        .filter(({ promptId }) => ids.has(promptId))
        .map((one) => one.id),
    );
    const measured = fs.existsSync(runFile(project, id, 'measures.jsonl'))
      ? fs
          .readFileSync(runFile(project, id, 'measures.jsonl'), 'utf8')
          .trim()
          .split('\n')
          .filter(Boolean)
      : [];
    for (const row of measured)
      expect(ofTest.has((JSON.parse(row) as { completionId: number }).completionId)).toBe(false);
  });
});

test('a recipe that would hand over a row of a test prompt is stopped before it has a run', async () => {
  const prompt = listPrompts(project, { split: 'test' })[0]!;
  const { prepare } = RECIPES.sample;
  RECIPES.sample.prepare = () => ({ models: {}, data: [{ promptId: prompt.id, text: prompt.text }] });
  try {
    const error = await errorFrom(() => prepareRun(project, '9999-sample', 'sample', {}, 'x'));
    expect(error.message).toContain(`would read prompt ${prompt.id}, which is kept for tests`);
    expect(fs.existsSync(runFile(project, '9999-sample', 'manifest.json'))).toBe(false);
  } finally {
    RECIPES.sample.prepare = prepare;
  }
});
