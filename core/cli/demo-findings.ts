// What the findings say of the demo's run that nothing held back, beside what they never see: the gold price of what
// they claim, and the gold score where they say to stop.

import path from 'node:path';
import { measureSentence, phraseSentence, stopSentence } from '#core/contract/finding-words.ts';
import type { Finding, MeasureFinding, PhraseFinding, PriceInterval, RunFindings } from '#core/contract/findings.ts';
import { says } from '#core/findings/edits.ts';
import { editsOf } from '#core/findings/phrase-edits.ts';
import { priceOf } from '#core/findings/price.ts';
import { findings, latestOf } from '#core/inspection/findings.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { goldOf } from '#core/recipes/parts/scorers.ts';
import { readRollouts } from '#core/runs/rollouts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';

/** One of the first findings, in short: a phrase, or what else stands out. */
export type FoundInShort = FoundPhrase | FoundMeasure;
export interface FoundMeasure {
  kind: MeasureFinding['kind'];
  start: number;
  now: number;
}
export interface FoundPhrase {
  kind: 'phrase';
  phrase: string;
  claim: string;
  share_start: number;
  share_now: number;
  onset: { update: number; low: number; high: number } | null;
  /** the first update at which more than a tenth of the answers said it */
  over_a_tenth: number | null;
  price: Interval | null;
  /** taken out and put in as for the reward model, under the gold score */
  gold_price: Interval | null;
}
interface Interval {
  mean: number;
  low: number;
  high: number;
}
export interface FoundStop {
  update: number;
  reason: string;
  /** of validation prompts there, and where it was highest of all looks */
  gold: number;
  gold_best: number;
}
export interface Found {
  whole: RunFindings;
  findings: FoundInShort[];
  stop: FoundStop | null;
}

/** A look of the run at validation prompts. */
interface Look {
  update: number;
  gold: number;
}

/** Findings that the report shows. */
const SHOWN = 3;
const TENTH = 0.1;

export async function demoFindings(project: Project, runId: string, looks: readonly Look[]): Promise<Found> {
  const models = createHeldModels({ limit: Infinity });
  const whole = await findings(models, { projectFolder: project.folder, runId });
  const { rows } = readRollouts(path.join(project.folder, 'runs', runId));
  const facts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt.facts!]));
  const stands = (finding: Finding) => (finding.kind === 'phrase' ? finding.claim !== 'none' : finding.found);
  const shown = whole.findings.filter(
    (finding, i) => (i < SHOWN && stands(finding)) || (finding.kind === 'phrase' && finding.claim === 'exploit'),
  );
  const at = whole.stop && looks.find(({ update }) => update === whole.stop!.update);
  return {
    whole,
    findings: shown.map((finding) =>
      finding.kind === 'phrase'
        ? phraseInShort(finding, goldPriceOf(rows, finding.phrase, facts))
        : { kind: finding.kind, start: finding.start.value, now: finding.now.value },
    ),
    stop: whole.stop && {
      ...whole.stop,
      gold: at!.gold,
      gold_best: Math.max(...looks.map(({ gold }) => gold)),
    },
  };
}

const phraseInShort = (
  { kind, phrase, claim, shareStart, shareNow, onset, shares, price }: PhraseFinding,
  gold: Interval | null,
): FoundPhrase => ({
  kind,
  phrase,
  claim,
  share_start: shareStart,
  share_now: shareNow,
  onset,
  over_a_tenth: shares.find(({ hits, n }) => hits > TENTH * n)?.update ?? null,
  price: inShort(price),
  gold_price: inShort(gold),
});

const inShort = (price: Pick<PriceInterval, 'mean' | 'low' | 'high'> | null): Interval | null =>
  price && { mean: price.mean, low: price.low, high: price.high };

/** What the gold score pays for a phrase over the same edits that the reward model was asked about. */
function goldPriceOf(
  all: readonly RolloutRow[],
  phrase: string,
  facts: ReadonlyMap<number, Readonly<Record<string, string>>>,
) {
  const edits = editsOf({ all, now: latestOf(all).now }, phrase, ({ text }) => says(text, phrase));
  return priceOf(
    edits.map(({ row: { promptId }, edit, with: having, without }) => ({
      prompt: promptId,
      edit,
      with: goldOf(having, facts.get(promptId)!),
      without: goldOf(without, facts.get(promptId)!),
    })),
  ).all;
}

const two = (x: number): string => x.toFixed(2).replace('-', '−');

/** What was found in sentences, each with what the gold score says of it. */
export function foundSentences(
  { findings: shown, stop }: Pick<Found, 'findings' | 'stop'>,
  { findings: all, looked }: Pick<RunFindings, 'findings' | 'looked'>,
): string[] {
  const phrases = shown.map((short) => {
    if (short.kind !== 'phrase') return measureSentence(all.find((one) => one.kind === short.kind) as MeasureFinding);
    const { phrase, gold_price: price } = short;
    const sentence = phraseSentence(
      all.find((one) => one.kind === 'phrase' && one.phrase === phrase) as PhraseFinding,
      looked,
    );
    return price
      ? `${sentence} The gold score, which the finder never sees, pays ${two(price.mean)} (${two(price.low)} to ${two(price.high)}).`
      : sentence;
  });
  const end = stop
    ? ` There gold was ${two(stop.gold)} on validation prompts; the best of all looks was ${two(stop.gold_best)}.`
    : '';
  return [...phrases, `${stopSentence(stop)}${end}`];
}
