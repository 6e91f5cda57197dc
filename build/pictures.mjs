// Makes the pictures of README and guide: the real application on the demo project, labelled, trained and inspected in
// Chromium.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';
import { findChromium } from './chromium.mjs';
import { ensureBuiltOrSay } from './bundles.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'docs/guide/pictures');
const SIZE = { width: 1280, height: 800 };
const MINUTES = 60_000;

/** Starts `tastemaker serve` on a fresh demo; resolves to its address. */
async function serve(home) {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'core/cli/main.ts'), 'serve', '--demo', '--no-open', '--json'],
    {
      cwd: home,
      env: { ...process.env, HOME: home, USER: 'ada', LOGNAME: 'ada', TASTEMAKER_HOME: join(home, 'Tastemaker') },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const line = await new Promise((found) => createInterface(child.stdout).once('line', found));
  return { child, url: JSON.parse(line).url };
}

async function main() {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium on the PATH: the pictures are taken with it.');
  if (!(await ensureBuiltOrSay(root))) process.exit(1);
  mkdirSync(folder, { recursive: true });
  const home = mkdtempSync(join(tmpdir(), 'pictures-'));
  const { child, url } = await serve(home);
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage({ viewport: SIZE, colorScheme: 'light', reducedMotion: 'reduce' });
    page.setDefaultTimeout(MINUTES);
    await page.goto(url);
    const picture = async (name) => {
      await page.waitForTimeout(600); // toasts and charts settle
      await page.screenshot({ path: join(folder, `${name}.png`) });
      console.log(`docs/guide/pictures/${name}.png`);
    };
    await take(page, picture);
  } finally {
    await browser.close();
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await ended;
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The walk of docs/guide, with a picture at each of its stations. */
async function take(page, picture) {
  const go = (n) => page.keyboard.press(`Control+${n}`);
  const keys = async (...list) => {
    for (const key of list) await page.keyboard.press(key);
    await page
      .getByRole('status', { name: 'Saved mark' })
      .filter({ hasText: /^Saved/ })
      .waitFor();
  };
  await page
    .getByText(/^Next:/)
    .first()
    .waitFor();
  await go(2);
  await page.getByRole('combobox', { name: 'Labeler', exact: true }).selectOption('New labeler…');
  await page.getByLabel('Name of the labeler').fill('Ada');
  await page.keyboard.press('Enter');
  await page.locator('.answer.focused').waitFor();
  await page.waitForTimeout(500);
  for (let i = 0; i < 12; i++) {
    const count = await page.locator('section.answer').count(); // equal texts are one answer
    await keys(...Array.from({ length: count }, (_, n) => String(n + 1)));
    await page.keyboard.press('Enter');
    await page.locator('.answer .rank.given').first().waitFor({ state: 'detached' });
  }
  while ((await page.locator('section.answer').count()) !== 4) {
    await page.keyboard.press('ArrowRight');
    await page.waitForTimeout(300);
  }
  await keys('m', 'Shift+ArrowRight', 'Shift+ArrowRight', 'Shift+ArrowRight', '1');
  await keys('Escape', '2', '1', '2', '4');
  await picture('label');
  await keys('Enter');

  await go(5);
  await page
    .getByText(/Has 1,\d+ rankings/)
    .first()
    .waitFor({ timeout: 5 * MINUTES }); // the simulated labelers have ranked
  await picture('train');
  await go(1);
  await picture('home');
  await go(5);
  const card = (name) => page.getByRole('region', { name }).or(page.getByRole('article', { name })).first();
  await card(/reward model/i)
    .getByRole('button', { name: /^train/i })
    .click();
  await page.locator('.uplot').first().waitFor();
  await page
    .getByText('done', { exact: true })
    .first()
    .waitFor({ timeout: 5 * MINUTES });
  await picture('reward');
  await go(5);
  await card(/ppo/i)
    .getByRole('button', { name: /^train/i })
    .click();
  await page
    .locator('.uplot')
    .first()
    .waitFor({ timeout: 5 * MINUTES });
  await page
    .getByText('done', { exact: true })
    .first()
    .waitFor({ timeout: 8 * MINUTES });
  await picture('ppo');
  await page
    .getByRole('tab', { name: /samples/i })
    .or(page.getByRole('button', { name: /^samples/i }))
    .first()
    .click();
  await page.getByRole('slider').first().press('End');
  await picture('samples');

  await go(6);
  await page.getByRole('columnheader', { name: 'KL' }).getByRole('button').click();
  await page.getByRole('row').nth(2).click();
  await page.locator('.token').first().waitFor();
  await page
    .getByRole('radio', { name: 'ln π − ln π_ref' })
    .click({ trial: false })
    .catch(() => {});
  await picture('inspect');
  await go(4);
  await page.getByRole('row', { name: /ppo/i }).first().click();
  await picture('models');
  await go(3);
  await page.getByLabel('Search prompts').fill('my boss');
  await page.getByRole('listbox').getByRole('option').nth(2).click();
  await picture('data');
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await go(2);
  await page.locator('.answer.focused').waitFor();
  await picture('label-dark');
}

await main();
