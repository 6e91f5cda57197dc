// The memory a run is said to take, against the peak of the process that ran it.

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/contract.ts';
import type { RecipeName } from '#core/jobs/recipes.ts';
import { RECIPES } from '#core/jobs/recipes.ts';
import { readConfig } from '#core/jobs/config.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, loadCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { factsOf, lengthsOf } from '#core/service/runs/recipe-facts.ts';
import { sizeOfRun } from '#core/service/runs/recipe-size.ts';
import { openProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { makeTinyProject, temporaryProjects } from '#tests/core/jobs/tiny-project.ts';

const fresh = temporaryProjects(), folder = fresh();
const CHILD = path.join(process.cwd(), 'tests/core/jobs/run-in-child.ts');

beforeAll(async () => {
  const project = await makeTinyProject(folder), base = path.join(folder, 'models', 'base'), { architecture: tiny } = loadCheckpoint(base);
  const architecture = newArchitecture({ family: 'llama', vocabulary: 300, channels: 384, layers: 12, heads: 6, feedForward: 1024, context: 192, endOfText: tiny.endOfText, pad: tiny.pad }); // 21 million numbers
  const middle = { architecture, head: 'language-model' as const, weights: freshWeights(parameters(architecture), 12, 1) };
  saveCheckpoint(path.join(folder, 'models', 'middle'), middle, { tokenizerFrom: base });
  addPolicy(project, { name: 'middle', kind: 'base', path: path.join(folder, 'models', 'middle') });
  saveCheckpoint(path.join(folder, 'models', 'judge'), withScoreHead(middle, 2), { tokenizerFrom: base });
  addPolicy(project, { name: 'judge', kind: 'reward', path: path.join(folder, 'models', 'judge') });
  project.close();
}, 120_000);

const LORA = { tune: 'lora', lora_rank: 4 };
test.each<[RecipeName, Config]>([
  ['sft', { policy: 'middle', batch: 8, show_prompts: 0, steps_a_run: 1 }],
  ['sft', { policy: 'middle', batch: 8, show_prompts: 0, ...LORA }],
  ['reward', { policy: 'middle', batch: 4, tune: 'blocks', tuned_blocks: 2 }],
  ['ppo', { policy: 'middle', reward: 'judge', updates: 1, episodes: 16, samples_per_prompt: 2, epochs: 1, max_new: 12, evaluate_every: 0, micro_batch: 2, ...LORA }],
])('%s %j: within a quarter of the measured peak', (recipe, config) => {
  const project = openProject(folder, { write: false });
  const { bytes } = sizeOfRun(project, recipe, readConfig(RECIPES[recipe].settings, config) as Config, factsOf(project), lengthsOf(project));
  project.close();
  const { stdout, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', CHILD, folder, 'start', recipe, JSON.stringify(config)], { encoding: 'utf8', env: { ...process.env, TASTEMAKER_THREADS: '2' } });
  const peak = Number(/^peak (\d+)$/m.exec(stdout)?.[1]) * 1024;
  expect(peak, stderr).toBeGreaterThan(1e8);
  expect(bytes / peak, `${(bytes / 1e6).toFixed(0)} MB said, ${(peak / 1e6).toFixed(0)} MB taken`).toSatisfy((share: number) => share > 0.75 && share < 1.25);
}, 240_000);
