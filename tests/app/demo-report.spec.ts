// The page of the demo's report in a real browser, made of planted numbers and texts: charts drawn, texts side by side,
// nothing fetched; hostile texts stay texts, and nothing that is added later runs.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { demoPage } from '#core/cli/demo-page.ts';
import type { SeedDetail } from '#core/cli/demo-report.ts';
import { forget } from './workstation.ts';

const HOSTILE = `</script><script>globalThis.wasRun = 1</script><img src="http://127.0.0.1:9/x" onerror="globalThis.wasRun = 2"><style>@import "http://127.0.0.1:9/y"</style>`;

const measured = (gold: number) => ({ kl: 3, reward: 1, gold, gold_se: 0.1 });
/** A seed's detail: `count` samples, every text of them `text`, every name `name`. */
const planted = (count: number, text: string, name: string): SeedDetail => ({
  report: {
    seed: 1,
    reward_model: { validation_accuracy: 0.7, noise_ceiling: 0.8 },
    base: measured(3.21),
    ppo: { ...measured(4.56), beta: 0.2 },
    beta0: measured(1.89),
    beta0_best: {
      ...measured(3.98),
      step: 5,
      on_validation: 4,
      last_on_validation: 2,
      optimum: 4.1,
      step_of_optimum: 6,
    },
  },
  curves: ['β = 0.2', name].map((of) => ({
    name: of,
    points: [0, 4, 9].map((kl, update) => ({ update, kl, reward: kl / 9, gold: 4 - kl / 9, gold_se: 0.1 })),
  })),
  samples: Array.from({ length: count }, () => ({
    post: text,
    texts: ['before', 'after', name].map((of) => ({ name: of, text, score: 1, gold: 2 })),
  })),
});

let folder: string, complaints: string[], requests: string[];
test.beforeEach(({ page }) => {
  folder = mkdtempSync(join(tmpdir(), 'report-'));
  [complaints, requests] = [[], []];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  page.on('request', (request) => requests.push(request.url()));
});
test.afterEach(() => forget(folder));

async function open(page: Page, detail: SeedDetail): Promise<void> {
  const file = join(folder, 'report.html');
  writeFileSync(file, demoPage({ seconds: 1, seeds: [detail.report] }, [detail]));
  await page.goto(`file://${file}`);
  await expect(page.locator('.uplot canvas')).toHaveCount(2);
}
function expectPeace(): void {
  expect(complaints).toEqual([]);
  expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
}

test('it shows what the run found: its numbers, two charts with ink, and the same prompts side by side', async ({
  page,
}) => {
  await open(page, planted(12, 'The cat sleeps.', 'β = 0'));
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Tiny TL;DR');
  await expect(page.getByRole('row', { name: /PPO, β = 0\.2/ })).toContainText('4.56');
  await expect(page.getByRole('row', { name: /PPO, β = 0\s/ })).toContainText('1.89');
  const inked = await page.locator('.uplot canvas').evaluateAll((canvases) =>
    canvases.map((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      return (canvas as HTMLCanvasElement)
        .getContext('2d')!
        .getImageData(0, 0, width, height)
        .data.some((value, i) => i % 4 === 3 && value > 0);
    }),
  );
  expect(inked).toEqual([true, true]);
  await expect(page.locator('.sample')).toHaveCount(12);
  await expect(page.locator('.sample').first().locator('.text')).toHaveCount(3);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(overflow).toBe(0);
  expectPeace();
});

test('charts are drawn, hostile texts stay texts, and what is added later does not run', async ({ page }) => {
  await open(page, planted(1, HOSTILE, HOSTILE));
  expect(await page.locator('.post').textContent()).toBe(HOSTILE);
  expectPeace();
  await page.evaluate((html) => {
    document.body.insertAdjacentHTML('beforeend', html);
    const script = document.createElement('script');
    script.textContent = 'globalThis.wasRun = 3;';
    document.body.append(script);
  }, HOSTILE);
  await page.waitForTimeout(200);
  expect(await page.evaluate(() => 'wasRun' in globalThis)).toBe(false);
});
