// `npm start` as a newcomer types it: an address within ten seconds, a page that says what this is, the demo behind one
// button, and nothing in the browser's console.
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { forget, listenForComplaints } from './workstation.ts';

test('prints an address within ten seconds; the start page explains and opens the demo, and the console stays clean', async ({
  page,
}) => {
  const home = mkdtempSync(join(tmpdir(), 'start-'));
  const started = performance.now();
  const child = spawn(process.execPath, ['build/start.mjs', 'start', '--no-open'], {
    env: { ...process.env, HOME: home, TASTEMAKER_HOME: join(home, 'settings') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await new Promise<string>((found, failed) => {
      let said = '';
      child.stdout.on('data', (text: Buffer) => {
        const address = /http:\/\/127\.0\.0\.1:\d+\/#token=\S+/.exec((said += text.toString()))?.[0];
        if (address) found(address);
      });
      child.once('exit', (code) => failed(new Error(`it ended with ${code}: ${said}`)));
    });
    const seconds = (performance.now() - started) / 1000;
    console.log(`  the address after ${seconds.toFixed(1)} s`);
    expect(seconds).toBeLessThan(10);
    const complaints = listenForComplaints(page);
    await page.goto(url);
    await expect(page.getByRole('heading', { name: 'Teach a language model your taste' })).toBeVisible();
    await expect(page.getByText('simulated labelers, not yours')).toBeVisible();
    for (const way of ['Open the demo: Tiny TL;DR', 'New project…', 'Open…'])
      await expect(page.getByRole('button', { name: way })).toBeVisible();
    await page.getByRole('button', { name: 'Open the demo: Tiny TL;DR' }).click();
    await expect(page.getByRole('heading', { name: 'tiny-tldr' })).toBeVisible({ timeout: 30_000 });
    await expect(page.getByText(/^Next:/).first()).toBeVisible();
    for (let screen = 1; screen <= 7; screen++) {
      await page.keyboard.press(`Control+${screen}`);
      await page.waitForTimeout(300);
    }
    expect(complaints).toEqual([]);
  } finally {
    const ended = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await ended;
    forget(home);
  }
});
