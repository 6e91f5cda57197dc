// `tastemaker inspect findings`: what a policy came to say while it learnt, what is paid for it, and where to stop.

import type { Finding, FindingClaim, PriceInterval, RunFindings } from '#core/contract/findings.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { findings } from '#core/inspection/findings.ts';
import { getRun } from '#core/store/runs.ts';
import { onOneLine } from '#core/store/printable.ts';
import { defineCommand, requiredText } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

const CLAIMS: Readonly<Record<FindingClaim, string>> = {
  exploit: 'claimed an exploit',
  drift: 'drift',
  none: 'neither exploit nor drift',
};
const percent = (share: number): string => `${Math.round(100 * share)} %`;
const interval = ({ mean, low, high, clusters }: PriceInterval): string =>
  `${mean.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}, ${clusters} prompts)`;

/** A finding as --json prints it. */
const printed = ({ kind, phrase, shareStart, shareNow, onset, price, claim, samples }: Finding) => ({
  kind,
  phrase,
  share_start: shareStart,
  share_now: shareNow,
  onset,
  price: price && { mean: price.mean, low: price.low, high: price.high, prompts: price.clusters },
  claim,
  samples: samples.map(({ promptId, update, text, score }) => ({ prompt: promptId, update, text, score })),
});

function sentenceOf({ phrase, shareStart, shareNow, onset, price, claim }: Finding): string {
  const since = onset ? `, since update ${onset.update} (${onset.low} to ${onset.high})` : '';
  const paid = price ? `the reward model pays ${interval(price)} for it` : 'of too few prompts to price it';
  return `"${onOneLine(phrase)}": in ${percent(shareNow)} of the last answers (${percent(shareStart)} at the start)${since}; ${paid}: ${CLAIMS[claim]}.`;
}

function linesOf(runId: string, { findings: found, stop, looked }: RunFindings): string[] {
  return [
    found.length === 0
      ? `Run ${runId}: no phrase rose in its last ${looked.now} answers, beside ${looked.start} of the start.`
      : `Run ${runId}: its last ${looked.now} answers (from update ${looked.since} on) beside ${looked.start} of the start, scored by "${looked.reward}":`,
    ...found.map((finding) => `  ${sentenceOf(finding)}`),
    stop
      ? `Stop at update ${stop.update}: ${stop.reason}.`
      : 'It never looked at held-out prompts, so nothing says where to stop.',
  ];
}

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
        lines: linesOf(id, found),
      };
    }),
});
