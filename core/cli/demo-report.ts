// What the demo found, as report.json: numbers read from the runs' own files, nothing else.

import fs from 'node:fs';
import path from 'node:path';
import { gold } from '#core/demo/gold.ts';
import { agreement, utility } from '#core/demo/labelers.ts';
import type { LabelerName } from '#core/demo/labelers.ts';
import { readJsonl } from '#core/formats/jsonl.ts';
import type { EvaluatedSample } from '#core/jobs/train-ppo.ts';
import type { ValidationRow } from '#core/jobs/reward-validation.ts';
import { listCompletions } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';

/** The held-out prompts at one update of a run. */
export interface Point {
  update: number;
  kl: number;
  reward: number;
  gold: number;
  gold_se: number;
}
export interface SeedReport {
  seed: number;
  reward_model: { validation_accuracy: number; noise_ceiling: number };
  base: { gold: number; gold_se: number };
  ppo: { beta: number; kl: number; reward: number; gold: number; gold_se: number };
  beta0: { kl: number; reward: number; reward_start: number; gold: number; gold_best: number; step_of_best: number };
}
/** What the page shows beside the numbers. */
export interface SeedDetail {
  report: SeedReport;
  curves: { name: string; points: Point[] }[];
  samples: { post: string; texts: { name: string; text: string; score: number; gold: number }[] }[];
}
export interface DemoReport {
  seconds: number;
  seeds: SeedReport[];
}

type SampleRow = EvaluatedSample & { step: number };
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const standardError = (values: readonly number[]): number => {
  const center = mean(values);
  return Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1) / values.length);
};
const samplesOf = (project: Project, run: string): SampleRow[] => readJsonl(path.join(project.folder, 'runs', run, 'samples.jsonl'), (row) => row as SampleRow).rows;

/** Held-out KL, reward-model score and gold at every evaluated update. */
export function pointsOf(rows: readonly SampleRow[]): Point[] {
  return [...Map.groupBy(rows, ({ step }) => step)].map(([update, at]) => {
    const golds = at.map((row) => row.gold!);
    return { update, kl: mean(at.map(({ kl }) => kl)), reward: mean(at.map(({ score }) => score)), gold: mean(golds), gold_se: standardError(golds) };
  });
}

/** Accuracy of the reward model on its held-out prompts, and that of a labeler of the same taste without noise. */
function rewardModel(project: Project, run: string, taste: LabelerName): SeedReport['reward_model'] {
  const rows = readJsonl(path.join(project.folder, 'runs', run, 'validation.jsonl'), (row) => row as ValidationRow).rows;
  const completions = Map.groupBy(listCompletions(project), ({ promptId }) => promptId);
  const facts = new Map(listPrompts(project).map((prompt) => [prompt.id, prompt.facts!]));
  const texts = rows.map(({ promptId }) => completions.get(promptId)!.map(({ text }) => text));
  const noiseless = rows.map(({ promptId }, i) => texts[i]!.map((text) => utility(gold(text.trim(), facts.get(promptId)!), taste)));
  // validation rows list completions best first; put ranks and scores back into the order of the completions
  const ordered = orderedRows(project, rows);
  const better = (ranks: readonly (readonly number[])[]) => ranks.map((row) => row.map((rank) => -rank));
  return { validation_accuracy: agreement(ordered.map(({ scores }) => scores), better(ordered.map(({ ranks }) => ranks)), texts), noise_ceiling: agreement(noiseless, better(ordered.map(({ ranks }) => ranks)), texts) };
}

function orderedRows(project: Project, rows: readonly ValidationRow[]): ValidationRow[] {
  const completions = Map.groupBy(listCompletions(project), ({ promptId }) => promptId);
  return rows.map((row) => {
    const order = completions.get(row.promptId)!.map(({ id }) => row.completionIds.indexOf(id));
    return { ...row, ranks: order.map((i) => row.ranks[i]!), scores: order.map((i) => row.scores[i]!) };
  });
}

/** One seed's numbers and the material of its page. */
export function describeSeed(project: Project, seed: number, taste: LabelerName, runs: { reward: string; ppo: string; beta0: string; beta: number }): SeedDetail {
  const tuned = samplesOf(project, runs.ppo), cheating = samplesOf(project, runs.beta0);
  const tunedPoints = pointsOf(tuned), cheatingPoints = pointsOf(cheating);
  const start = tunedPoints[0]!, end = tunedPoints.at(-1)!, first = cheatingPoints[0]!, last = cheatingPoints.at(-1)!;
  const best = cheatingPoints.reduce((a, b) => (b.gold > a.gold ? b : a));
  const at = (rows: readonly SampleRow[], step: number) => rows.filter((row) => row.step === step);
  const posts = new Map(listPrompts(project, { split: 'test' }).map(({ id, text }) => [id, text]));
  const finals = [{ name: 'before', rows: at(tuned, 0) }, { name: `after, β = ${runs.beta}`, rows: at(tuned, end.update) }, { name: 'over-optimised, β = 0', rows: at(cheating, last.update) }];
  return {
    report: {
      seed,
      reward_model: rewardModel(project, runs.reward, taste),
      base: { gold: start.gold, gold_se: start.gold_se },
      ppo: { beta: runs.beta, kl: end.kl, reward: end.reward, gold: end.gold, gold_se: end.gold_se },
      beta0: { kl: last.kl, reward: last.reward, reward_start: first.reward, gold: last.gold, gold_best: best.gold, step_of_best: best.update },
    },
    curves: [{ name: `β = ${runs.beta}`, points: tunedPoints }, { name: 'β = 0', points: cheatingPoints }],
    samples: finals[0]!.rows.slice(0, 12).map(({ promptId }, i) => ({ post: posts.get(promptId)!, texts: finals.map(({ name, rows }) => ({ name, text: rows[i]!.text.trim(), score: rows[i]!.score, gold: rows[i]!.gold! })) })),
  };
}

export function writeReport(folder: string, report: DemoReport, page: string): void {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  fs.writeFileSync(path.join(folder, 'report.html'), page);
}
