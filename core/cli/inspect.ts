// `tastemaker inspect findings` and `inspect curve`: what a policy came to say while it learnt and what is paid for it,
// how what it gained rose and fell, and where to stop.

import {
  fitWords,
  lookedSentence,
  measureSentence,
  phraseSentence,
  stopSentence,
} from '#core/contract/finding-words.ts';
import { MOST_CURVES } from '#core/contract/findings.ts';
import type {
  CurveFit,
  Finding,
  FoundSample,
  MeasureFinding,
  PhraseFinding,
  PoolCurve,
  RunCurve,
  RunFindings,
} from '#core/contract/findings.ts';
import { TastemakerError } from '#core/errors.ts';
import { poolCurve } from '#core/inspection/best-of-n.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { runCurves } from '#core/inspection/curve.ts';
import { findings } from '#core/inspection/findings.ts';
import { getRun } from '#core/store/runs.ts';
import { onOneLine } from '#core/store/printable.ts';
import { defineCommand, list, requiredText, text } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

const printedSamples = (samples: readonly FoundSample[]) =>
  samples.map(({ promptId, update, text, score }) => ({ prompt: promptId, update, text, score }));

const printedPhrase = ({
  kind,
  phrase,
  shareStart,
  shareNow,
  onset,
  shares,
  price,
  claim,
  samples,
}: PhraseFinding) => ({
  kind,
  phrase,
  share_start: shareStart,
  share_now: shareNow,
  onset,
  shares,
  price: price && { mean: price.mean, low: price.low, high: price.high, prompts: price.clusters },
  claim,
  samples: printedSamples(samples),
});

/** What stands out is no claim about the reward model: its price is not known. */
const printedMeasure = (finding: MeasureFinding) => ({
  kind: finding.kind,
  found: finding.found,
  sentence: measureSentence(finding),
  start: finding.start,
  now: finding.now,
  compared: finding.compared,
  change: finding.change,
  limit: finding.limit,
  because: finding.because,
  also: finding.also,
  samples: printedSamples(finding.samples),
});

/** A finding as --json prints it. */
const printed = (finding: Finding) => (finding.kind === 'phrase' ? printedPhrase(finding) : printedMeasure(finding));

/** A finding as a line; what does not stand out is only in --json. */
function lineOf(finding: Finding, found: RunFindings): string[] {
  if (finding.kind === 'phrase') return [phraseSentence(finding, found.looked)];
  return finding.found ? [`${finding.title}. ${measureSentence(finding)}`] : [];
}

export const inspectFindingsCommand = defineCommand({
  name: 'inspect findings',
  computes: true,
  words: [],
  sentence:
    'Say which phrases a policy came to say, since when, what its reward model pays for them, what became of the shape of its answers, and where to stop.',
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
          ...found.findings.flatMap((finding) => lineOf(finding, found)).map((line) => `  ${onOneLine(line)}`),
          stopSentence(found.stop),
        ],
      };
    }),
});

const WITHIN = { kl: 2, value: 3 } as const; // decimals
/** Fixed decimals, and no sign before a zero. */
const fixed = (x: number): string => x.toFixed(WITHIN.value).replace(/^-(?=[0.]+$)/, '');
const withError = ({ value, error }: { value: number; error: number | null }): string =>
  `${fixed(value)}${error === null ? '' : ` ± ${error.toFixed(WITHIN.value)}`}`;
const distances = ({ kl }: { kl: number }): string[] => [kl.toFixed(WITHIN.kl), Math.sqrt(kl).toFixed(WITHIN.kl)];

/** A table of measures along their common points, whose name and number come first. */
function measuresTable<P extends { kl: number; value: number; error: number | null }>(
  along: string,
  measures: readonly { metric: string; points: readonly P[] }[],
  at: (point: P) => number,
): string[] {
  return table(
    [along, 'KL', '√KL', ...measures.map(({ metric }) => metric)],
    (measures[0]?.points ?? []).map((first) => [
      String(at(first)),
      ...distances(first),
      ...measures.map(({ points }) => {
        const point = points.find((one) => at(one) === at(first));
        return point ? withError(point) : '';
      }),
    ]),
  );
}
const fitLines = (measures: readonly { metric: string; fits: readonly CurveFit[] }[]): string[] =>
  measures.flatMap(({ metric, fits }) => fits.map((fit) => `${metric}, ${fitWords(fit)}.`));

const curveLines = ({ run, beta, measures, stop, notes }: RunCurve): string[] => [
  `Run ${run}${beta === null ? '' : `, β = ${beta},`} on held-out prompts (mean ± standard error):`,
  ...measuresTable('update', measures, ({ update }) => update),
  ...fitLines(measures),
  ...notes,
  stopSentence(stop),
];

const poolLines = ({ run, reward, prompts, size, measures, notes }: PoolCurve): string[] => [
  `The best of n by “${reward}”, of the ${size} samples that run ${run} drew for each of ${prompts} prompts (mean ± standard error over prompts):`,
  ...measuresTable('n', measures, ({ n }) => n),
  ...fitLines(measures),
  ...notes,
];

export const inspectCurveCommand = defineCommand({
  name: 'inspect curve',
  words: [],
  sentence:
    'Show what runs measured on held-out prompts against √KL, the fitted forms of over-optimisation, where to stop, and what the best of n of a pool gains.',
  options: {
    project: projectOption,
    run: {
      ...list('ID', 'The run that tuned a policy; given again, one to lay beside it that began with the same model.'),
      required: true,
    },
    pool: text('ID', null, 'A run that sampled several completions a prompt from the model that training began with.'),
  },
  run: ({ options: { project: given, run: runs, pool } }) =>
    withProject(given, { write: false }, async (project) => {
      const ids = runs.map((run) => getRun(project, run).id);
      if (ids.length > MOST_CURVES)
        throw new TastemakerError(
          'bad-argument',
          `${ids.length} runs are more than one figure holds: ${MOST_CURVES}.`,
          'Name fewer.',
        );
      const [own, ...beside] = (await runCurves(project.folder, ids)) as [RunCurve, ...RunCurve[]];
      const question = { projectFolder: project.folder, runId: own.run };
      const drawn =
        pool === null
          ? null
          : await poolCurve(createHeldModels({ limit: Infinity }), { ...question, poolId: getRun(project, pool).id });
      return {
        data: { ...own, beside, pool: drawn },
        lines: [...[own, ...beside].flatMap(curveLines), ...(drawn ? poolLines(drawn) : [])],
      };
    }),
});
