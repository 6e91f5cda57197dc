// How large a run would be, from config.json and counts alone: bytes it needs and work it does. No weights are read.
//
// Bytes a parameter and floats an activation are fitted to what runs of this engine took: a training step holds weights, both
// moments and gradients, in our arrays, as the loop's carried state and as what comes out of it.

import type { Config } from '#core/contract.ts';
import type { RecipeName } from '#core/jobs/recipes.ts';
import { adapterParameters, chosenMatrices } from '#core/models/adapter.ts';
import { blockParameters, newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Architecture, Parameter } from '#core/models/architecture.ts';
import { loadArchitecture } from '#core/models/checkpoint.ts';
import { TARGET_LOGITS } from '#core/models/evaluator.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import type { Facts, Lengths } from './recipe-facts.ts';

export interface Size {
  bytes: number;
  /** tokens times parameters, a training pass counted as three and a token that is sampled as DECODING */
  work: number;
}

const PROCESS = 180e6; // the runtime and ourselves
const LOOPED = 68, IN_PLACE = 16; // bytes a trained number beside the weights themselves: carried by the loop in 17 arrays, or w, m, v and gradient once
const IN_PLACE_ABOVE = 1 << 24, LARGE = 2 ** 28; // trained numbers (the trainer's border); bytes of weights
const DECODING = 3; // a token that is sampled alone costs about as much as three that are read together
/** What of the activations counted below the peak holds: rows are shorter than the longest, and not all is alive at once; but two graphs are kept. Of a large model one is kept, whose rows are alike. */
const HELD = 0.75, HELD_LARGE = 1.2;
const EVALUATED = 4096; // tokens the evaluator takes at once
const DEFAULT_ROWS = 32; // the sampler's

export const parametersOf = (model: Architecture): number => parameters(model).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** The architecture of a model of the project by its name. */
export const architectureOf = (project: Project, name: string): Architecture => loadArchitecture(policyPath(project, getPolicy(project, name)));

/** Activations of `rows` rows of `length` tokens, kept for the way back or (`forward`) for one block at a time. */
function activations({ layers, channels, heads, feedForward, vocabulary }: Architecture, rows: number, length: number, slots: number, forward = false): number {
  const block = 8 * channels + 2 * feedForward + 4 * heads * length;
  return 4 * rows * (length * block * (forward ? 2 : layers) + slots * vocabulary * (forward ? 2 : 3));
}
const isLarge = (model: Architecture): boolean => 4 * parametersOf(model) > LARGE;
const held = (model: Architecture): number => (isLarge(model) ? HELD_LARGE : HELD);
const numbers = (list: readonly Parameter[]): number => list.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** How many numbers learn, and how many blocks the way back goes through. */
function learning(model: Architecture, config: Config): { trained: number; blocks: number } {
  const rank = Number(config.lora_rank), last = Math.min(Number(config.tuned_blocks), model.layers);
  if (config.tune === 'lora') return { trained: numbers(adapterParameters(model, { rank, matrices: chosenMatrices(model, String(config.lora_targets)) })), blocks: model.layers };
  if (config.tune === 'blocks') return { trained: Array.from({ length: last }, (_, i) => numbers(blockParameters(model, model.layers - 1 - i))).reduce((a, b) => a + b, 0), blocks: last };
  return { trained: parametersOf(model), blocks: model.layers };
}

/** `rows` of `length` tokens a step, of which `micro_batch` are held at once; the weights are not counted. */
function training(model: Architecture, config: Config, rows: number, length: number, slots: number): number {
  const { trained, blocks } = learning(model, config), most = Number(config.micro_batch) || rows;
  return (trained > IN_PLACE_ABOVE ? IN_PLACE : LOOPED) * trained + held(model) * activations({ ...model, layers: Math.max(2, blocks) }, Math.min(rows, most), length, slots);
}
const weights = (model: Architecture): number => 4 * parametersOf(model);
const evaluation = (model: Architecture, length: number, slots: number): number =>
  held(model) * activations(model, Math.max(1, Math.min(EVALUATED / length, slots ? TARGET_LOGITS / (slots * model.vocabulary) : Infinity)), length, slots, true);
/** `rows` completions, `each` of one prompt, which share its keys and values and its prefill. */
function sampling(model: Architecture, rows: number, each: number, prompt: number, written: number): number {
  const { layers, keyValueHeads, headWidth, vocabulary } = model, cache = 2 * layers * keyValueHeads * headWidth * 4, prompts = Math.max(1, rows / each);
  return held(model) * (cache * (prompts * prompt + 3 * rows * written) + rows * vocabulary * 16 + activations(model, prompts, prompt, 1, true));
}

/** `config` is complete. Throws where it names a model that is not there. */
export function sizeOfRun(project: Project, recipe: RecipeName, config: Config, facts: Facts, lengths: Lengths): Size {
  const number = (name: string) => Number(config[name]), model = () => architectureOf(project, String(config.policy));
  const { prompt: P, completion: C } = lengths;
  switch (recipe) {
    case 'pretrain': {
      const heads = number('heads'), channels = number('channels');
      const shape = newArchitecture({
        family: config.family as 'gpt2', vocabulary: number('vocabulary'), channels, layers: number('layers'), heads, feedForward: config.family === 'gpt2' ? 4 * channels : Math.ceil((8 * channels) / 3), context: number('context'), endOfText: 0,
      });
      const tokens = number('batch') * number('context');
      return { bytes: PROCESS + weights(shape) + training(shape, { ...config, tune: 'full' }, number('batch'), number('context'), number('context')), work: 3 * number('steps') * tokens * parametersOf(shape) };
    }
    case 'sft': {
      const shape = model(), size = parametersOf(shape), T = Math.min(shape.context, lengths.longestPrompt + 2 * C), shown = number('show_prompts');
      const steps = Math.floor(facts.references / number('batch')) * number('epochs');
      return {
        bytes: PROCESS + weights(shape) + training(shape, config, number('batch'), T, config.loss_on === 'everything' ? T : 2 * C) + evaluation(shape, T, C) + (shown ? sampling(shape, Math.min(shown, DEFAULT_ROWS), 1, lengths.longestPrompt, number('show_max_new')) : 0),
        work: size * (3 * steps * number('batch') * (P + C) + 2 * shown * number('show_max_new') * DECODING),
      };
    }
    case 'reward': {
      const shape = model(), K = lengths.ranked, T = lengths.longestPrompt + 1.3 * K * C, tokens = facts.rankings * number('epochs') * (P + K * C);
      return { bytes: PROCESS + weights(shape) + Math.max(training(shape, config, number('batch'), T, 0), evaluation(shape, T, 0)), work: parametersOf(shape) * tokens * (3 * (1 - number('validation')) + number('validation')) };
    }
    case 'sample': {
      const shape = model(), k = number('k'), N = number('max_new'), there = config.split ? facts.prompts[config.split as 'train'] : facts.prompts.train + facts.prompts.validation + facts.prompts.test;
      const prompts = Math.min(there, number('prompts') || there), rows = Math.max(k, Math.min(DEFAULT_ROWS, prompts * k));
      return { bytes: PROCESS + weights(shape) + sampling(shape, rows, k, Math.min(shape.context, lengths.longestPrompt), N), work: parametersOf(shape) * prompts * (P + k * Math.min(N, 1.5 * C) * DECODING) };
    }
    case 'score': {
      const shapes = [config.reward, config.reference].filter(Boolean).map((name) => architectureOf(project, String(name)));
      const tokens = facts.completions * (C + P / 4);
      return { bytes: PROCESS + shapes.reduce((sum, shape) => sum + weights(shape) + evaluation(shape, Math.min(shape.context, lengths.longestPrompt + 4 * C), C), 0), work: shapes.reduce((sum, shape) => sum + parametersOf(shape) * tokens, 0) };
    }
    case 'ppo': {
      const policy = model(), critic = architectureOf(project, String(config.reward)), N = number('max_new'), k = number('samples_per_prompt');
      const perBatch = Math.max(1, Math.floor(number('episodes') / k)), rows = Math.max(1, Math.floor(perBatch / number('minibatches'))), T = Math.min(policy.context, lengths.longestPrompt + k * N);
      const evaluations = number('evaluate_every') ? 1 + Math.ceil(number('updates') / number('evaluate_every')) : 0, read = perBatch * (P + k * N);
      const sizes = parametersOf(policy) + parametersOf(critic);
      const phases = [training(policy, config, rows, T, k * N), training(critic, config, rows, T, k), evaluation(policy, T, k * N), evaluation(critic, T, k), sampling(policy, Math.min(64, number('episodes')), k, lengths.longestPrompt, N)];
      const shared = config.tune !== 'full' && parametersOf(policy) === parametersOf(critic); // adapters over one base, or a copy of which most is the same
      return {
        // a large model's graphs are released at the end of each phase
        bytes: PROCESS + weights(policy) + (shared ? 0 : weights(critic)) + (isLarge(policy) ? Math.max(...phases) : phases.reduce((a, b) => a + b, 0)),
        work: number('updates') * (perBatch * k * N * DECODING * parametersOf(policy) + read * (sizes * 3 * number('epochs') + sizes + parametersOf(critic)))
          + evaluations * number('evaluate_prompts') * (N * DECODING * parametersOf(policy) + (P + N) * 2 * sizes),
      };
    }
  }
}
