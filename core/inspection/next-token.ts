// What a model would write next: the likeliest tokens after a text, with their log-probabilities.

import { TastemakerError } from '#core/errors.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { sub } from '#core/autodiff/ops/elementwise.ts';
import { topK } from '#core/autodiff/ops/indexing.ts';
import { cast } from '#core/autodiff/ops/movement.ts';
import { logSumExp } from '#core/autodiff/ops/nn.ts';
import type { AskedPrompt } from '#core/recipes/parts/prompt-tokens.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { packRows, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { languageModelHead, trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { coarseLength, requireWriter } from './held-models.ts';
import type { HeldModels, ModelPlace } from './held-models.ts';
import { readWriting } from './read-text.ts';

export interface NextQuestion {
  model: ModelPlace;
  prompt: AskedPrompt;
  /** the answer so far */ answer: string;
  /** how many alternatives, the likeliest first */ count: number;
}

export interface NextTokens {
  alternatives: { id: number; token: string; logprob: number }[];
}

/** The `count` likeliest tokens after one row of `shape`, and ln p of each: outputs ids and logprobs, [1, count]. */
function nextProgram(checkpoint: Checkpoint, shape: RowShape, count: number): Program {
  const { architecture } = checkpoint;
  return {
    state: {},
    frozen: weightTypes(checkpointParameters(checkpoint)),
    feeds: rowTypes(shape),
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture, weights, adapters: scalesOf(checkpoint), graph, forward: true };
      const logits = languageModelHead(model, trunk(model, rowTensors(feeds)).hidden); // [1, V]
      const [logprobs, ids] = topK(sub(logits, logSumExp(logits)), count);
      return { state: {}, outputs: { logprobs, ids: cast(ids, 'int32') } };
    },
  };
}

/**
 * 'bad-argument' of a model that cannot write or a text without tokens, 'too-long' where it has no room for one more.
 */
export async function nextTokens(
  models: HeldModels,
  { model: place, prompt, answer, count }: NextQuestion,
): Promise<NextTokens> {
  const model = await models.of(place);
  requireWriter(model);
  const { tokenizer, checkpoint, name } = model;
  const { context, vocabulary } = checkpoint.architecture;
  const { ids: text } = await readWriting(model, { prompt, answer, ended: false });
  if (text.length >= context)
    throw new TastemakerError(
      'too-long',
      `The text has ${text.length} tokens; "${name}" sees ${context}, so that none can follow.`,
      `Shorten it by at least ${text.length - context + 1} tokens.`,
    );
  const groups = [{ prompt: text, completions: [[]] }];
  const shape = rowShape(groups, 1, 'last', coarseLength);
  const most = Math.min(count, vocabulary);
  const graph = await model.graph(JSON.stringify(['next', shape, most]), () => nextProgram(checkpoint, shape, most));
  const { outputs } = await graph.run({}, checkpoint.weights, packRows(groups, shape, 1, 'last').arrays);
  const logprobs = outputs.logprobs!.data as Float32Array;
  const found = Array.from(outputs.ids!.data as Int32Array, (id, i) => ({
    id,
    token: tokenizer.token(id),
    logprob: logprobs[i]!,
  }));
  return { alternatives: found.filter(({ id }) => tokenizer.isToken(id)) };
}
