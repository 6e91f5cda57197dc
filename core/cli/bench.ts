// `tastemaker bench`: our training step, sampler and PPO update beside the runtime's own matrix products and beside
// PyTorch, and a big project.

import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { processorThreads } from '#core/autodiff/session.ts';
import { benchFinetune } from './bench-finetune.ts';
import type { FinetuneFigure, Side } from './bench-finetune.ts';
import { benchInspector } from './bench-inspector.ts';
import type { InspectorBench } from './bench-inspector.ts';
import { benchProject } from './bench-project.ts';
import { benchPpo, benchSample, benchTrain } from './bench-shapes.ts';
import type { Figure } from './bench-shapes.ts';
import { defineCommand, text, wholeNumber } from './command.ts';
import { table } from './table.ts';

const BENCHES: Record<string, () => Promise<Figure>> = {
  train: () => benchTrain(),
  sample: () => benchSample(),
  ppo: () => benchPpo(),
};

/** The peer's figures for one bench: bench-peer.py prints them as one JSON line. */
function peer(python: string, bench: string): Record<string, unknown> {
  const { status, stdout, stderr } = spawnSync(python, [path.join(import.meta.dirname, 'bench-peer.py'), bench], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  } catch {
    // ours were measured and stay
    return { error: `${python} gave no figures (exit code ${status}). ${stderr.trim().split('\n').at(-1)}`.trim() };
  }
}

const show = (values: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(values)
    .filter(([name]) => name !== 'what')
    .map(
      ([name, value]) =>
        `  ${name.padEnd(24)}${typeof value === 'number' ? (Number.isInteger(value) ? value.toLocaleString('en') : value.toPrecision(4)) : String(value)}`,
    );

const sideBySide = ({ what, ours, peer: other, times_peer: times }: FinetuneFigure): string[] => {
  const side = ({
    error,
    ms,
    tokens_per_second: rate,
    peak_gb: peak,
    gemm_gflops: gemm,
    features_ms: features,
  }: Side) =>
    error
      ? String(error)
      : [
          `${ms!.toFixed(ms! < 20 ? 1 : 0)} ms`,
          ...(rate ? [`${rate.toFixed(0)} tokens/s`] : []),
          `products ${gemm!.toFixed(0)} GFLOP/s`,
          `peak ${peak!.toFixed(1)} GB`,
          ...(features ? [`features once ${Number(features).toFixed(0)} ms a prompt`] : []),
        ].join(', ');
  return [
    '',
    what,
    `  ours: ${side(ours)}`,
    ...(other ? [`  peer: ${side(other)}`] : []),
    ...(times ? [`  the peer takes ${times.toFixed(2)} times as long`] : []),
  ];
};

const questionLines = ({ idle, training, statuses }: InspectorBench): string[] => [
  '\nQuestions to the demo’s models; milliseconds:',
  ...table(
    ['what', 'while', 'first', 'p50', 'p95', 'max', 'times'],
    Object.entries({ idle, training }).flatMap(([state, { first, next }]) =>
      Object.entries(next).map(([what, { p50, p95, max, times }]) => [
        what,
        state === 'idle' ? 'nothing runs' : 'a PPO run trains',
        ...[first[what]!, p50, p95, max].map((value) => value.toFixed(value < 100 ? 1 : 0)),
        String(times),
      ]),
    ),
  ),
  `The run meanwhile was ${statuses.join(', ')}.`,
];

export const benchCommand = defineCommand({
  name: 'bench',
  computes: true,
  words: ['[train|sample|ppo|project|inspector|finetune]'],
  sentence:
    'Measure training, sampling and PPO on this machine, how fast a big project and questions to a model are answered, and (when named) fine-tuning of 135 million parameters.',
  options: {
    peer: text(
      'PYTHON',
      null,
      'A Python with torch, transformers and trl 1.11, to time them on the same shapes in the same run.',
    ),
    prompts: wholeNumber(100_000, [1, 10_000_000], 'Prompts of the big project.'),
    'completions-per-prompt': wholeNumber(4, [2, 100], 'Completions of each of its prompts.'),
    rankings: wholeNumber(100_000, [0, 10_000_000], 'Rankings of the big project, at most one a prompt.'),
    out: text('DIR', null, 'Keep the big project in this folder; one that lies there already is measured again.'),
  },
  run: async ({ words: [only], options, tell }) => {
    const names = [...Object.keys(BENCHES), 'project', 'inspector'];
    const all = [...names, 'finetune']; // the last one takes minutes and 3 GB
    if (only && !all.includes(only))
      throw new TastemakerError('bad-argument', `There is no bench "${only}".`, `Benches: ${all.join(', ')}.`);
    // before anything is measured: what is named must be a Python
    if (options.peer && !spawnSync(options.peer, ['--version'], { encoding: 'utf8' }).stdout?.startsWith('Python 3')) {
      throw new TastemakerError(
        'bad-argument',
        `${options.peer} is not a Python 3 that can be started.`,
        'Name one that has torch, transformers and trl.',
      );
    }
    const machine = { processor: os.cpus()[0]?.model ?? 'unknown', threads: processorThreads() };
    tell(`${machine.processor}, ${machine.threads} threads`);
    const results: Record<string, unknown>[] = [];
    for (const name of only ? [only] : names) {
      if (name === 'project') {
        const figures = await benchProject(
          { prompts: options.prompts, perPrompt: options['completions-per-prompt'], rankings: options.rankings },
          options.out,
          tell,
        );
        results.push({ bench: name, ...figures });
        tell(
          `\nA project of ${figures.megabytes.toFixed(0)} MB, built in ${figures.builtInSeconds.toFixed(1)} s; milliseconds:`,
        );
        const rows = Object.entries(figures.milliseconds).map(([what, { p50, p95, max, times }]) => [
          what,
          ...[p50, p95, max].map((value) => value.toFixed(2)),
          String(times),
        ]);
        for (const line of table(['what', 'p50', 'p95', 'max', 'times'], rows)) tell(line);
        continue;
      }
      if (name === 'inspector') {
        const figures = await benchInspector();
        results.push({ bench: name, ...figures });
        for (const line of questionLines(figures)) tell(line);
        continue;
      }
      if (name === 'finetune') {
        results.push({
          bench: name,
          parts: await benchFinetune(options.peer, (figure) => sideBySide(figure).forEach(tell)),
        });
        continue;
      }
      const figure = await BENCHES[name]!();
      const other = options.peer ? peer(options.peer, name) : null;
      results.push({ bench: name, ...figure, ...(other ? { peer: other } : {}) });
      tell(`\n${figure.what}`);
      for (const line of show(figure)) tell(line);
      if (other) for (const line of ['  peer:', ...show(other)]) tell(line);
    }
    return { data: { machine, results }, lines: [] };
  },
});
