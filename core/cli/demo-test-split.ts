// The demo's last word: what models write for the test prompts, which no run has read, under the gold score and the
// reward model.

import path from 'node:path';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { clusteredMean } from '#core/evaluation/clustered-mean.ts';
import { DEMO } from '#core/recipes/demo/demo-settings.ts';
import { encodePrompts, withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { createSampler } from '#core/models/sampler.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

export interface TestSample {
  promptId: number;
  text: string;
  score: number;
  gold: number;
  kl: number;
}
/** What one model's samples of the test prompts come to. */
export interface TestPoint {
  kl: number;
  reward: number;
  gold: number;
  gold_se: number;
  samples: TestSample[];
}

/** The folders of a run's models: its last weights, and the best that it chose on validation prompts. */
export const runModel = (project: Project, run: string, which: 'model' | 'best'): string =>
  path.join(project.folder, 'runs', run, which);

/**
 * One completion a test prompt by the model in each folder, the same draws for all; KL from the project's "base",
 * scores by its "reward".
 */
export async function measureOnTest(
  project: Project,
  folders: Readonly<Record<string, string>>,
  seed: number,
): Promise<Record<string, TestPoint>> {
  const prompts = listPrompts(project, { split: 'test' });
  const folderOf = (name: string) => policyPath(project, getPolicy(project, name));
  const tokenizer = await loadTokenizer(folderOf('base'));
  const ids = await encodePrompts(tokenizer, prompts);
  const base = loadCheckpoint(folderOf('base'));
  const reward = loadCheckpoint(folderOf('reward'));
  const reader = createEvaluator(base, { constants: base.weights });
  const scorer = createEvaluator(reward, { constants: reward.weights });
  const sampler = createSampler(withStops(base.architecture, tokenizer));
  const settings = { temperature: DEMO.temperature, topK: 0, topP: 1, maxNew: DEMO.maxNew, seed };
  const points: Record<string, TestPoint> = {};
  for (const [name, folder] of Object.entries(folders)) {
    const requests = prompts.map(({ id }, i) => ({ prompt: ids[i]!, streams: [`evaluate/${id}`] }));
    const drawn = (await sampler.sample(loadCheckpoint(folder).weights, requests, settings)).map((row) => row[0]!);
    const groups = drawn.map(({ tokenIds }, i) => ({ prompt: ids[i]!, completions: [tokenIds] }));
    const scores = (await scorer.scores(reward.weights, groups)).flat();
    const under = await reader.logprobs(base.weights, groups, DEMO.temperature);
    const texts = await tokenizer.decodeBatch(drawn.map(({ tokenIds }) => tokenIds));
    const samples = prompts.map(({ id, facts }, i): TestSample => ({
      promptId: id,
      text: texts[i]!,
      score: scores[i]!,
      gold: goldOf(texts[i]!, facts!),
      kl: drawn[i]!.samplingLogprobs.reduce((sum, lp, t) => sum + lp - under[i]![0]![t]!, 0),
    }));
    const of = (key: 'kl' | 'score' | 'gold') =>
      clusteredMean(samples.map((sample) => ({ cluster: sample.promptId, value: sample[key], weight: 1 })));
    points[name] = {
      kl: of('kl').mean,
      reward: of('score').mean,
      gold: of('gold').mean,
      gold_se: of('gold').standardError!,
      samples,
    };
  }
  for (const part of [reader, scorer, sampler]) await part.release();
  return points;
}
