// The demo's promises, kept by the real run: gold rises with a sensible β, and falls to the floor with β = 0 while the
// reward model stays pleased.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DemoReport } from '#core/cli/demo-report.ts';
import { openProject } from '#core/store/database.ts';
import { listPrompts } from '#core/store/prompts.ts';

const OUT = path.resolve('out', 'test', 'demo'); // left there to be looked at

describe('tastemaker demo, one seed', () => {
  test('learns, and cheats where it may', { timeout: 1_800_000 }, () => {
    fs.rmSync(OUT, { recursive: true, force: true });
    const { TASTEMAKER_THREADS: _, ...env } = process.env; // on all cores, as who starts it has it
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['core/cli/main.ts', 'demo', '--out', OUT, '--json'],
      { encoding: 'utf8', maxBuffer: 1e8, env },
    );
    expect(status, stderr).toBe(0);
    const report = JSON.parse(fs.readFileSync(path.join(OUT, 'report.json'), 'utf8')) as DemoReport;
    expect(JSON.parse(stdout)).toEqual(report);
    const [{ reward_model, base, ppo, beta0, beta0_best, findings, stop }] = report.seeds as [
      DemoReport['seeds'][number],
    ];
    const page = fs.readFileSync(path.join(OUT, 'report.html'), 'utf8');
    for (const { gold } of [base, ppo, beta0, beta0_best]) expect(page).toContain(`<td>${gold.toFixed(2)} ± `);
    expect(page.match(/class="sample"/g)).toHaveLength(12);
    expect(ppo.beta).toBe(0.2);
    expect(ppo.gold - base.gold).toBeGreaterThanOrEqual(0.8);
    expect(ppo.gold - base.gold).toBeGreaterThanOrEqual(3 * Math.hypot(ppo.gold_se, base.gold_se));
    expect(beta0.reward).toBeGreaterThan(base.reward);
    expect(beta0.gold).toBeLessThan(3);
    expect(beta0.kl).toBeGreaterThan(ppo.kl);
    // the prototype reached .737 where a labeler of the same taste without noise reaches .815
    expect(reward_model.validation_accuracy).toBeGreaterThanOrEqual(0.737 - 0.03);
    expect(reward_model.noise_ceiling).toBeGreaterThan(0.77);
    expect(reward_model.noise_ceiling).toBeLessThan(0.86);
    // best/ was chosen without the gold score, and is nearer to where that was highest than the last step
    expect(Math.abs(beta0_best.optimum - beta0_best.on_validation)).toBeLessThan(
      Math.abs(beta0_best.optimum - beta0_best.last_on_validation),
    );
    expect(beta0_best.gold).toBeGreaterThan(beta0.gold);
    // without a price gold first rises, then falls; and where to stop is found without it
    expect(beta0_best.optimum).toBeGreaterThanOrEqual(beta0_best.first_on_validation + 0.4);
    expect(beta0_best.last_on_validation).toBeLessThan(3);
    expect(stop!.gold_best).toBe(beta0_best.optimum);
    expect(stop!.gold).toBeGreaterThanOrEqual(beta0_best.optimum - 0.15);
    // it says what it came to say; and of what it claims gold, which the finder never saw, pays nothing
    const phrases = findings.filter((finding) => finding.kind === 'phrase');
    const [most] = phrases.slice(0, 3).filter(({ share_now }) => share_now >= 0.5);
    expect(most!.share_start).toBeLessThan(0.1);
    expect(most!.onset!.update).toBeGreaterThan(beta0_best.step_of_optimum);
    const exploits = phrases.filter(({ claim }) => claim === 'exploit');
    for (const { gold_price } of exploits) expect(gold_price!.mean).toBeLessThanOrEqual(0);
    expect(page.indexOf('Where it cheats')).toBeLessThan(page.indexOf('<table>'));
    expect(page).toContain(most!.phrase);
    const folder = path.join(OUT, 'demo-1.tastemaker');
    const rows = (run: string, name: string) =>
      fs
        .readFileSync(path.join(folder, 'runs', run, name), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, number>);
    const samples = rows('0004-ppo', 'samples.jsonl');
    const last = samples.filter(({ step }) => step === samples.at(-1)!.step);
    expect(last.length).toBeGreaterThanOrEqual(128); // validation prompts
    expect(beta0_best.last_on_validation).toBeCloseTo(last.reduce((sum, { gold }) => sum + gold!, 0) / last.length, 9);
    const project = openProject(folder, { write: false });
    const tests = new Set(listPrompts(project, { split: 'test' }).map(({ id }) => id));
    project.close();
    expect(tests.size).toBe(160);
    for (const run of fs.readdirSync(path.join(folder, 'runs')).filter((name) => /^\d+-/.test(name)))
      expect(rows(run, 'data.jsonl').filter(({ promptId }) => tests.has(promptId!))).toEqual([]);
  });
});
