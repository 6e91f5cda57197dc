// One workstation and one window for all tests of a file, each of which goes on where the one before it stopped.
import { expect, test } from '@playwright/test';
import type { BrowserContextOptions, Page } from '@playwright/test';
import { forget, listenForComplaints } from './workstation.ts';
import type { Workstation } from './workstation.ts';

/**
 * Starts it before the tests, hands it to `opened` when the first page is drawn, and ends it with its home after them;
 * a test fails in which the browser complains.
 */
export function oneWindow(
  options: BrowserContextOptions,
  start: () => Promise<Workstation>,
  opened: (station: Workstation, page: Page) => void,
): void {
  let station: Workstation | undefined, page: Page | undefined;
  let complaints: string[] = [];
  test.beforeAll(async ({ browser }) => {
    station = await start();
    page = await browser.newPage(options);
    complaints = listenForComplaints(page);
    await page.goto(station.url);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    opened(station, page);
  });
  test.afterAll(async () => {
    await page?.close();
    await station?.stop();
    if (station) forget(station.home);
  });
  test.afterEach(() => expect(complaints.splice(0)).toEqual([]));
}
