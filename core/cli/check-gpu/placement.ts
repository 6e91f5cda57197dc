// Section "placement": opens every kind of graph in a process that logs, and reads where the runtime put each node.

import path from 'node:path';
import { lower } from '#core/autodiff/compile.ts';
import { readDevice } from '#core/autodiff/device.ts';
import type { Graph } from '#core/autodiff/graph.ts';
import { runtimeVersion } from '#core/autodiff/session.ts';
import { askProgram } from '#core/hardware/ask-program.ts';
import { readCudaFiles } from '#core/hardware/cuda-files.ts';
import { allPrograms } from './graphs.ts';
import type { NamedProgram } from './graphs.ts';
import { readPlacements } from './placement-log.ts';
import type { PlacedGraph } from './placement-log.ts';
import type { Context } from './context.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const ON_CARD = 'CUDAExecutionProvider';

/** Names of the nodes, and of the tensors they make, inside loops and outside. */
function namesOf({ program, steps }: NamedProgram, words: string): { inside: Set<string>; outside: Set<string> } {
  const names = { inside: new Set<string>(), outside: new Set<string>() };
  const visit = ({ nodes }: Graph, into: Set<string>): void => {
    for (const { name, outputs, body } of nodes) {
      for (const one of [name, ...outputs.map((tensor) => tensor.name)]) into.add(one);
      if (body) visit(body.graph, names.inside);
    }
  };
  visit(lower(program, steps, { device: readDevice(words) }).graph, names.outside);
  return names;
}

/**
 * What of a graph costs a copy on every trip of a loop: its nodes on the processor, and copies. What the runtime made
 * itself, and has no name of ours, counts as inside.
 */
function costly(
  placed: PlacedGraph,
  names: { inside: ReadonlySet<string>; outside: ReadonlySet<string> },
): { inside: string[]; outside: string[] } {
  const found = [
    ...placed.onProcessor.map(({ operator, node }) => ({
      text: `${operator} "${node}" on the processor`,
      outside: names.outside.has(node),
    })),
    ...placed.copies.map((text) => ({
      text: `copy: ${text}`,
      outside: text.split(/[^\w/.-]+/).some((word) => names.outside.has(word)),
    })),
  ];
  return {
    inside: found.filter(({ outside }) => !outside).map(({ text }) => text),
    outside: found.filter(({ outside }) => outside).map(({ text }) => text),
  };
}

/**
 * fp32 and bf16. No node inside a loop may run on the processor, and no copy may stand there; those outside are listed.
 */
export async function placement({ row, note, left }: Context): Promise<void> {
  note(`ONNX Runtime ${runtimeVersion()}. ${(await readCudaFiles({ hash: false })).sentence}`);
  const programs = new Map(allPrograms().map((program) => [program.name, program]));
  for (const words of ['cuda', 'cuda:bf16']) {
    const { outcome, stderr } = await askProgram(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        '--import',
        './build/log-runtime.mjs',
        'core/cli/check-gpu/open-graphs.ts',
        words,
      ],
      { cwd: ROOT, timeout: left() },
    );
    const graphs = readPlacements(stderr);
    const precision = readDevice(words).precision;
    if (outcome === 'slow') note(`${precision}: the time was over after ${graphs.length} graphs.`);
    for (const { name, problem } of graphs) if (problem) note(`${precision}, ${name}: ${problem}`);
    const judged = graphs.map((graph) => ({ graph, ...costly(graph, namesOf(programs.get(graph.name)!, words)) }));
    for (const { graph, inside, outside } of judged)
      for (const text of [
        ...inside.map((one) => `in a loop: ${one}`),
        ...outside.map((one) => `outside of loops: ${one}`),
      ])
        note(`${precision}, ${graph.name}, ${text}`);
    const nodes = graphs.reduce((sum, { counts }) => sum + Object.values(counts).reduce((a, b) => a + b, 0), 0);
    const onCard = graphs.reduce((sum, { counts }) => sum + (counts[ON_CARD] ?? 0), 0);
    const clean = judged.filter(
      ({ graph, inside }) => graph.problem === null && (graph.counts[ON_CARD] ?? 0) > 0 && inside.length === 0,
    ).length;
    await row({
      what: `${precision}: graphs`,
      value: `${clean} of ${programs.size}`,
      unit: 'have every node of their loops on the card, and no copy there',
      goal: 'all',
      ok: clean === programs.size,
    });
    await row({ what: `${precision}: nodes`, value: `${onCard} of ${nodes}`, unit: 'are on the card', ok: null });
  }
}
