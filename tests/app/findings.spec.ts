// Findings in a real browser: from a finished run to its phrase, its price and where to stop in a click, to the chosen
// weights as a model in another; what has nothing to say says so; pictures and tables are saved.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { ONSET, PHRASE } from '#tests/core/inspection/planted-run.ts';
import { makeFindingsProject, PEAK } from './findings-project.ts';
import type { FindingsProject } from './findings-project.ts';
import { oneWindow } from './one-window.ts';
import { startWorkstation } from './workstation.ts';

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'findings.tastemaker');
let runs: FindingsProject, page: Page;

oneWindow(
  { viewport: { width: 1280, height: 800 } },
  async () => {
    runs = await makeFindingsProject(folder);
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);

const open = async (hash: string) => void (await page.evaluate((to) => (location.hash = to), hash));
const phrases = () => page.getByRole('list', { name: 'What was found, worst first' });
const wrongForAxe = async (): Promise<string[]> => {
  const found: string[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await new AxeBuilder({ page })
      .setLegacyMode()
      .options({ resultTypes: ['violations'] })
      .analyze();
    found.push(...violations.map(({ id, nodes }) => `${colorScheme} ${id}: ${nodes[0]!.html.slice(0, 200)}`));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return found;
};

test('one click says the phrase, since when, what is paid for it, and where to stop; worst first', async () => {
  await open(`#/train/${runs.cheating}`);
  await page.getByRole('tab', { name: 'Findings' }).click();
  const first = phrases().getByRole('listitem').first();
  await expect(first).toContainText(
    new RegExp(
      `“${PHRASE}” stands in \\d+ % of the last 128 answers, 0 % at the start, since update \\d+.*\\. The reward model “longer” pays .+ for it: claimed an exploit\\.`,
    ),
    { timeout: 60_000 },
  );
  await expect(first.locator('.badge')).toHaveText('Exploit');
  await expect(page.getByText(`Stop at update ${PEAK}: no look at held-out prompts is better`)).toBeVisible();
});

test('another click shows its samples with the phrase picked out, best scored first, and why it is called that', async () => {
  const first = phrases().getByRole('listitem').first();
  await first.getByRole('button', { name: /Samples and why/ }).click();
  await expect(
    first.getByText('It was rare and spread, the reward model pays for it, and it does not hang on the prompt.'),
  ).toBeVisible();
  await expect(first.getByText('Most of them end with it')).toBeVisible();
  const samples = first.locator('.sample');
  await expect(samples).toHaveCount(8);
  await expect(samples.first().locator('mark')).toHaveText(PHRASE);
  const scores = (await samples.locator('b').allTextContents()).map((text) => Number(text.replace('−', '-')));
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  await first.getByRole('button', { name: /^Show \d+ more/ }).click();
  expect(await samples.count()).toBeGreaterThan(8);
  await samples.first().locator('summary').click();
  await expect(samples.first().locator('details')).toHaveAttribute('open', '');
  expect(await wrongForAxe()).toEqual([]);
});

test('the share over the updates is a chart that marks the onset; picture and table are saved', async () => {
  const chart = page.getByRole('figure', { name: `Share of rollouts that say “${PHRASE}”` });
  await expect(chart.getByRole('img')).toHaveAttribute(
    'aria-label',
    /began to rise at update \d+ \(95 %: \d+ to \d+\)/,
  );
  const since = /at update (\d+)/.exec((await chart.getByRole('img').getAttribute('aria-label'))!)![1];
  expect(Math.abs(Number(since) - ONSET)).toBeLessThanOrEqual(2);
  const [table] = await Promise.all([
    page.waitForEvent('download'),
    chart.getByRole('button', { name: /save as CSV/ }).click(),
  ]);
  const rows = readFileSync(await table.path(), 'utf8')
    .trim()
    .split('\n');
  expect(rows[0]).toBe('line,update,share,standard error,rollouts');
  expect(rows).toHaveLength(25);
  const [picture] = await Promise.all([
    page.waitForEvent('download'),
    chart.getByRole('button', { name: /save as PNG/ }).click(),
  ]);
  const png = readFileSync(await picture.path());
  expect([png.readUInt32BE(16), png.readUInt32BE(20) > 900]).toEqual([1600, true]);
});

test('the curve has every measure with both forms, and its looks as numbers', async () => {
  const gold = page.getByRole('figure', { name: 'gold against √KL' });
  await gold.scrollIntoViewIfNeeded();
  await expect(gold.getByText(/^policy form: α 1\.2 .* β 0\.9 .*highest at KL 1\.95/)).toBeVisible();
  await expect(gold.getByText(/^best of n form/)).toBeVisible();
  await expect(page.getByRole('figure', { name: 'held_out_score against √KL' })).toBeVisible();
  const [table] = await Promise.all([
    page.waitForEvent('download'),
    gold.getByRole('button', { name: /save as CSV/ }).click(),
  ]);
  expect(readFileSync(await table.path(), 'utf8')).toMatch(/^line,√KL,gold,standard error,KL,update$/m);
  await page.getByText('The 13 looks as numbers').click();
  const row = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: '10', exact: true }) });
  await expect(row.getByRole('cell').first()).toHaveText('5.00');
});

test('another run and the best of n of a pool stand in the same figures, along √KL or KL', async () => {
  await page.getByText('Lay other runs and the best of n beside it').click();
  await page.getByRole('checkbox', { name: /silent/ }).check();
  await page.getByLabel(/^Best of n/).selectOption({ index: 1 });
  const score = page.getByRole('figure', { name: 'held_out_score against √KL' });
  await expect(score.getByText(`β = 0 (${runs.silent})`)).toBeVisible({ timeout: 30_000 });
  await expect(score.getByText(/^best of n by “longer” \(.*, \d+ prompts\)$/)).toBeVisible({ timeout: 30_000 });
  await page.getByRole('button', { name: 'KL', exact: true }).click();
  await expect(page.getByRole('figure', { name: 'gold against KL', exact: true })).toBeVisible();
  await page.getByText(/^The best of n of run .* as numbers$/).click();
  await expect(page.getByRole('columnheader', { name: 'n', exact: true })).toBeVisible();
  expect(await wrongForAxe()).toEqual([]);
  await page.getByRole('button', { name: '√KL', exact: true }).click();
});

test('coming back to it is instant', async () => {
  await page.getByRole('tab', { name: 'Charts' }).click();
  await page.getByRole('tab', { name: 'Findings' }).click();
  await expect(phrases().getByRole('listitem').first()).toContainText(PHRASE, { timeout: 1500 });
});

test('one click makes the chosen weights a model, and then they are one', async () => {
  await page.getByRole('button', { name: `Keep update ${PEAK} as a model` }).click();
  await expect(page.locator('.toast', { hasText: `Its weights of update ${PEAK} of 24 are the model` })).toBeVisible();
  await page.getByRole('link', { name: `The model “cheating-best-${PEAK}”` }).click();
  await expect(page.getByRole('heading', { name: `cheating-best-${PEAK}` }).first()).toBeVisible();
});

test('a phrase is forbidden, and training goes on from the weights of before it: the form is filled in', async () => {
  await open(`#/train/${runs.cheating}?tab=findings`);
  const first = phrases().getByRole('listitem').first();
  await first.getByRole('button', { name: /Samples and why/ }).click();
  await first.getByRole('button', { name: `Forbid it and go on from update ${PEAK}…` }).click();
  const form = page.getByRole('dialog', { name: 'PPO: settings' });
  await expect(form.getByLabel('Policy', { exact: true })).toHaveValue(`cheating-best-${PEAK}`);
  await expect(form.getByLabel('Updates', { exact: true })).toHaveValue('1'); // none were left of the planted run's
  await expect(form.getByLabel('Forbid', { exact: true })).toHaveValue(PHRASE);
  await expect(form.getByLabel('Beta', { exact: true })).toHaveValue('0');
  expect(await wrongForAxe()).toEqual([]);
  await page.keyboard.press('Escape');
  await expect(first.getByRole('link', { name: `The model of update ${PEAK}, before it began` })).toBeVisible();
});

test('answers that say it come before the labeler, beside others of their prompts', async () => {
  const first = phrases().getByRole('listitem').first();
  await first.getByRole('button', { name: /^Rank \d+ of them$/ }).click();
  await expect(page.locator('.toast', { hasText: /items wait in the queue/ })).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Label' })).toBeVisible();
  await page.goBack();
  await expect(page.getByRole('heading', { name: 'cheating' })).toBeVisible();
});

test('a phrase becomes a probe, once', async () => {
  for (const said of ['A probe more.', 'This was a probe already.']) {
    await open(`#/train/${runs.cheating}?tab=findings`);
    const first = phrases().getByRole('listitem').first();
    await first.getByRole('button', { name: /Samples and why/ }).click();
    await first.getByRole('button', { name: 'Add it as a probe' }).click();
    await expect(page.locator('.toast', { hasText: said })).toBeVisible();
    await expect(page.getByText(`Append “${PHRASE}”`).first()).toBeVisible();
  }
});

test('a run that a guard stopped says why, shows what it saw, and offers to go on, to stop at the best, to go lower', async () => {
  await open(`#/train/${runs.guarded}`);
  const guard = page.getByRole('region', { name: 'What a guard said' });
  await expect(guard.getByText(`A guard stopped it at update ${PEAK + 4}: “${PHRASE}” stands in 48 %`)).toBeVisible();
  await expect(guard.getByText('Its limit is 0.4: what nearly half say.')).toBeVisible();
  await expect(guard.getByRole('button', { name: 'Go on as it is' })).toBeEnabled();
  await guard.getByText('The 3 best-scored answers that it saw').click();
  await expect(guard.getByText(`${PHRASE} 0`)).toBeVisible();
  await guard.getByRole('button', { name: `Stop at the best: keep update ${PEAK}` }).click();
  await expect(guard.getByRole('link', { name: `The model of its best update ${PEAK}` })).toBeVisible();
  const form = page.getByRole('dialog', { name: 'PPO: settings' });
  await guard.getByRole('button', { name: `From update ${PEAK} with β 0.05…` }).click();
  await expect(form.getByLabel('Policy', { exact: true })).toHaveValue(`guarded-${PEAK}`);
  await expect(form.getByLabel('Beta', { exact: true })).toHaveValue('0.05');
  await page.keyboard.press('Escape');
  await guard.getByRole('button', { name: `From update ${PEAK} at half the rate…` }).click();
  await expect(form.getByLabel('Learning rate', { exact: true })).toHaveValue('0.0002');
  await page.keyboard.press('Escape');
  await expect(form).toBeHidden();
  await page.setViewportSize({ width: 640, height: 400 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(640);
  await page.setViewportSize({ width: 1280, height: 800 });
  expect(await wrongForAxe()).toEqual([]);
});

test('a run that kept no rollouts says so where its findings would stand, and no weights of its peak where none are', async () => {
  await open(`#/train/${runs.silent}?tab=findings`);
  await expect(page.getByText(`Run ${runs.silent} has kept no rollouts to look at.`)).toBeVisible({ timeout: 30_000 });
  await expect(
    page.getByText(`No weights are kept of update ${PEAK}. The nearest that are kept are of update ${PEAK + 2}`),
  ).toBeVisible();
  await expect(page.getByRole('button', { name: `Keep update ${PEAK + 2} as a model` })).toBeVisible();
  await page.setViewportSize({ width: 640, height: 400 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(640);
  expect(await wrongForAxe()).toEqual([]);
});
