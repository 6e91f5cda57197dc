// `tastemaker inspect findings` and `inspect curve`: what a policy came to say while it learnt and what is paid for it,
// how what it gained rose and fell, and where to stop.

import { fitWords, lookedSentence, phraseSentence, stopSentence } from '#core/contract/finding-words.ts';
import type { CurveMeasure, CurvePoint, Finding, RunCurve } from '#core/contract/findings.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { runCurve } from '#core/inspection/curve.ts';
import { findings } from '#core/inspection/findings.ts';
import { getRun } from '#core/store/runs.ts';
import { onOneLine } from '#core/store/printable.ts';
import { defineCommand, requiredText } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

/** A finding as --json prints it. */
const printed = ({ kind, phrase, shareStart, shareNow, onset, shares, price, claim, samples }: Finding) => ({
  kind,
  phrase,
  share_start: shareStart,
  share_now: shareNow,
  onset,
  shares,
  price: price && { mean: price.mean, low: price.low, high: price.high, prompts: price.clusters },
  claim,
  samples: samples.map(({ promptId, update, text, score }) => ({ prompt: promptId, update, text, score })),
});

export const inspectFindingsCommand = defineCommand({
  name: 'inspect findings',
  computes: true,
  words: [],
  sentence:
    'Say which phrases a policy came to say, since when, what its reward model pays for them, and where to stop.',
  options: { project: projectOption, run: requiredText('ID', 'The run that tuned it.') },
  run: ({ options: { project: given, run } }) =>
    withProject(given, { write: false }, async (project) => {
      const { id } = getRun(project, run);
      const models = createHeldModels({ limit: Infinity });
      const found = await findings(models, { projectFolder: project.folder, runId: id });
      return {
        data: { run: id, findings: found.findings.map(printed), stop: found.stop, looked: found.looked },
        lines: [
          `Run ${id}. ${lookedSentence(found)}`,
          ...found.findings.map((finding) => `  ${onOneLine(phraseSentence(finding, found.looked))}`),
          stopSentence(found.stop),
        ],
      };
    }),
});

const WITHIN = { kl: 2, value: 3 } as const; // decimals
/** Fixed decimals, and no sign before a zero. */
const fixed = (x: number): string => x.toFixed(WITHIN.value).replace(/^-(?=[0.]+$)/, '');
const valueOf = ({ points }: CurveMeasure, update: number): string => {
  const at = points.find((point) => point.update === update);
  return at ? `${fixed(at.value)}${at.error === null ? '' : ` ± ${at.error.toFixed(WITHIN.value)}`}` : '';
};
const distances = (point: CurvePoint): string[] => [
  String(point.update),
  point.kl.toFixed(WITHIN.kl),
  Math.sqrt(point.kl).toFixed(WITHIN.kl),
];

function curveLines(runId: string, { measures, stop }: RunCurve): string[] {
  const updates = measures[0]?.points ?? [];
  return [
    `Run ${runId} on held-out prompts (mean ± standard error):`,
    ...table(
      ['update', 'KL', '√KL', ...measures.map(({ metric }) => metric)],
      updates.map((point) => [...distances(point), ...measures.map((measure) => valueOf(measure, point.update))]),
    ),
    ...measures.flatMap(({ metric, fits }) => fits.map((fit) => `${metric}, ${fitWords(fit)}.`)),
    stopSentence(stop),
  ];
}

export const inspectCurveCommand = defineCommand({
  name: 'inspect curve',
  words: [],
  sentence:
    'Show what a run measured on held-out prompts against √KL, the fitted forms of over-optimisation, and where to stop.',
  options: { project: projectOption, run: requiredText('ID', 'The run that tuned a policy.') },
  run: ({ options: { project: given, run } }) =>
    withProject(given, { write: false }, async (project) => {
      const { id } = getRun(project, run);
      const curve = await runCurve(project.folder, id);
      return { data: { run: id, ...curve }, lines: curveLines(id, curve) };
    }),
});
