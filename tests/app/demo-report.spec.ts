// The demo's report page in a real browser: charts drawn, texts side by side, nothing fetched, no error.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from '@playwright/test';
import type { DemoReport } from '#core/cli/demo-report.ts';

const folder = path.resolve('out', 'test', 'demo'); // left by tests/core/cli/demo.test.ts

test('the demo report shows what the run found', async ({ page }) => {
  test.skip(!fs.existsSync(path.join(folder, 'report.html')), 'the demo test has not run before');
  const errors: string[] = [];
  const requests: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`file://${path.join(folder, 'report.html')}`);
  const report = JSON.parse(fs.readFileSync(path.join(folder, 'report.json'), 'utf8')) as DemoReport;
  const { ppo, beta0 } = report.seeds[0]!;

  await expect(page.getByRole('heading', { level: 1 })).toContainText('Tiny TL;DR');
  await expect(page.getByRole('row', { name: /PPO, β = 0\.2/ })).toContainText(ppo.gold.toFixed(2));
  await expect(page.getByRole('row', { name: /PPO, β = 0\s/ })).toContainText(beta0.gold.toFixed(2));
  await expect(page.locator('.uplot canvas')).toHaveCount(2);
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
  expect(errors).toEqual([]);
  expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
});
