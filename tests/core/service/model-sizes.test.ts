// How large the models of a project are is told without holding the service's thread, and anew when a file changes.
import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { watchThread } from '#core/cli/held-thread.ts';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { numbersIn, parameters } from '#core/models/architecture.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import { defaultsForSize, numbersAt } from '#core/recipes/parts/size-defaults.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { modelSizes } from '#core/service/models/model-sizes.ts';
import { recipeHandlers } from '#core/service/runs/recipes.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { changeProjectSettings } from '#core/service/project.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { tinyModel } from '#tests/core/models/tiny-models.ts';
import { handled } from './handler-context.ts';
import { freshProjects, writeSmallModel } from './projects-at-hand.ts';

const fresh = freshProjects();
const MOST_MS = 20;
const VOCABULARY = 150_000; // as in Qwen

/** Writes a model of so many tokens and layers; gives how many numbers it has. */
function writeGgufModel(file: string, vocabulary: number, layers: number): number {
  const changes = { vocabulary, channels: 32, headWidth: 8, rotaryWidth: 8, layers };
  const model = tinyModel('llama', 1, changes);
  const tokenizer = ggufTokenizerFields(
    { tokenizer: { ...trainBpe([], 258) }, config: { eos_token: '<|endoftext|>' }, chatTemplate: null },
    { vocabulary, stops: [0], file },
  );
  saveGguf(file, model, { type: 'Q8_0', tokenizer, name: 'tiny' });
  return numbersIn(parameters(model.architecture));
}

test('the cards of a project whose models are GGUF files hold the thread for less than 20 ms, which reading one does not', async () => {
  const project = createProject(fresh());
  const file = path.join(project.folder, 'models', 'm.gguf');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const numbers = writeGgufModel(file, VOCABULARY, 1);
  const small = path.join(project.folder, 'models', 'small');
  await writeSmallModel(small);
  addPolicy(project, { name: 'small', kind: 'base', path: small });
  const { call } = handled(project, recipeHandlers);
  const sft = async () => (await call('recipes.list', {})).recipes.find(({ name }) => name === 'sft')!.defaults;
  const before = await sft(); // what any first call compiles is not the file's
  expect(defaultsForSize(RECIPES.sft.sizes, numbers)).toEqual({ learning_rate: expect.any(Number) });

  const watch = watchThread();
  try {
    changeProjectSettings(project, {
      currentPolicyId: addPolicy(project, { name: 'm', kind: 'base', path: file }),
    });
    watch.longest();
    const defaults = await sft();
    expect(watch.longest().busy).toBeLessThan(MOST_MS);
    expect(defaults).toEqual({ ...before, policy: 'm', ...defaultsForSize(RECIPES.sft.sizes, numbers) });
    expect(await sft()).toEqual(defaults);
    expect(watch.longest().busy).toBeLessThan(MOST_MS);

    expect(numbersAt(file)).toBe(numbers);
    expect(watch.longest().busy).toBeGreaterThan(MOST_MS);
  } finally {
    watch.stop();
    project.close();
  }
});

test('a file that changes is read again; one that is gone, damaged or of no model has no size', async () => {
  const project = createProject(fresh());
  const file = path.join(project.folder, 'models', 'm.gguf');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  addPolicy(project, { name: 'm', kind: 'base', path: file });
  const size = async (name = 'm') => (await modelSizes(project))(name);
  expect(await size()).toBeNull();
  const one = writeGgufModel(file, 300, 1);
  expect(await size()).toBe(one);
  const two = writeGgufModel(file, 300, 2);
  expect(two).toBeGreaterThan(one);
  expect(await size()).toBe(two);
  fs.truncateSync(file, 1000);
  expect(await size()).toBeNull();
  expect(await size('nobody')).toBeNull();
  project.close();
});
