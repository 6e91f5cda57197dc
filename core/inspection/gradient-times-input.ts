// Gradient × input: how much each token of a text has to do with one number that a model gives it, to first order.
//
// The number is a reward model's score, or ln p of the answer: a_t = e_t · d number / d e_t, with e_t the row of the
// embedding that token t stands for. It is the slope of the number as e_t is made longer
// (docs/algorithms/attribution.md).

import type { Program } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { mul } from '#core/autodiff/ops/elementwise.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { reduceSum, sumAll } from '#core/autodiff/ops/reduction.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import { readHead } from '#core/models/heads.ts';
import { packRows, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { targetsOf } from '#core/models/evaluator.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import { lowest, overLogits, tokenEmbeddings, trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { coarseLength } from './held-models.ts';
import type { Graphs } from './lens-graphs.ts';

/** The number and what each of T tokens has to do with it: value [], shares [T]; one row, read at its slots. */
function gradientProgram({ checkpoint }: Pick<Graphs, 'checkpoint'>, shape: RowShape): Program {
  const { architecture, head } = checkpoint;
  const slots = { dtype: 'int32', shape: [shape.Q] } as const;
  const isWriter = head === 'language-model';
  return {
    state: {},
    frozen: weightTypes(checkpointParameters(checkpoint)),
    feeds: {
      ...rowTypes(shape),
      ...(isWriter ? { targets: slots, weights: { dtype: 'float32', shape: [shape.Q] } } : {}),
    },
    step: ({ graph, frozen, feeds }) => {
      const model = { architecture, weights: frozen, adapters: scalesOf(checkpoint), graph };
      const rows = rowTensors(feeds);
      const { x } = lowest(model, rows, 0);
      const taps = trunk(model, rows, { layer: 0, x });
      const number = isWriter
        ? mul(
            overLogits(model, taps.hidden, [feeds.targets!], (logits, [targets]) => [
              tokenLogprobs(logits, targets!),
            ])[0]!,
            feeds.weights!,
          )
        : readHead(head, model, taps);
      const value = sumAll(number);
      const [slope] = gradients(value, [x]) as [typeof x]; // [T, C]; positions that are added have a part of their own
      const input = reshape(tokenEmbeddings(model, rows.ids), x.shape);
      return { state: {}, outputs: { value, shares: reduceSum(mul(slope, input), [1]) } };
    },
  };
}

/**
 * Of a prompt and an answer, as the model reads them: the score at the last token, or the sum of ln p of the answer's;
 * and what each token has to do with it.
 */
export async function gradientTimesInput(
  model: Graphs,
  prompt: readonly number[],
  answer: readonly number[],
): Promise<{ value: number; shares: number[] }> {
  const groups = [{ prompt, completions: [answer] }];
  const slots = model.checkpoint.head === 'language-model' ? 'tokens' : 'last';
  const shape = rowShape(groups, 1, slots, coarseLength);
  const { arrays, first } = packRows(groups, shape, 1, slots);
  const feeds =
    slots === 'last'
      ? arrays
      : {
          ...arrays,
          targets: targetsOf(groups, first, shape.Q),
          weights: Float32Array.from({ length: shape.Q }, (_, q) => (q < answer.length ? 1 : 0)),
        };
  const graph = await model.graph(JSON.stringify(['gradient', shape]), () => gradientProgram(model, shape));
  const { outputs } = await graph.run({}, model.checkpoint.weights, feeds);
  return {
    value: (outputs.value!.data as Float32Array)[0]!,
    shares: Array.from((outputs.shares!.data as Float32Array).subarray(0, prompt.length + answer.length)),
  };
}
