// Only nodes that an output is made from are left in a finished graph, in loops too; what they compute stays the same.

import { expect, test } from 'vitest';
import { lower } from '#core/autodiff/compile.ts';
import type { Program } from '#core/autodiff/compile.ts';
import { constant, createGraph, input } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { loop } from '#core/autodiff/loop.ts';
import { add, exp, mul, tanh } from '#core/autodiff/ops/elementwise.ts';
import { prune } from '#core/autodiff/prune.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { languageModelFeeds, languageModelLoss } from '#core/training/objectives/language-model.ts';
import { trainingProgram } from '#core/training/trainer.ts';

const names = (graph: Graph): string[] => graph.nodes.map(({ operator }) => operator.name);

test('what nobody reads goes, and its constants; what is read on the way to an output stays', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2]);
  const y = exp(x);
  tanh(mul(y, constant(graph, 'float32', [1], [7])));
  const out = add(y, constant(graph, 'float32', [1], [3]));
  prune(graph, [out]);
  expect(names(graph)).toEqual(['Exp', 'Add']);
  expect([...graph.constants.values()].map(({ values }) => Array.from(values as Float32Array))).toEqual([[3]]);
});

test('a loop keeps what its body reads from outside, and loses what its own outputs do not need', () => {
  const graph = createGraph();
  const x = input(graph, 'x', 'float32', [2]);
  const outside = exp(x);
  tanh(x);
  const { carried } = loop(graph, 3, [x], (_, [state], inner) => {
    tanh(state!);
    expect(inner.parent).toBe(graph);
    return { carried: [add(state!, outside)], stacked: [] };
  });
  prune(graph, carried);
  expect(names(graph)).toEqual(['Exp', 'Loop']);
  expect(names(graph.nodes[1]!.body!.graph).toSorted()).toEqual(['Add', 'Identity']); // Identity: whether to go on
});

test.each(['gpt2', 'llama'] as const)('of a training step of %s nothing is left that nobody reads', (family) => {
  const architecture = newArchitecture({
    family,
    vocabulary: 50,
    channels: 16,
    layers: 2,
    heads: 2,
    feedForward: 32,
    context: 8,
    endOfText: 0,
  });
  const program: Program = trainingProgram(
    parameters(architecture),
    languageModelFeeds(2, 8),
    languageModelLoss(architecture),
    { betas: [0.9, 0.999], epsilon: 1e-8, epsilonStyle: 'torch', weightDecay: 0, clipNorm: 1 },
  );
  for (const steps of [1, 3]) {
    const { graph, state, outputs } = lower(program, steps);
    const read = new Set<Tensor>([...Object.values(state), ...Object.values(outputs)]);
    const bodies = [graph, ...graph.nodes.flatMap(({ body }) => (body ? [body.graph] : []))];
    for (const one of bodies)
      for (const { inputs, body } of one.nodes)
        [...inputs, ...(body?.outputs ?? [])].forEach((tensor) => read.add(tensor));
    for (const one of bodies)
      expect(
        one.nodes.filter(({ outputs: made }) => !made.some((tensor) => read.has(tensor))).map(({ name }) => name),
      ).toEqual([]);
  }
});
