// Two policies side by side in a real browser: from a run's page to its start beside its end, the slider through what
// it kept, tables and pictures, all of it at every size.
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { startRun } from '#core/runs/start.ts';
import { addLengthReward, makeTinyProject, QUICK_PPO } from '#tests/core/recipes/tiny-project.ts';
import { oneWindow } from './one-window.ts';
import { startWorkstation } from './workstation.ts';

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'policies.tastemaker');
let run = '';
let page: Page;

oneWindow(
  { viewport: { width: 1280, height: 800 } },
  async () => {
    const project = await makeTinyProject(folder);
    addLengthReward(project, 'longer', 1);
    run = (await startRun(project, 'ppo', { ...QUICK_PPO, reward: 'longer', evaluate_every: 1 }, 'tuned')).id;
    project.close();
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);

/** with patience: two models are read and their graphs are compiled */
const seen = expect.configure({ timeout: 60_000 });
const rows = () => page.getByRole('list', { name: 'Answers to the same prompts' }).getByRole('listitem');
const means = () => page.getByRole('region', { name: 'Over all prompts' });

test('a run’s page leads to its start beside its end, what changed most first', async () => {
  await page.evaluate((id) => (location.hash = `#/train/${id}`), run);
  await page.getByRole('link', { name: 'Compare its weights' }).click();
  await expect(page.getByRole('heading', { name: 'Two policies', level: 1 })).toBeVisible();
  await seen(means()).toContainText('6 prompts, drawn at temperature 1, the same random numbers for both');
  await expect(means().getByRole('columnheader')).toHaveText([
    'start of tuned',
    'update 2 of tuned',
    'difference (95 %)',
  ]);
  await expect(means().getByRole('rowheader').first()).toHaveText('Score by longer');
  await expect(rows()).toHaveCount(6);
  const moved = (
    await rows()
      .getByText(/^Σ \|Δ ln p\| [\d.]+$/)
      .allTextContents()
  ).map((text) => Number(text.split(' ').at(-1)));
  expect(moved).toEqual(moved.toSorted((a, b) => b - a));
});

test('arrows go through the tokens of an answer, and the line below says what each policy thinks of it', async () => {
  const text = rows()
    .first()
    .getByRole('group', { name: /^The answer of update 2 of tuned to prompt/ });
  await text.focus();
  await page.keyboard.press('Home');
  const line = rows()
    .first()
    .getByText(/^ ?ln p −\d+\.\d\d by start of tuned, −\d+\.\d\d by update 2 of tuned/);
  const before = await line.textContent();
  await page.keyboard.press('ArrowRight');
  await expect(line).not.toHaveText(before!);
  const table = page.waitForEvent('download');
  await page.getByRole('button', { name: 'CSV of the tokens' }).click();
  expect(readFileSync(await (await table).path(), 'utf8')).toMatch(
    /^prompt,token_index,token,logprob_a,logprob_b,change$/m,
  );
  const picture = page.waitForEvent('download');
  await rows()
    .first()
    .getByRole('button', { name: /^PNG of prompt/ })
    .click();
  expect(
    readFileSync(await (await picture).path())
      .subarray(1, 4)
      .toString(),
  ).toBe('PNG');
});

test('the slider goes through the checkpoints; the same policy twice is not asked', async () => {
  const slider = page.getByRole('slider', { name: 'Second: checkpoint of tuned' });
  await slider.focus();
  await page.keyboard.press('ArrowLeft');
  await expect(slider).toHaveAttribute('aria-valuetext', 'update 1 of tuned');
  await seen(means().getByRole('columnheader').nth(1)).toHaveText('update 1 of tuned');
  await page.keyboard.press('ArrowLeft');
  await expect(page.getByText('Both are the same policy: choose another for one of them.')).toBeVisible();
  await expect(means()).toHaveCount(0);
  await page.getByLabel('Second', { exact: true }).selectOption({ label: 'tuned' });
  await seen(means().getByRole('columnheader').nth(1)).toHaveText('tuned');
});

test('axe finds nothing, in light and dark, and at 640 × 400 nothing is cut off', async () => {
  for (const [width, height] of [
    [1280, 800],
    [640, 400],
  ] as const) {
    await page.setViewportSize({ width, height });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await new AxeBuilder({ page }).setLegacyMode().analyze();
      expect(violations.map(({ id, nodes }) => `${colorScheme} ${id} ${nodes[0]!.html.slice(0, 200)}`)).toEqual([]);
    }
  }
});
