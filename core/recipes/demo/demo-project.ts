// Makes a project of the demo world: generated posts with their facts and references, and the bundled base model.

import fs from 'node:fs';
import path from 'node:path';
import { createRandom } from '#core/random.ts';
import type { Split } from '#core/contract/prompts.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { TastemakerError } from '#core/errors.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import type { NewPrompt } from '#core/store/prompts.ts';

/** The base model that ships with the program (made by `npm run train:demo-base`). */
export const demoBaseFolder = (): string =>
  path.resolve(import.meta.dirname, '..', '..', '..', 'resources', 'demo', 'base');

/**
 * Of thirteen prompts in a row three are for validation, as long as there are any: so rankings of the first hundred
 * teach and check.
 */
const ROUND = 13;
const VALIDATION_OF_ROUND = 3;

/**
 * `prompts` in the train split, `validation` among them in theirs and `heldOut` in the test split, all different, in a
 * new
 * project with the model "base", and what `also` adds; it is there whole or not at all. The caller closes it.
 */
export async function createDemoProject(
  folder: string,
  { prompts, validation, heldOut, seed }: { prompts: number; validation: number; heldOut: number; seed: number },
  also: (project: Project) => void = () => {},
): Promise<Project> {
  const from = demoBaseFolder();
  if (!fs.existsSync(path.join(from, 'model.safetensors')))
    throw new TastemakerError(
      'bad-file',
      `The demo's base model is missing from ${from}.`,
      'Restore the folder resources/demo/base, or run `npm run train:demo-base`.',
    );
  return createProject(folder, (project) => {
    const into = path.join(project.folder, 'models', 'base');
    fs.cpSync(from, into, { recursive: true });
    addPolicy(project, { name: 'base', kind: 'base', path: into });
    addPrompts(project, [
      ...draw(heldOut, 'test', seed),
      ...dealt(draw(prompts, 'train', seed), draw(validation, 'validation', seed)),
    ]);
    also(project);
  });
}

function dealt(train: NewPrompt[], validation: NewPrompt[]): NewPrompt[] {
  const rounds = Math.max(
    Math.ceil(train.length / (ROUND - VALIDATION_OF_ROUND)),
    Math.ceil(validation.length / VALIDATION_OF_ROUND),
  );
  return Array.from({ length: rounds }, () => [
    ...train.splice(0, ROUND - VALIDATION_OF_ROUND),
    ...validation.splice(0, VALIDATION_OF_ROUND),
  ]).flat();
}

function draw(count: number, split: Split, seed: number): NewPrompt[] {
  const random = createRandom(seed, `demo/prompts/${split}`);
  return Array.from({ length: count }, () => {
    const facts = drawRecord(random);
    return {
      text: writePost(facts, random),
      reference: writeSummary(facts, random).text,
      split,
      source: 'demo',
      facts,
    };
  });
}
