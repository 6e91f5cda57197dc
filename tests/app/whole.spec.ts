// The project's folder is moved, removed and exchanged while a window labels in it; an import is called off; a backup
// is put back.
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { addCompletions } from '#core/store/completions.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { addPrompts, countPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { forget, goTo, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folderOf = (name: string) => join(home, `${name}.tastemaker`);
let station: Workstation;

function makeProject(name: string): void {
  const project = createProject(folderOf(name));
  const prompts = addPrompts(
    project,
    Array.from({ length: 20 }, (_, i) => ({
      text: `${name} question ${i + 1}?`,
      split: 'train' as const,
      source: 'test',
    })),
  );
  const sampling = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 };
  addCompletions(
    project,
    prompts.flatMap((promptId, i) =>
      [1, 2].map((j) => ({
        promptId,
        policyId: null,
        text: `${name} answer ${j} to ${i + 1}`,
        tokenIds: [5, 6],
        logprobs: [-0.5, -0.1],
        samplingLogprobs: [-0.5, -0.1],
        finish: 'stop' as const,
        sampling,
        runId: null,
      })),
    ),
  );
  project.close();
}
const rankingsIn = (folder: string): number => {
  const project = openProject(folder, { write: false });
  try {
    return listRankings(project).filter(({ status }) => status === 'ranked').length;
  } finally {
    project.close();
  }
};
const questionOn = async (page: Page) =>
  /study question \d+\?/.exec((await page.locator('.desk').textContent()) ?? '')?.[0] ?? '';
/** Ranks the item at hand by its keys, and waits until it is confirmed: the next one is shown before that. */
async function rankOne(page: Page): Promise<void> {
  await expect.poll(() => questionOn(page)).not.toBe('');
  const before = await questionOn(page);
  await page.keyboard.press('1');
  await page.keyboard.press('Enter');
  await expect.poll(() => questionOn(page)).not.toBe(before);
  await expect(page.getByRole('status', { name: 'Saved mark' })).toHaveText(/^Saved/);
}

test.beforeAll(async () => {
  makeProject('study');
  station = await startWorkstation(['--project', folderOf('study')], home);
});
test.afterAll(async () => {
  await station?.stop();
  forget(home);
});
const banner = (page: Page) => page.getByRole('region', { name: /folder is not in its place/ });

test('a folder that is moved while it is labelled in: said on top, nothing called saved, opened where it is, and copied when it is deleted', async ({
  page,
}) => {
  await page.goto(station.url);
  await expect(page.getByRole('heading', { name: 'study' })).toBeVisible();
  await goTo(page, 'Label');
  await expect(page.getByText('study question', { exact: false }).first()).toBeVisible();
  await rankOne(page);
  await rankOne(page);
  const moved = folderOf('moved');
  renameSync(folderOf('study'), moved);
  await page.keyboard.press('1');
  await expect(banner(page)).toBeVisible({ timeout: 15_000 });
  await expect(banner(page)).toContainText(`The project's folder was moved to ${moved} while it was open.`);
  expect((await new AxeBuilder({ page }).include('.strayed').analyze()).violations).toEqual([]);
  for (const [width, height] of [
    [1280, 800],
    [640, 400],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.screenshot({ path: test.info().outputPath(`strayed-${width}.png`) });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  expect(existsSync(folderOf('study'))).toBe(false); // no ghost
  await page.keyboard.press('Escape');
  await banner(page).getByRole('button', { name: 'Open it where it is now' }).click();
  await expect(banner(page)).toBeHidden();
  await expect(page.getByRole('heading', { name: 'moved' })).toBeVisible();
  expect(rankingsIn(moved)).toBe(2);

  await goTo(page, 'Label');
  await expect(page.getByText('study question', { exact: false }).first()).toBeVisible();
  await rankOne(page);
  rmSync(moved, { recursive: true });
  // told though nobody pressed a key
  await expect(banner(page)).toContainText('was moved or deleted while it was open', { timeout: 15_000 });
  await banner(page).getByRole('button', { name: 'Save a copy…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Save a copy of what is open' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill('saved');
  await page.screenshot({ path: test.info().outputPath('save-a-copy.png') });
  await dialog.getByRole('button', { name: 'Save the copy and open it' }).click();
  await expect(page.getByRole('heading', { name: 'saved', exact: true })).toBeVisible();
  await expect(banner(page)).toBeHidden();
  expect(rankingsIn(folderOf('saved'))).toBe(3);
  expect(existsSync(moved)).toBe(false);
});

test('an import shows how far it is, and is called off', async ({ page }) => {
  const file = join(home, 'many.jsonl');
  writeFileSync(
    file,
    Array.from({ length: 60_000 }, (_, i) =>
      JSON.stringify({ prompt: `Imported question ${i} about ${(i * 7919) % 1009} coins` }),
    ).join('\n'),
  );
  await page.goto(station.url);
  await goTo(page, 'Data');
  await page
    .getByRole('button', { name: /^import/i })
    .first()
    .click();
  await page.getByLabel('Path').fill(file);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Import', exact: true });
  await expect(dialog.getByRole('button', { name: /^Import 60,000 prompts/ })).toBeEnabled({ timeout: 60_000 });
  await dialog.getByRole('button', { name: /^Import 60,000 prompts/ }).click();
  await expect(dialog.getByText(/of 60,000 rows taken in/)).toBeVisible({ timeout: 30_000 });
  await page.screenshot({ path: test.info().outputPath('importing.png') });
  await dialog.getByRole('button', { name: 'Cancel the import' }).click();
  await expect(dialog.getByRole('alert')).toContainText('was called off: nothing of it is in the project', {
    timeout: 60_000,
  });
  const project = openProject(folderOf('saved'), { write: false });
  expect(countPrompts(project).train).toBe(20);
  project.close();
});

test('a backup is made, listed with what it holds, and put back', async ({ page }) => {
  await page.goto(station.url);
  await goTo(page, 'Settings');
  await page
    .getByRole('button', { name: /backup/i })
    .first()
    .click();
  await page.getByRole('button', { name: 'Make a backup' }).click();
  const backups = page.getByRole('table', { name: 'Backups' });
  await expect(backups.getByRole('row').nth(1)).toContainText('20 prompts, 40 answers, 3 rankings', {
    timeout: 30_000,
  });
  await goTo(page, 'Label');
  await expect(page.getByText('study question', { exact: false }).first()).toBeVisible();
  await rankOne(page);
  expect(rankingsIn(folderOf('saved'))).toBe(4);
  await goTo(page, 'Settings');
  await page
    .getByRole('button', { name: /backup/i })
    .first()
    .click();
  await page.screenshot({ path: test.info().outputPath('backups.png') });
  await backups
    .getByRole('button', { name: /Restore the backup of/ })
    .first()
    .click();
  const dialog = page.getByRole('dialog', { name: 'Restore this backup?' });
  await expect(dialog).toContainText('3 rankings');
  await page.screenshot({ path: test.info().outputPath('restore.png') });
  await dialog.getByRole('button', { name: 'Restore', exact: true }).click();
  await expect(page.getByText(/The project is as it was on/)).toBeVisible({ timeout: 30_000 });
  expect(rankingsIn(folderOf('saved'))).toBe(3);
});
