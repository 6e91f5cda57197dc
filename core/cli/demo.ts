// `tastemaker demo`: the whole loop on the demo world, from ranking to where the policy cheats, with a report of what
// it learned.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { DEMO, FREE, REWARD, SAMPLE, SENSIBLE, TASTE } from '#core/recipes/demo/demo-settings.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { startRun } from '#core/runs/start.ts';
import type { Listeners } from '#core/runs/open.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import { defineCommand, text, wholeNumber } from './command.ts';
import { demoPage } from './demo-page.ts';
import { demoFindings, foundSentences } from './demo-findings.ts';
import { describeSeed, looksOf, writeReport } from './demo-report.ts';
import type { DemoReport, SeedDetail, SeedReport } from './demo-report.ts';
import { measureOnTest, runModel } from './demo-test-split.ts';
import { createProgress } from './progress.ts';

export interface DemoOptions {
  /** where the report and the projects go */
  out: string;
  seeds: number;
  tell(line: string): void;
  listeners(phase: string): Listeners;
}

/** Runs the loop for seeds 1..n and writes report.json and report.html. */
export async function runDemo({ out, seeds, tell, listeners }: DemoOptions): Promise<DemoReport> {
  const started = Date.now();
  const details: SeedDetail[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const folder = path.join(out, `demo-${seed}.tastemaker`);
    if (fs.existsSync(folder))
      throw new TastemakerError('bad-argument', `${folder} already exists.`, 'Choose another --out, or delete it.');
    const seconds = () => ((Date.now() - started) / 1000).toFixed(0).padStart(4);
    const project = await createDemoProject(folder, {
      prompts: DEMO.prompts,
      validation: DEMO.validation,
      heldOut: DEMO.heldOut,
      seed,
    });
    try {
      tell(`${seconds()} s  seed ${seed}: sampling ${SAMPLE.k} summaries of ${DEMO.ranked} posts`);
      const sampled = await startRun(
        project,
        'sample',
        { ...SAMPLE, prompts: DEMO.ranked, seed },
        null,
        listeners('sample'),
      );
      tell(
        `${seconds()} s  ${sampled.counts!.added} summaries, ${sampled.counts!.tokensPerSecond!.toFixed(0)} tokens/s; simulated labelers rank them`,
      );
      const labelled = labelGold(project, { taste: TASTE, labelers: 3, noise: 0.25, seed });
      tell(`${seconds()} s  ${labelled.added} rankings; training the reward model`);
      const reward = await startRun(project, 'reward', { ...REWARD, seed }, 'reward', listeners('reward'));
      tell(`${seconds()} s  ${reward.summary}`);
      const ppo = await startRun(project, 'ppo', { ...SENSIBLE, seed }, 'ppo', listeners(`PPO, β = ${SENSIBLE.beta}`));
      tell(`${seconds()} s  ${ppo.summary} (β = ${SENSIBLE.beta})`);
      const beta0 = await startRun(project, 'ppo', { ...FREE, seed }, 'ppo-beta-0', listeners('PPO, β = 0'));
      tell(`${seconds()} s  ${beta0.summary} (β = 0)`);
      tell(`${seconds()} s  looking where it cheats`);
      const found = await demoFindings(project, beta0.id, looksOf(project, beta0.id));
      tell(`${seconds()} s  sampling the ${DEMO.heldOut} test posts, which no run has read`);
      const test = await measureOnTest(
        project,
        {
          base: policyPath(project, getPolicy(project, 'base')),
          ppo: runModel(project, ppo.id, 'model'),
          beta0: runModel(project, beta0.id, 'model'),
          beta0_best: runModel(project, beta0.id, 'best'),
        },
        seed,
      );
      details.push(
        describeSeed(
          project,
          seed,
          TASTE,
          { reward: reward.id, ppo: ppo.id, beta0: beta0.id, beta: SENSIBLE.beta },
          { test, found },
        ),
      );
    } finally {
      project.close();
    }
  }
  const report: DemoReport = {
    seconds: (Date.now() - started) / 1000,
    seeds: details.map(({ report: numbers }) => numbers),
  };
  writeReport(out, report, demoPage(report, details));
  details.forEach((detail) => tellSeed(detail, tell));
  tell(`\nReport: ${path.join(out, 'report.html')}   (${report.seconds.toFixed(0)} s)`);
  return report;
}

function tellSeed({ report, found, samples }: SeedDetail, tell: (line: string) => void): void {
  for (const line of table(report)) tell(line);
  tell('\n  Where it cheats (β = 0):');
  for (const line of foundSentences(report, found)) tell(`    ${line}`);
  const cheat = samples.toSorted((a, b) => a.texts[2]!.gold - b.texts[2]!.gold).slice(0, 3);
  tell('\n  What the reward model liked best of all, without a price (β = 0):');
  for (const { texts } of cheat)
    tell(`    "${texts[2]!.text}"   reward ${texts[2]!.score.toFixed(2)}, gold ${texts[2]!.gold.toFixed(2)}`);
}

/** The table the terminal and the README show. */
export function table({ seed, reward_model, base, ppo, beta0, beta0_best }: SeedReport): string[] {
  const row = (name: string, kl: number, reward: number, gold: string) =>
    `  ${name.padEnd(22)}${kl.toFixed(2).padStart(9)}${reward.toFixed(2).padStart(10)}   ${gold}`;
  return [
    `\n  seed ${seed}: reward model ${reward_model.validation_accuracy.toFixed(3)} of the validation comparisons (noise ceiling ${reward_model.noise_ceiling.toFixed(3)})\n`,
    `  ${'test prompts'.padEnd(22)}${'KL, nats'.padStart(9)}${'reward'.padStart(10)}   gold (1–7)`,
    row('before', 0, base.reward, `${base.gold.toFixed(2)} ± ${base.gold_se.toFixed(2)}`),
    row(`PPO, β = ${ppo.beta}`, ppo.kl, ppo.reward, `${ppo.gold.toFixed(2)} ± ${ppo.gold_se.toFixed(2)}`),
    row('PPO, β = 0', beta0.kl, beta0.reward, `${beta0.gold.toFixed(2)} ± ${beta0.gold_se.toFixed(2)}`),
    row(
      `  its best, update ${beta0_best.step}`,
      beta0_best.kl,
      beta0_best.reward,
      `${beta0_best.gold.toFixed(2)} ± ${beta0_best.gold_se.toFixed(2)}   (highest on validation prompts: ${beta0_best.optimum.toFixed(2)} at update ${beta0_best.step_of_optimum})`,
    ),
  ];
}

/** out/demo-1, out/demo-2, ...: the first that is free. */
function freeFolder(): string {
  for (let n = 1; ; n++) if (!fs.existsSync(path.join('out', `demo-${n}`))) return path.resolve('out', `demo-${n}`);
}

export const demoCommand = defineCommand({
  name: 'demo',
  computes: true,
  words: [],
  sentence: 'Run the whole loop on the demo world: rank, train a reward model, tune with PPO, and see where it cheats.',
  options: {
    out: text('DIR', null, 'Where report.html, report.json and the projects go; out/demo-N when left out.'),
    seeds: wholeNumber(1, [1, 100], 'How many seeds to repeat it for.'),
  },
  run: async ({ options, tell }) => {
    const out = options.out ? path.resolve(options.out) : freeFolder();
    const report = await runDemo({
      out,
      seeds: options.seeds,
      tell,
      // live on a terminal; elsewhere the lines of `tell` say enough
      listeners: (phase) => (process.stderr.isTTY ? createProgress(phase) : {}),
    });
    return { data: report, lines: [] };
  },
});
