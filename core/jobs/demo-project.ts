// Makes a project of the demo world: generated posts with their facts and references, and the bundled base model.

import fs from 'node:fs';
import path from 'node:path';
import { createRandom } from '#core/random.ts';
import type { Split } from '#core/contract.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { TastemakerError } from '#core/errors.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import type { NewPrompt } from '#core/store/prompts.ts';

/** The base model that ships with the program (made by `npm run train:demo-base`). */
export const demoBaseFolder = (): string => path.resolve(import.meta.dirname, '..', '..', 'resources', 'demo', 'base');

/** `prompts` in the train split and `heldOut` in the test split, all different, in a new project with the model "base". The caller closes it. */
export async function createDemoProject(folder: string, { prompts, heldOut, seed }: { prompts: number; heldOut: number; seed: number }): Promise<Project> {
  const from = demoBaseFolder();
  if (!fs.existsSync(path.join(from, 'model.safetensors'))) throw new TastemakerError('bad-file', `The demo's base model is missing from ${from}.`, 'Restore the folder resources/demo/base, or run `npm run train:demo-base`.');
  const project = createProject(folder);
  const into = path.join(project.folder, 'models', 'base');
  fs.cpSync(from, into, { recursive: true });
  addPolicy(project, { name: 'base', kind: 'base', path: into });
  addPrompts(project, [...draw(heldOut, 'test', seed), ...draw(prompts, 'train', seed)]);
  return project;
}

function draw(count: number, split: Split, seed: number): NewPrompt[] {
  const random = createRandom(seed, `demo/prompts/${split}`);
  return Array.from({ length: count }, () => {
    const facts = drawRecord(random);
    return { text: writePost(facts, random), reference: writeSummary(facts, random).text, split, source: 'demo', facts };
  });
}
