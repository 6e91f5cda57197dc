// Every kind of graph that the program makes, for tiny models of all families: training steps, evaluation, sampling.

import type { Arrays, Program } from '#core/autodiff/compile.ts';
import { isScoreTensor } from '#core/models/heads.ts';
import { adapterParameters, chosenMatrices, freshAdapter, isAdapterTensor } from '#core/models/adapter.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { checkpointParameters, scalesOf, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { samplingProgram } from '#core/models/decoding.ts';
import { evaluationProgram } from '#core/models/evaluator.ts';
import { families } from '#core/models/families.ts';
import type { FamilyName } from '#core/models/families.ts';
import { rowShape } from '#core/models/rows.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import {
  criticFeeds,
  criticUpdateLoss,
  policyFeeds,
  policyUpdateLoss,
  rewardFeeds,
  rewardLoss,
} from '#core/training/objectives/row-losses.ts';
import { trainingProgram } from '#core/training/trainer.ts';
import { ADAM, tiledWeights } from './shapes.ts';

/** Training runs take so many steps. */
export const STEPS = 3;
const GROUPS = [
  {
    prompt: [2, 3, 4],
    completions: [
      [5, 6],
      [7, 8, 9],
    ],
  },
  { prompt: [2, 3], completions: [[5], [7, 8, 9]] },
];

export interface NamedProgram {
  name: string;
  program: Program;
  steps: number;
  /** frozen weights that the device keeps */
  constants: Arrays;
}

function smallModel(family: FamilyName): Checkpoint {
  const grouped = families[family].gated;
  const architecture = newArchitecture({
    family,
    vocabulary: 64,
    channels: 16,
    layers: 2,
    heads: 4,
    keyValueHeads: grouped ? 2 : 4,
    rotaryWidth: family === 'gpt_neox' ? 2 : 4,
    feedForward: 32,
    context: 96,
    tied: family !== 'llama',
    endOfText: 0,
  });
  return { architecture, head: 'language-model', weights: tiledWeights(architecture, parameters(architecture)) };
}
function adapted(base: Checkpoint): Checkpoint {
  const settings = { rank: 4, alpha: 8, rankStabilised: false, matrices: chosenMatrices(base.architecture, 'all') };
  return {
    ...base,
    weights: { ...base.weights, ...freshAdapter(adapterParameters(base.architecture, settings), 1) },
    adapter: { settings, base: '' },
  };
}

function ofModel(family: FamilyName, tune: 'full' | 'lora'): NamedProgram[] {
  const whole = smallModel(family);
  const words = tune === 'lora' ? adapted(whole) : whole;
  const scorer = withScoreHead(words, 3);
  const { architecture } = words;
  const named = (what: string) => `${family}, ${tune}: ${what}`;
  const tokens = rowShape(GROUPS, 2, 'tokens');
  const ends = rowShape(GROUPS, 2, 'tokens-and-end');
  const last = rowShape(GROUPS, 2, 'last');
  const trained = (
    what: string,
    model: Checkpoint,
    feeds: Parameters<typeof trainingProgram>[1],
    loss: Parameters<typeof trainingProgram>[2],
    micro = 1,
  ): NamedProgram => {
    const all = checkpointParameters(model);
    const learns = (name: string) => tune === 'full' || isAdapterTensor(name) || isScoreTensor(name);
    const still = all.filter(({ name }) => !learns(name));
    const constants = Object.fromEntries(still.map(({ name }) => [name, model.weights[name]!]));
    return {
      name: named(what),
      steps: STEPS,
      constants,
      program: trainingProgram(
        all.filter(({ name }) => learns(name)),
        feeds,
        loss,
        ADAM,
        { ...(still.length ? { frozen: { parameters: still, weights: constants } } : {}), adapters: scalesOf(model) },
        micro,
      ),
    };
  };
  const read = (what: string, program: Program, model: Checkpoint): NamedProgram => ({
    name: named(what),
    program,
    steps: 1,
    constants: tune === 'lora' ? whole.weights : model.weights,
  });
  const sampled = (what: string, choice: { temperature: number; topK: number; topP: number }) =>
    read(
      what,
      samplingProgram({
        architecture,
        adapter: words.adapter?.settings,
        shape: { prompts: 2, each: 2, P: 16, N: 8 },
        choice,
      }),
      words,
    );
  return [
    trained('language-model loss', words, languageModelFeeds(2, 16), languageModelLoss(architecture)),
    trained(
      'language-model loss in two micro-batches',
      words,
      languageModelFeeds(1, 16),
      languageModelLoss(architecture),
      2,
    ),
    trained('reward loss', scorer, rewardFeeds(scorer, last), rewardLoss(scorer)),
    trained('policy loss', words, policyFeeds(tokens), policyUpdateLoss(architecture, 0.7, 0.2)),
    trained('critic loss', scorer, criticFeeds(ends), criticUpdateLoss(scorer, 0.2, 0.1)),
    read('log-probabilities', evaluationProgram(words, tokens, 0.7), words),
    read('scores', evaluationProgram(scorer, last, null), scorer),
    sampled('greedy sampling', { temperature: 0, topK: 0, topP: 1 }),
    sampled('sampling at a temperature', { temperature: 0.7, topK: 0, topP: 1 }),
    sampled('sampling with top-k and top-p', { temperature: 0.7, topK: 5, topP: 0.9 }),
  ];
}

/** All graphs, family by family. */
export const allPrograms = (): NamedProgram[] =>
  (Object.keys(families) as FamilyName[]).flatMap((family) => [...ofModel(family, 'full'), ...ofModel(family, 'lora')]);
