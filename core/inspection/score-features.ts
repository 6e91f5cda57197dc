// What a reward model scores by: its last hidden state where it reads a text, [N, C].

import type { Program } from '#core/autodiff/compile.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { packRows, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { RowShape } from '#core/models/rows.ts';
import { rowsToScore } from '#core/models/score-reading.ts';
import type { ScoredText } from '#core/models/score-reading.ts';
import { trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { coarseLength } from './held-models.ts';
import type { HeldModel } from './held-models.ts';

const TOKENS = 4096; // tokens a run

/** x [B·Q, C] at the slots of B rows. */
const featuresProgram = (checkpoint: Checkpoint, shape: RowShape): Program => ({
  state: {},
  frozen: weightTypes(checkpointParameters(checkpoint)),
  feeds: rowTypes(shape),
  step: ({ graph, frozen: weights, feeds }) => {
    const { architecture } = checkpoint;
    const model = { architecture, weights, adapters: scalesOf(checkpoint), graph, forward: true };
    return { state: {}, outputs: { x: trunk(model, rowTensors(feeds)).hidden } };
  },
});

/** [N, C] by rows, in order, of texts that fit into what the model reads. */
export async function featuresOf(model: HeldModel, texts: readonly ScoredText[]): Promise<Float32Array> {
  const groups = rowsToScore(texts, model.reading());
  const { channels: C } = model.checkpoint.architecture;
  const features = new Float32Array(groups.length * C);
  const length = (i: number) => groups[i]!.prompt.length + groups[i]!.completions[0]!.length;
  const order = [...groups.keys()].sort((a, b) => length(a) - length(b));
  while (order.length > 0) {
    const B = Math.max(1, Math.floor(TOKENS / coarseLength(length(order.at(-1)!))));
    const indices = order.splice(-B, B);
    const batch = indices.map((i) => groups[i]!);
    const shape = rowShape(batch, B, 'last', coarseLength);
    const program = await model.graph(JSON.stringify(['features', shape]), () =>
      featuresProgram(model.checkpoint, shape),
    );
    const { arrays, first } = packRows(batch, shape, B, 'last');
    const x = (await program.run({}, model.checkpoint.weights, arrays)).outputs.x!.data as Float32Array;
    indices.forEach((index, row) => {
      const at = first[row]![0]!;
      features.set(x.subarray(at * C, (at + 1) * C), index * C);
    });
  }
  return features;
}
