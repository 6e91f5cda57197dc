// Probes as a person meets them: the table fills by itself, a cell opens its answers, one is added and told what to
// expect, the table is saved; on the card of the reward model; by keys and on a small screen.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { addLengthReward, makeTinyProject } from '#tests/core/recipes/tiny-project.ts';
import { oneWindow } from './one-window.ts';
import { startWorkstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
const measured = expect.configure({ timeout: 60_000 });
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'probes.tastemaker');
let page: Page;

oneWindow(
  { viewport: { width: 1100, height: 700 }, acceptDownloads: true },
  async () => {
    const project = await makeTinyProject(folder);
    addLengthReward(project, 'longer', 1);
    addLengthReward(project, 'shorter', -1);
    project.close();
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);
test.afterAll(() => rmSync(home, { recursive: true, force: true }));

const row = (edit: string) =>
  page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: edit, exact: true }) });
const cell = (edit: string, model: string) => row(edit).getByRole('button', { name: `${edit}, by ${model}:` });
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

test('the table is there by a key, and fills by itself', async () => {
  await page.evaluate(() => (location.hash = '#/models'));
  await page.getByRole('heading', { name: 'Models' }).waitFor();
  await page.keyboard.press('p');
  await measured(cell('Append “please help me”', 'longer')).toContainText(/\+\d\.\d\d/);
  await measured(cell('Append “please help me”', 'shorter')).toContainText(/−\d\.\d\d/);
  await expect(page.getByText('Measured on 28 answers to train prompts, one a prompt, drawn by seed 1')).toBeVisible();
});

test('a cell opens its answers, what was put in picked out, the greatest rise first', async () => {
  await cell('Append “please help me”', 'longer').click();
  const answers = page.getByRole('region', { name: 'Answers of: Append “please help me”' });
  await expect(answers.locator('.sample')).toHaveCount(8);
  await expect(answers.locator('ins').first()).toHaveText(/please help me/);
  const rises = (await answers.locator('.sample b').allTextContents()).map(Number);
  expect(rises).toEqual(rises.toSorted((a, b) => b - a));
  expect(await wrongForAxe()).toEqual([]);
});

test('what people say makes a share of the answers that moved the wrong way', async () => {
  await row('Append “please help me”').getByRole('combobox').selectOption('should fall');
  await expect(cell('Append “please help me”', 'longer')).toContainText('100 % the wrong way');
  await expect(cell('Append “please help me”', 'shorter')).toContainText('0 % the wrong way');
});

test('a probe is added, measured, and taken away; what searches for nothing is refused', async () => {
  await page.getByRole('button', { name: 'Add a probe…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a probe' });
  await dialog.getByLabel('Edit').selectOption('Search and replace');
  await dialog.getByRole('button', { name: 'Add the probe' }).click();
  await expect(dialog.getByRole('alert')).toContainText('There is no word in what is searched for.');
  await dialog.getByLabel('Edit').selectOption('Put a text before');
  await dialog.getByRole('textbox', { name: 'Text' }).fill('dear reader');
  await page.keyboard.press('Enter');
  await expect(dialog).toBeHidden();
  await measured(cell('Begin with “dear reader”', 'longer')).toBeVisible();
  await page.getByRole('button', { name: 'Remove the probe: Begin with “dear reader”' }).click();
  await expect(row('Begin with “dear reader”')).toHaveCount(0);
});

test('the table is saved as a picture and as a table', async () => {
  const [table] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'CSV of the table of probes' }).click(),
  ]);
  const lines = readFileSync(await table.path(), 'utf8')
    .trim()
    .split('\n');
  expect(lines[0]).toMatch(/^probe,edit,people say,reward model,answers,/);
  expect(lines[1]).toMatch(/^1,Append “please help me”,should fall,longer,28,28,1\.05\d+/);
  const [picture] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'PNG of the table of probes' }).click(),
  ]);
  const png = readFileSync(await picture.path());
  expect([png.readUInt32BE(16), png.readUInt32BE(20) > 250]).toEqual([1600, true]);
});

test('the card of a reward model says it too, and leads back; all fits a small screen', async () => {
  await page.getByRole('region', { name: 'Probes by reward models' }).getByRole('link', { name: 'longer' }).click();
  await expect(page.getByRole('heading', { name: 'What it pays for edits' })).toBeVisible();
  await expect(page.getByText(/Append “please help me” .*should fall, 100 % the wrong way/)).toBeVisible();
  await page.getByRole('link', { name: 'All probes' }).click();
  await page.setViewportSize({ width: 640, height: 400 });
  await expect(cell('Append “please help me”', 'longer')).toBeVisible();
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(640);
  expect(await wrongForAxe()).toEqual([]);
});
