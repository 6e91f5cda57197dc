// `npm run dev` in a copy of the sources: a component that is saved changes in the open page, which keeps all it holds.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@playwright/test';
import { forget, listenForComplaints } from './workstation.ts';

const copy = mkdtempSync(join(tmpdir(), 'dev-'));
const TITLE = 'Teach a language model your taste';
let stop = async () => {};
let url = '';

test.beforeAll(async () => {
  for (const name of [
    'build',
    'core',
    'electron',
    'electron.vite.config.ts',
    'package.json',
    'renderer',
    'THIRD-PARTY-NOTICES.txt',
    'tsconfig.base.json',
  ])
    cpSync(name, join(copy, name), { recursive: true });
  for (const name of ['node_modules', 'resources']) symlinkSync(resolve(name), join(copy, name), 'junction');
  const child = spawn(process.execPath, [join(copy, 'build/dev.mjs'), '--no-open', '--json'], {
    cwd: copy,
    env: { ...process.env, TASTEMAKER_HOME: join(copy, 'settings'), HOME: copy },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  stop = async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await ended;
  };
  const line = await new Promise<string>((found, failed) => {
    createInterface(child.stdout).once('line', found);
    child.once('exit', (code) => failed(new Error(`dev ended with ${code}`)));
  });
  ({ url } = JSON.parse(line) as { url: string });
});
test.afterAll(async () => {
  await stop();
  forget(copy);
});

test('a saved component changes in the page, which is not loaded again and speaks to the service', async ({ page }) => {
  const complaints = listenForComplaints(page);
  await page.goto(url);
  await expect(page.getByRole('heading', { name: TITLE })).toBeVisible({ timeout: 60_000 });
  await page.evaluate(() => Object.assign(window, { kept: true }));

  const file = join(copy, 'renderer/views/HomeView.vue');
  writeFileSync(file, readFileSync(file, 'utf8').replace(TITLE, 'Saved a moment ago'));
  await expect(page.getByRole('heading', { name: 'Saved a moment ago' })).toBeVisible({ timeout: 30_000 });
  expect(await page.evaluate(() => 'kept' in window)).toBe(true);

  await page
    .getByRole('link', { name: /settings/i })
    .first()
    .click();
  await page.getByRole('button', { name: 'About' }).click();
  await expect(page.getByText(/^Tastemaker \d+\.\d/)).toBeVisible(); // asked of the service
  await page.getByText('Third-party notices').click();
  await expect(page.locator('details pre')).toContainText('onnxruntime-node 1.');
  expect(complaints).toEqual([]);
});

test('a page from elsewhere is as unwelcome as at the host itself', async ({ request }) => {
  const { origin } = new URL(url);
  const answer = await request.post(`${origin}/session`, { headers: { origin: 'http://example.org' }, data: {} });
  expect(answer.status()).toBe(403);
});
