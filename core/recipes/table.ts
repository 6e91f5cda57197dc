// Every recipe there is, by name: the table of contents of what runs can do.

import type { RunKind } from '#core/contract/runs.ts';
import type { Settings } from './settings.ts';
import type { Job } from './recipe.ts';
import { sample } from './sample.ts';
import { score } from './score.ts';
import { trainPpo } from './ppo.ts';
import { trainPretrain } from './pretrain.ts';
import { trainReward } from './reward.ts';
import { trainSft } from './sft.ts';

export type RecipeName = 'sample' | 'sft' | 'reward' | 'ppo' | 'score' | 'pretrain';

/** Method syntax of `prepare` and `run` lets recipes with different settings stand in one table. */
export const RECIPES: Record<RecipeName, Job<Settings>> = {
  sample: sample as unknown as Job<Settings>,
  sft: trainSft as unknown as Job<Settings>,
  reward: trainReward as unknown as Job<Settings>,
  ppo: trainPpo as unknown as Job<Settings>,
  score: score as unknown as Job<Settings>,
  pretrain: trainPretrain as unknown as Job<Settings>,
};

export const isRecipe = (name: string): name is RecipeName & RunKind => Object.hasOwn(RECIPES, name);
