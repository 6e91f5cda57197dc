// How quick the desk is in a real browser, at rest and while a run trains on every core; the figures are printed.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { openProject } from '#core/store/database.ts';
import { listRuns } from '#core/store/runs.ts';
import { describe, listenToKeystrokes, quantile, takeKeystrokes } from './keystrokes.ts';
import { makeRankedDemo } from './ranked-demo.ts';
import { forget, goTo, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

const IDLE_MS = 16;
const BUSY_MS = 50;
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'tiny-tldr.tastemaker');
let station: Workstation;
test.beforeAll(async () => {
  await makeRankedDemo(folder);
  station = await startWorkstation(['--project', folder], home);
});
test.afterAll(async () => {
  await station?.stop();
  forget(home);
});

function read<T>(look: (opened: ReturnType<typeof openProject>) => T): T {
  const opened = openProject(folder, { write: false });
  try {
    return look(opened);
  } finally {
    opened.close();
  }
}

async function label(page: Page, items: number): Promise<void> {
  for (let i = 0; i < items; i++) {
    for (const key of ['1', '2', '2', '4', 'c', '6', 'k', 'j', '=', 'Enter']) {
      await page.keyboard.press(key);
      await page.waitForTimeout(25); // as fast as a person's fastest
    }
  }
}

test(`a key press on the desk takes less than ${IDLE_MS} ms at rest and ${BUSY_MS} ms while a run trains, at p95`, async ({
  page,
}) => {
  test.setTimeout(240_000);
  await page.goto(station.url);
  await goTo(page, 'Label');
  await expect(page.locator('.answer.focused')).toBeFocused();
  await listenToKeystrokes(page);
  await label(page, 3); // warm
  await takeKeystrokes(page);

  await label(page, 20);
  const idle = await takeKeystrokes(page);

  await goTo(page, 'Train');
  await page
    .getByRole('region', { name: /fine-tuning/i })
    .or(page.getByRole('article', { name: /fine-tuning/i }))
    .first()
    .getByRole('button', { name: /^train/i })
    .click();
  await expect
    .poll(() => read((opened) => listRuns(opened)[0]), { timeout: 30_000 })
    .toMatchObject({ kind: 'sft', status: 'running' });
  await expect(page.locator('.uplot canvas').first()).toBeVisible({ timeout: 60_000 }); // it trains, no longer prepares
  await goTo(page, 'Label');
  await expect(page.locator('.answer.focused')).toBeFocused();
  await takeKeystrokes(page);
  await label(page, 30);
  const busy = await takeKeystrokes(page);
  expect(read((opened) => listRuns(opened)[0])).toMatchObject({ kind: 'sft', status: 'running' });

  console.log(`  at rest:        changed ${describe(idle.changed)}; shown ${describe(idle.shown)}`);
  console.log(`  while training: changed ${describe(busy.changed)}; shown ${describe(busy.shown)}`);
  expect(idle.changed.length).toBeGreaterThan(150);
  expect(quantile(idle.changed, 0.95)).toBeLessThan(IDLE_MS);
  expect(quantile(busy.shown, 0.95)).toBeLessThan(BUSY_MS);
});
