// A project that is new to this machine, opened in the window: one question on top of every screen, by mouse and by
// keyboard, and its two answers.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { createProject } from '#core/store/database.ts';
import { addRun } from '#core/store/runs.ts';
import { forget, goTo, listenForComplaints, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const sent = (name: string) => join(home, `${name}.tastemaker`);
let station: Workstation;

test.beforeAll(async () => {
  const made = createProject(join(home, 'theirs', 'made.tastemaker'));
  const request = { recipe: 'sft' as const, config: { policy: 'base' }, name: null, queuedAt: 1 };
  addRun(made, { id: '0001-sft', kind: 'sft', name: 'waiting', status: 'queued', request });
  addRun(made, { id: '0002-sft', kind: 'sft', name: 'interrupted', status: 'running', request });
  made.close();
  writeFileSync(join(home, 'private.txt'), 'a private line\n');
  const planted = join(home, 'theirs', 'made.tastemaker', 'runs', '0002-sft');
  mkdirSync(planted);
  symlinkSync(join(home, 'private.txt'), join(planted, 'log.txt'));
  mkdirSync(join(home, 'settings'));
  for (const name of ['first', 'second', 'narrow'])
    cpSync(join(home, 'theirs', 'made.tastemaker'), sent(name), { recursive: true, verbatimSymlinks: true });
  station = await startWorkstation(['--project', sent('first')], home);
});
test.afterAll(async () => {
  await station?.stop();
  forget(home);
});

async function open(page: Page, name: string): Promise<void> {
  await page.keyboard.press('Control+o');
  await page.getByRole('dialog').getByRole('textbox').first().fill(sent(name));
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { level: 1, name })).toBeVisible({ timeout: 10_000 });
}

test('the question is there on every screen until it is answered, and nothing runs meanwhile', async ({ page }) => {
  const complaints = listenForComplaints(page);
  await page.setViewportSize({ width: 1100, height: 700 });
  await page.goto(station.url);
  const question = page.getByRole('region', { name: 'A project that is new to this machine' });
  await expect(question).toContainText(
    'This project is new to this machine. 2 runs in it wait or were interrupted, and are at rest.',
  );
  for (const screen of ['Data', 'Inspect', 'Settings', 'Home'] as const) {
    await goTo(page, screen);
    await expect(question).toBeVisible();
  }
  await goTo(page, 'Train');
  await expect(page.getByRole('table').getByText('at rest', { exact: true })).toHaveCount(2);
  expect(existsSync(join(sent('first'), 'runs', '0001-sft'))).toBe(false);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: join('out', 'test', `new-project-${colorScheme}.png`) });
    expect((await new AxeBuilder({ page }).include('.rest').analyze()).violations).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await question.getByRole('button', { name: 'Let them go on' }).focus();
  await page.keyboard.press('Tab');
  await expect(question.getByRole('button', { name: 'Leave them at rest' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(question).toBeHidden();
  await expect(page.getByRole('table').getByText('stopped, saved', { exact: true })).toHaveCount(2);
  expect(existsSync(join(sent('first'), 'runs', '0001-sft'))).toBe(false);
  await page.reload();
  await expect(page.getByRole('table').getByText('stopped, saved', { exact: true })).toHaveCount(2);
  await expect(question).toBeHidden();
  expect(complaints).toEqual([]);
});

test('let go, they begin; in a small window the question leaves room for the screen', async ({ page }) => {
  await page.setViewportSize({ width: 640, height: 400 });
  await page.goto(station.url);
  await open(page, 'narrow');
  const question = page.getByRole('region', { name: 'A project that is new to this machine' });
  await expect(question).toBeVisible();
  await page.screenshot({ path: join('out', 'test', 'new-project-narrow.png') });
  const { height } = (await question.boundingBox())!;
  expect(height).toBeLessThan(120);
  await goTo(page, 'Train');
  await question.getByRole('button', { name: 'Let them go on' }).click();
  await expect(question).toBeHidden();
  // there is no model in it
  await expect(page.getByRole('table').getByText('failed', { exact: true })).toHaveCount(2, { timeout: 20_000 });
  await page.getByRole('table').getByRole('link', { name: 'interrupted' }).click();
  await expect(page.getByText(/log\.txt is a link, and inside a project no link is followed\./).first()).toBeVisible();
  expect(readFileSync(join(home, 'private.txt'), 'utf8')).toBe('a private line\n');
});
