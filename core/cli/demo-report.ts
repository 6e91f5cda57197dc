// What the demo found, as report.json: curves on validation prompts read from the runs' own files, and the table on
// test prompts.

import fs from 'node:fs';
import path from 'node:path';
import { goldAxesOf } from '#core/recipes/parts/scorers.ts';
import { agreement, utility } from '#core/demo/labelers.ts';
import type { LabelerName } from '#core/demo/labelers.ts';
import { readJsonl } from '#core/formats/jsonl.ts';
import { readMade } from '#core/models/model-notes.ts';
import type { EvaluatedSample } from '#core/recipes/parts/held-out-evaluation.ts';
import type { ValidationRow } from '#core/recipes/parts/reward-validation.ts';
import { listCompletions } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import type { Found, FoundInShort, FoundStop } from './demo-findings.ts';
import { runModel } from './demo-test-split.ts';
import type { TestPoint } from './demo-test-split.ts';
import { mean } from '#core/evaluation/mean.ts';

/** The held-out prompts at one update of a run. */
export interface Point {
  update: number;
  kl: number;
  reward: number;
  gold: number;
  gold_se: number;
}
/** Of the models, on test prompts. */
interface Measured {
  kl: number;
  reward: number;
  gold: number;
  gold_se: number;
}
export interface SeedReport {
  seed: number;
  reward_model: { validation_accuracy: number; noise_ceiling: number };
  base: Measured;
  ppo: Measured & { beta: number };
  beta0: Measured;
  /**
   * the weights in best/, chosen at `step` on validation prompts without the gold score; there the gold score was
   * highest at step_of_optimum, and these are its values, with those of the first and the last look
   */
  beta0_best: Measured & {
    step: number;
    on_validation: number;
    first_on_validation: number;
    last_on_validation: number;
    optimum: number;
    step_of_optimum: number;
  };
  /** of the run with β = 0: the first findings and all exploits, and where they say to stop */
  findings: FoundInShort[];
  stop: FoundStop | null;
}
/** What the page shows beside the numbers. */
export interface SeedDetail {
  report: SeedReport;
  found: Pick<Found['whole'], 'findings' | 'looked' | 'stop'>;
  curves: { name: string; points: Point[] }[];
  samples: { post: string; texts: { name: string; text: string; score: number; gold: number }[] }[];
}
export interface DemoReport {
  seconds: number;
  seeds: SeedReport[];
}

type SampleRow = EvaluatedSample & { step: number };
const standardError = (values: readonly number[]): number => {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1) / values.length);
};
/** The run's looks at validation prompts. */
export const looksOf = (project: Project, run: string): Point[] => pointsOf(samplesOf(project, run));
const samplesOf = (project: Project, run: string): SampleRow[] =>
  readJsonl(path.join(project.folder, 'runs', run, 'samples.jsonl'), (row) => row as SampleRow).rows;

/** Held-out KL, reward-model score and gold at every evaluated update. */
function pointsOf(rows: readonly SampleRow[]): Point[] {
  return [...Map.groupBy(rows, ({ step }) => step)].map(([update, at]) => {
    const golds = at.map((row) => row.gold!);
    return {
      update,
      kl: mean(at.map(({ kl }) => kl)),
      reward: mean(at.map(({ score }) => score)),
      gold: mean(golds),
      gold_se: standardError(golds),
    };
  });
}

/** Accuracy of the reward model on its validation prompts, and that of a labeler of the same taste without noise. */
function rewardModel(project: Project, run: string, taste: LabelerName): SeedReport['reward_model'] {
  const rows = readJsonl(
    path.join(project.folder, 'runs', run, 'validation.jsonl'),
    (row) => row as ValidationRow,
  ).rows.map(inOrder);
  const textOf = new Map(
    listCompletions(project, { ids: rows.flatMap(({ completionIds }) => completionIds) }).map(({ id, text }) => [
      id,
      text,
    ]),
  );
  const facts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt.facts!]));
  const texts = rows.map(({ completionIds }) => completionIds.map((id) => textOf.get(id)!));
  const noiseless = rows.map(({ promptId }, i) =>
    texts[i]!.map((text) => utility(goldAxesOf(text, facts.get(promptId)!), taste)),
  );
  const better = rows.map(({ ranks }) => ranks.map((rank) => -rank));
  return {
    validation_accuracy: agreement(
      rows.map(({ scores }) => scores),
      better,
      texts,
    ),
    noise_ceiling: agreement(noiseless, better, texts),
  };
}

/**
 * Validation rows list completions best first; here they are in the order of their ids, so that ties in score favour
 * nobody.
 */
function inOrder(row: ValidationRow): ValidationRow {
  const order = row.completionIds.map((_, i) => i).sort((a, b) => row.completionIds[a]! - row.completionIds[b]!);
  return {
    ...row,
    completionIds: order.map((i) => row.completionIds[i]!),
    ranks: order.map((i) => row.ranks[i]!),
    scores: order.map((i) => row.scores[i]!),
  };
}

/** One seed's numbers and the material of its page. */
export function describeSeed(
  project: Project,
  seed: number,
  taste: LabelerName,
  runs: { reward: string; ppo: string; beta0: string; beta: number },
  { test, found }: { test: Record<string, TestPoint>; found: Found },
): SeedDetail {
  const tunedPoints = looksOf(project, runs.ppo);
  const cheatingPoints = looksOf(project, runs.beta0);
  const optimum = cheatingPoints.reduce((a, b) => (b.gold > a.gold ? b : a));
  const last = cheatingPoints.at(-1)!;
  const { step } = readMade(runModel(project, runs.beta0, 'best'))!;
  const chosen = cheatingPoints.find(({ update }) => update === step)!;
  const numbers = (name: string): Measured => {
    const { samples: _, ...rest } = test[name]!;
    return rest;
  };
  const posts = new Map(listPrompts(project, { split: 'test' }).map(({ id, text }) => [id, text]));
  const finals = [
    ['before', 'base'],
    [`after, β = ${runs.beta}`, 'ppo'],
    ['over-optimised, β = 0', 'beta0'],
  ] as const;
  return {
    report: {
      seed,
      reward_model: rewardModel(project, runs.reward, taste),
      base: numbers('base'),
      ppo: { beta: runs.beta, ...numbers('ppo') },
      beta0: numbers('beta0'),
      beta0_best: {
        step,
        ...numbers('beta0_best'),
        on_validation: chosen.gold,
        first_on_validation: cheatingPoints[0]!.gold,
        last_on_validation: last.gold,
        optimum: optimum.gold,
        step_of_optimum: optimum.update,
      },
      findings: found.findings,
      stop: found.stop,
    },
    found: found.whole,
    curves: [
      { name: `β = ${runs.beta}`, points: tunedPoints },
      { name: 'β = 0', points: cheatingPoints },
    ],
    samples: test.base!.samples.slice(0, 12).map(({ promptId }, i) => ({
      post: posts.get(promptId)!,
      texts: finals.map(([name, model]) => {
        const { text, score, gold } = test[model]!.samples[i]!;
        return { name, text: text.trim(), score, gold };
      }),
    })),
  };
}

export function writeReport(folder: string, report: DemoReport, page: string): void {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(path.join(folder, 'report.html'), page);
}
