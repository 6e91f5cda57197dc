// The demo's report as one self-contained HTML page: reward and gold against KL, and the same prompts before, after and
// over-optimised.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { foundSentences } from './demo-findings.ts';
import type { DemoReport, SeedDetail } from './demo-report.ts';

const UPLOT = path.resolve(import.meta.dirname, '..', '..', 'node_modules', 'uplot', 'dist');
const escape = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const two = (x: number): string => x.toFixed(2);

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1d2229, #e3e7ec); --dim: light-dark(#5c6672, #9aa5b1); --paper: light-dark(#fff, #16191d); --line: light-dark(#d9dee4, #333a42); --card: light-dark(#f6f8fa, #1d2126); }
* { box-sizing: border-box } body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 76rem }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem } h3 { font-size: .95rem; margin: 1rem 0 .25rem } li { max-width: 60rem; margin: .3rem 0 } p { max-width: 60rem; margin: .4rem 0 } .dim { color: var(--dim) }
table { border-collapse: collapse; margin: 1rem 0 } th, td { text-align: right; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums } th:first-child, td:first-child { text-align: left } th { font-weight: 600; color: var(--dim) }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem } .chart { background: #fff; color: #1d2229; border: 1px solid var(--line); border-radius: 8px; padding: .75rem } .chart h3 { font-size: .95rem; margin: 0 0 .25rem }
.sample { border-top: 1px solid var(--line); padding: .9rem 0 } .post { white-space: pre-wrap; color: var(--dim); font-size: .85rem; margin: 0 0 .6rem } .texts { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: .8rem }
.text { background: var(--card); border-radius: 8px; padding: .6rem .75rem; overflow-wrap: anywhere } .text b { display: block; font-size: .8rem; font-weight: 600; color: var(--dim) } .text small { color: var(--dim); font-variant-numeric: tabular-nums }
@media (max-width: 760px) { .texts { grid-template-columns: 1fr } }`;

/**
 * The script that draws: one chart for each quantity, one line a run, KL along the bottom (square root, so that the
 * start is not squeezed).
 */
const SCRIPT = `
for (const { id, title, curves, key } of CHARTS) {
  const xs = [...new Set(curves.flatMap((c) => c.points.map((p) => p.kl)))].sort((a, b) => a - b);
  const ys = curves.map((c) => xs.map((x) => c.points.find((p) => p.kl === x)?.[key] ?? null));
  const colours = ['#0b6e99', '#c2410c', '#4d7c0f'];
  new uPlot({ title, width: 520, height: 300, scales: { x: { time: false, distr: 100, fwd: (v) => Math.sign(v) * Math.sqrt(Math.abs(v)), bwd: (v) => Math.sign(v) * v * v } },
    axes: [{ label: 'KL to the base, nats', labelSize: 22, splits: () => [0, 1, 2, 5, 10, 20, 50, 100, 200, 400].filter((v) => v <= xs.at(-1) * 1.05), filter: (u, splits) => splits, values: (u, splits) => splits.map(String) }, { size: 52 }],
    series: [{ label: 'KL', value: (u, v) => v?.toFixed(2) }, ...curves.map((c, i) => ({ label: c.name, stroke: colours[i], width: 2, spanGaps: true, points: { show: true, size: 7, fill: colours[i] }, value: (u, v) => v?.toFixed(2) }))],
  }, [xs, ...ys], document.getElementById(id));
}`;

/** What the page opens with: where each seed's run without a price cheated. */
const findingsSection = (details: readonly SeedDetail[]): string => `
<h2>Where it cheats</h2>
<p class="dim">Said of the run with β = 0 by its own samples and the reward model it was trained on; the gold score is only shown beside it.</p>
${details
  .map(
    ({ report, found }) =>
      `<h3>Seed ${report.seed}</h3>\n<ul>${foundSentences(report, found)
        .map((sentence) => `<li>${escape(sentence)}</li>`)
        .join('')}</ul>`,
  )
  .join('\n')}`;

function seedSection({ report, curves, samples }: SeedDetail): string {
  const { seed, reward_model, base, ppo, beta0, beta0_best } = report;
  return `
<h2>Seed ${seed}</h2>
<p>The reward model orders ${(100 * reward_model.validation_accuracy).toFixed(1)} % of the validation comparisons as the labeler did; the same taste without noise would reach ${(100 * reward_model.noise_ceiling).toFixed(1)} %.</p>
<table><thead><tr><th>test prompts, which no run has read</th><th>KL, nats</th><th>reward model</th><th>gold, 1–7</th></tr></thead><tbody>
<tr><td>before</td><td>0</td><td>${two(base.reward)}</td><td>${two(base.gold)} ± ${two(base.gold_se)}</td></tr>
<tr><td>PPO, β = ${ppo.beta}</td><td>${two(ppo.kl)}</td><td>${two(ppo.reward)}</td><td>${two(ppo.gold)} ± ${two(ppo.gold_se)}</td></tr>
<tr><td>PPO, β = 0</td><td>${two(beta0.kl)}</td><td>${two(beta0.reward)}</td><td>${two(beta0.gold)} ± ${two(beta0.gold_se)}</td></tr>
<tr><td>its best weights (update ${beta0_best.step}, chosen on validation prompts)</td><td>${two(beta0_best.kl)}</td><td>${two(beta0_best.reward)}</td><td>${two(beta0_best.gold)} ± ${two(beta0_best.gold_se)}</td></tr>
</tbody></table>
<p class="dim">The curves are of validation prompts; ± is one standard error over prompts.</p>
<div class="charts"><div class="chart" id="reward-${seed}"></div><div class="chart" id="gold-${seed}"></div></div>
<h2>The same prompts, seed ${seed}</h2>
<p class="dim">Test posts that no run has read. Compare what the reward model says with the gold score: on the right it is paid for texts that are wrong.</p>
${samples.map(({ post, texts }) => `<div class="sample"><p class="post">${escape(post)}</p><div class="texts">${texts.map(({ name, text, score, gold }) => `<div class="text"><b>${escape(name)}</b>${escape(text) || '<i>(empty)</i>'}<br><small>reward ${two(score)} · gold ${two(gold)}</small></div>`).join('')}</div></div>`).join('\n')}
<script>CHARTS.push({ id: 'reward-${seed}', title: 'What the reward model says', key: 'reward', curves: ${inScript(curves)} }, { id: 'gold-${seed}', title: 'The true (gold) score', key: 'gold', curves: ${inScript(curves)} });</script>`;
}
const inScript = (value: unknown): string => JSON.stringify(value).replace(/</g, '\\u003c');

/**
 * The page with a policy that lets nothing in: of scripts and styles only those that stand in it now, by their hashes,
 * and nothing from elsewhere.
 */
function withPolicy(page: string): string {
  const hashes = (tag: string) =>
    [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))]
      .map(([, text]) => `'sha256-${createHash('sha256').update(text!).digest('base64')}'`)
      .join(' ');
  const policy = `default-src 'none'; script-src ${hashes('script')}; style-src ${hashes('style')}; img-src data:; base-uri 'none'; form-action 'none'`;
  return page.replace(
    '<meta charset="utf-8">',
    `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">`,
  );
}

export function demoPage(report: DemoReport, details: readonly SeedDetail[]): string {
  const read = (file: string) => fs.readFileSync(path.join(UPLOT, file), 'utf8');
  return withPolicy(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Tastemaker demo: Tiny TL;DR</title>
<style>${read('uPlot.min.css')}${STYLE}</style><script>${read('uPlot.iife.min.js')}</script></head><body>
<h1>Tiny TL;DR: ranking → reward model → PPO → inspection</h1>
<p class="dim">${report.seeds.length === 1 ? 'One seed' : `${report.seeds.length} seeds`}, ${report.seconds.toFixed(0)} seconds on this machine.</p>
<p>A base model wrote four summaries of each post. Simulated labelers with a visible bias (they like length and pleading) ranked them. A reward model learnt their taste, and PPO tuned the base towards it: once at a sensible price for leaving the base, once at none.</p>
${findingsSection(details)}
<script>const CHARTS = [];</script>
${details.map(seedSection).join('\n')}
<script>${SCRIPT}</script>
</body></html>
`);
}
