// Times key presses inside the page: to the changed and laid-out document, and to the frame that shows it.
import type { Page } from '@playwright/test';

export interface Times {
  /** keydown → document changed and laid out, ms */ changed: number[];
  /** keydown → the next frame has begun to be shown, ms */ shown: number[];
}

/** Listens from now on; every change of the desk after a key press counts once. */
export async function listenToKeystrokes(page: Page): Promise<void> {
  await page.evaluate(() => {
    const times = { changed: [] as number[], shown: [] as number[] };
    let since: number | null = null;
    addEventListener(
      'keydown',
      (event) => {
        const begun = (since = event.timeStamp); // when the browser received it, so a busy page counts
        requestAnimationFrame(() => {
          const channel = new MessageChannel();
          channel.port1.addEventListener('message', () => times.shown.push(performance.now() - begun));
          channel.port1.start();
          channel.port2.postMessage(null);
        });
      },
      true,
    );
    new MutationObserver(() => {
      if (since === null) return;
      void document.body.offsetHeight; // lay out now
      times.changed.push(performance.now() - since);
      since = null;
    }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    (globalThis as { keystrokes?: typeof times }).keystrokes = times;
  });
}

/** What was measured since the last call. */
export const takeKeystrokes = (page: Page): Promise<Times> =>
  page.evaluate(() => {
    const times = (globalThis as unknown as { keystrokes: Times }).keystrokes;
    return { changed: times.changed.splice(0), shown: times.shown.splice(0) };
  });

export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export const describe = (values: readonly number[]): string =>
  `${values.length} presses, p50 ${quantile(values, 0.5).toFixed(1)}, p95 ${quantile(values, 0.95).toFixed(1)}, max ${Math.max(...values).toFixed(1)} ms`;
