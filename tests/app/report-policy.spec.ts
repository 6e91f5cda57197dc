// The policy of the demo's report, on a page made of planted numbers and hostile texts: its charts are drawn, and
// nothing else runs or is fetched.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { demoPage } from '#core/cli/demo-page.ts';
import type { DemoReport, SeedDetail } from '#core/cli/demo-report.ts';

const HOSTILE = `</script><script>globalThis.wasRun = 1</script><img src="http://127.0.0.1:9/x" onerror="globalThis.wasRun = 2"><style>@import "http://127.0.0.1:9/y"</style>`;

test('charts are drawn, hostile texts stay texts, and what is added later does not run', async ({ page }) => {
  const numbers = {
    reward: 1,
    gold: 4,
    gold_se: 0.1,
    kl: 3,
    beta: 0.2,
    step: 5,
    validation_accuracy: 0.7,
    noise_ceiling: 0.8,
  };
  const report = {
    seed: 1,
    reward_model: numbers,
    base: numbers,
    ppo: numbers,
    beta0: numbers,
    beta0_best: numbers,
  } as unknown as DemoReport['seeds'][number];
  const points = [0, 4, 9].map((kl) => ({
    kl,
    reward: kl / 9,
    gold: 4 - kl / 9,
  })) as unknown as SeedDetail['curves'][number]['points'];
  const detail: SeedDetail = {
    report,
    curves: [{ name: HOSTILE, points }],
    samples: [
      {
        post: HOSTILE,
        texts: ['before', 'after', HOSTILE].map((name) => ({ name, text: HOSTILE, score: 1, gold: 2 })),
      },
    ],
  };
  const folder = mkdtempSync(join(tmpdir(), 'report-'));
  const complaints: string[] = [];
  const requests: string[] = [];
  writeFileSync(join(folder, 'report.html'), demoPage({ seconds: 1, seeds: [report] }, [detail]));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`file://${join(folder, 'report.html')}`);
  await expect(page.locator('.uplot canvas')).toHaveCount(2);
  expect(await page.locator('.post').textContent()).toBe(HOSTILE);
  expect(complaints).toEqual([]);
  expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
  await page.evaluate((html) => {
    document.body.insertAdjacentHTML('beforeend', html);
    const script = document.createElement('script');
    script.textContent = 'globalThis.wasRun = 3;';
    document.body.append(script);
  }, HOSTILE);
  await page.waitForTimeout(200);
  expect(await page.evaluate(() => 'wasRun' in globalThis)).toBe(false);
  rmSync(folder, { recursive: true });
});
