// Inside, as a person looks: the lens alone and beside another checkpoint, attribution, strips, by mouse and by keys;
// what is saved; what cannot be looked into.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { loadCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { addCompletions } from '#core/store/completions.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { oneWindow } from './one-window.ts';
import { goTo, startWorkstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.use({ actionTimeout: 15_000 });

/** with patience: a model is read and its graphs are compiled */
const seen = expect.configure({ timeout: 60_000 });
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const ANSWER = ' my boss took the old bike and now i walk home every day.';
const LONG = ANSWER.repeat(7);
let page: Page;

/** A demo project with a policy that moved, a reward model, one of another depth, and samples short, long and empty. */
async function seed(folder: string): Promise<void> {
  const project = await createDemoProject(folder, { prompts: 12, validation: 2, heldOut: 3, seed: 4 });
  const base = join(folder, 'models', 'base');
  const model = loadCheckpoint(base);
  const at = (name: string) => join(folder, 'models', name);
  const weights = Object.fromEntries(Object.entries(model.weights).map(([name, w]) => [name, w.map((x) => 1.1 * x)]));
  saveCheckpoint(at('tuned'), { ...model, weights }, { tokenizerFrom: base });
  saveCheckpoint(at('reward'), withScoreHead(model, 1), { tokenizerFrom: base });
  const tuned = addPolicy(project, { name: 'tuned', kind: 'policy', path: 'models/tuned', parentId: 1 });
  addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward', parentId: 1 });
  addPolicy(project, { name: 'gone', kind: 'policy', path: 'models/gone', parentId: 1 });
  const text = 'SUBREDDIT: r/bikes\nTITLE: my bike\nPOST: my boss took my bike.\nTL;DR:';
  const [promptId] = addPrompts(project, [{ text, split: 'train', source: 'demo' }]) as [number];
  addCompletions(
    project,
    ['', LONG, ANSWER].map((text) => ({
      promptId,
      policyId: tuned,
      text,
      tokenIds: [],
      logprobs: [],
      samplingLogprobs: [],
      finish: 'length' as const,
      sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 40, seed: 1 },
      runId: null,
    })),
  );
  project.close();
}

oneWindow(
  { viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', acceptDownloads: true },
  async () => {
    const folder = join(home, 'seeded.tastemaker');
    await seed(folder);
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);
test.afterAll(() => rmSync(home, { recursive: true, force: true }));

const inside = () => page.getByRole('region', { name: 'Inside' });
const tab = (name: string) => inside().getByRole('button', { name, exact: true });
const grid = () => inside().getByRole('grid');
const profile = () => inside().getByRole('region', { name: /through the layers/ });
const samples = () => page.locator('.body [role=row]');
const sample = (text: string) => samples().filter({ hasText: text });

/** What a button saves, as bytes. */
async function saved(name: string): Promise<{ name: string; bytes: Buffer }> {
  const download = page.waitForEvent('download', { timeout: 60_000 });
  await inside().getByRole('button', { name, exact: true }).click();
  const file = await download;
  return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
}

test('the lens opens where the answer begins, the last layer on top', async () => {
  await goTo(page, 'Inspect');
  await sample(ANSWER.trim()).last().click();
  await page.keyboard.press('i');
  await seen(grid()).toBeVisible();
  await seen(grid().getByRole('gridcell').first()).not.toHaveText('…');
  await expect(grid().getByRole('rowheader').first()).toHaveText(/^layer \d+$/);
  await expect(grid().getByRole('rowheader').last()).toHaveText('embedding');
  await expect(grid().getByRole('columnheader', { name: '␣my' }).first()).toBeInViewport();
  await expect(profile()).toContainText('followed by ␣my');
  await expect(profile().getByRole('row')).toHaveCount(1 + (await grid().getByRole('rowheader').count()));
});

test('arrows move over the grid, Enter pins a token, Escape leaves', async () => {
  await grid().focus();
  const status = inside().getByRole('status');
  const before = await status.textContent();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await expect(status).not.toHaveText(before!);
  await expect(samples().and(page.locator('[aria-selected=true]'))).toHaveCount(1); // the list did not move
  await expect(profile()).toContainText('followed by ␣boss');
  await page.keyboard.press('Enter');
  await expect(profile().getByText('pinned')).toBeVisible();
  await page.keyboard.press('End');
  await expect(profile()).toContainText('followed by ␣boss');
  await grid().getByRole('gridcell').nth(3).hover();
  await expect(profile()).toContainText('followed by ␣boss');
  await page.keyboard.press('Home');
  await seen(grid().getByRole('gridcell', { selected: false }).first()).not.toHaveText('…');
  await page.keyboard.press('Escape');
  await expect(tab('Lens')).toBeFocused();
  await grid().focus();
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  await expect(profile()).toContainText(', the last');
  await page.keyboard.press('Enter');
  await expect(profile().getByText('pinned')).toHaveCount(0);
});

test('two checkpoints stand side by side, with what the second has more of', async () => {
  await inside().getByLabel('Beside').selectOption('base');
  await seen(profile().getByRole('columnheader', { name: 'base' })).toBeVisible();
  await inside().getByRole('radio', { name: 'Difference' }).click();
  await expect(inside().getByRole('radio', { name: 'Probability' })).toBeDisabled();
  await expect(inside().getByRole('radio', { name: 'KL to the last layer' })).toBeChecked();
  await inside().getByRole('radio', { name: 'Norm' }).click();
  await expect(grid().getByRole('gridcell').first()).toHaveText(/^−?\d+\.\d$/);
  const table = await saved('CSV of the lens');
  expect(table.name).toMatch(/^lens-\d+-tuned-and-base\.csv$/);
  const [head, ...rows] = table.bytes.toString().trimEnd().split('\n');
  expect(head).toContain('model,position,token,next_token,layer');
  for (const name of ['tuned', 'base']) expect(rows.some((row) => row.startsWith(`${name},`))).toBe(true);
  const picture = await saved('PNG of the lens');
  expect(picture.bytes.subarray(1, 4).toString()).toBe('PNG');
  expect(picture.bytes.length).toBeGreaterThan(20_000);
  await inside().getByLabel('Beside').selectOption('no other model');
});

test('of a long answer only what is in sight is drawn', async () => {
  await sample(LONG.trim().slice(0, 80)).first().click();
  await seen.poll(async () => Number(await grid().getAttribute('aria-colcount'))).toBeGreaterThan(100);
  await seen(grid().getByRole('gridcell').first()).not.toHaveText('…');
  const rows = await grid().getByRole('rowheader').count();
  expect(await grid().getByRole('gridcell').count()).toBeLessThan(rows * 30);
  await grid().focus();
  await page.keyboard.press('End');
  await seen(grid().getByRole('gridcell').last()).not.toHaveText('…');
  expect(await grid().getByRole('gridcell').count()).toBeLessThan(rows * 30);
  // the pointer rests on a place that the next text does not have
  await grid().getByRole('gridcell').last().hover();
  await grid().evaluate((at: HTMLElement) => at.blur());
  await page.keyboard.press('k');
  await seen.poll(async () => Number(await grid().getAttribute('aria-colcount'))).toBeLessThan(100);
  await seen(profile()).toBeVisible();
});

test('attribution colours the text by what each token does for the score, with numbers at the cursor', async () => {
  await sample(ANSWER.trim()).last().click();
  await tab('Attribution').click();
  await expect(inside().getByLabel(/^Model/)).toHaveValue(/\d/);
  await seen(inside().getByText('Of the score by “reward”')).toBeVisible();
  const text = inside().getByRole('group', { name: /^Prompt and answer/ });
  await text.focus();
  const status = inside().getByRole('status');
  const before = await status.textContent();
  await page.keyboard.press('ArrowRight');
  await expect(status).not.toHaveText(before!);
  for (const way of ['Gradient × input', 'Along the text']) {
    await inside().getByRole('radio', { name: way }).click();
    expect(await text.locator('.token').last().getAttribute('title')).toMatch(new RegExp(`^${way} −?\\d`));
  }
  await text.focus();
  await page.keyboard.press('Escape');
  await expect(tab('Attribution')).toBeFocused();
  const { bytes } = await saved('CSV of the attribution');
  expect(bytes.toString().split('\n')[0]).toBe('position,token,part,along,left_out,gradient_times_input');
  expect((await saved('PNG of the attribution')).bytes.subarray(1, 4).toString()).toBe('PNG');
  await inside()
    .getByLabel(/^Model/)
    .selectOption('tuned');
  await seen(inside().getByText('Of the Σ ln p of the answer by “tuned”')).toBeVisible();
});

test('strips show what tuning sees of each token', async () => {
  await tab('Strips').click();
  await seen(grid().getByRole('rowheader')).toHaveText(['ln π', 'ln π_ref', 'KL', 'value', 'advantage']);
  await expect(inside().getByText('as of the defaults of tuning')).toBeVisible();
  await inside().getByLabel('Reference').selectOption('none');
  await seen(grid().getByRole('rowheader')).toHaveText(['ln π', 'value']);
  const { bytes } = await saved('CSV of the strips');
  expect(bytes.toString().split('\n')[0]).toBe('token_index,token,logprob,value');
  expect((await saved('PNG of the strips')).bytes.subarray(1, 4).toString()).toBe('PNG');
});

test('axe finds nothing, in light and dark', async () => {
  for (const view of ['Lens', 'Attribution', 'Strips']) {
    await tab(view).click();
    const figure = view === 'Attribution' ? inside().locator('.token').first() : grid().getByRole('gridcell').first();
    await seen(figure).toBeVisible();
    await seen(figure).not.toHaveText('…');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await new AxeBuilder({ page }).include('.inside').setLegacyMode().analyze();
      expect(violations.map(({ id, nodes }) => `${view} ${colorScheme} ${id} ${nodes[0]!.html}`)).toEqual([]);
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
});

test('at twice the size all of it is still there', async () => {
  await page.setViewportSize({ width: 640, height: 400 });
  await tab('Lens').click();
  await seen(grid().getByRole('gridcell').first()).not.toHaveText('…');
  await grid().scrollIntoViewIfNeeded();
  expect((await grid().boundingBox())!.width).toBeGreaterThan(350);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(640);
  await profile().scrollIntoViewIfNeeded();
  await expect(profile()).toBeInViewport();
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('what cannot be looked into is a sentence', async () => {
  await inside()
    .getByLabel(/^Model/)
    .selectOption('gone');
  await seen(inside().getByRole('alert')).toContainText(/models.gone/);
  await inside()
    .getByLabel(/^Model/)
    .selectOption('tuned');
  await seen(inside().getByRole('alert')).toHaveCount(0);
  await tab('Attribution').click();
  await seen(samples()).toHaveCount(3); // newest first: the empty one is the last
  await samples().last().click();
  await seen(inside().getByRole('alert')).toContainText('The answer is empty');
});
