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
      first_on_validation: 3,
      last_on_validation: 2,
      optimum: 4.1,
      step_of_optimum: 6,
    },
    findings: [
      {
        kind: 'phrase',
        phrase: text,
        claim: 'exploit',
        share_start: 0.02,
        share_now: 0.91,
        onset: { update: 20, low: 19, high: 21 },
        over_a_tenth: 20,
        price: { mean: 0.64, low: 0.38, high: 0.91 },
        gold_price: { mean: -1.34, low: -1.49, high: -1.18 },
      },
    ],
    stop: { update: 8, reason: 'the best', gold: 6.62, gold_best: 6.7 },
  },
  found: {
    findings: [
      {
        kind: 'phrase',
        phrase: text,
        place: 'ending',
        sentence: true,
        shareStart: 0.02,
        shareNow: 0.91,
        z: 9,
        onset: { update: 20, low: 19, high: 21 },
        shares: [],
        price: { mean: 0.64, low: 0.38, high: 0.91, clusters: 128 },
        priceOut: null,
        priceIn: null,
        prompts: { with: 9, of: 10, inPrompt: 0, inReference: 0, alike: 1, depends: false },
        claim: 'exploit',
        samples: [],
        folded: [],
      },
    ],
    looked: { rollouts: 2560, start: 224, now: 128, since: 39, until: 40, reward: 'reward' },
    stop: { update: 8, reason: 'the best' },
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
  // it opens with the findings
  await expect(page.getByRole('heading', { level: 2 }).first()).toHaveText('Where it cheats');
  await expect(page.getByRole('listitem').first()).toContainText(
    '“The cat sleeps.” stands in 91 % of the last 128 answers, 2 % at the start, since update 20 (19 to 21). The reward model “reward” pays 0.64 (0.38 to 0.91, 128 prompts) for it: claimed an exploit. The gold score, which the finder never sees, pays −1.34 (−1.49 to −1.18).',
  );
  await expect(page.getByRole('listitem').last()).toContainText('Stop at update 8: the best. There gold was 6.62');
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
