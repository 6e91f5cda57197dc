// Every screen and dialog for people who do not see it as drawn, or use no mouse: axe in light and dark, the Tab order,
// dialogs that keep and give back the focus, no motion where none is wanted, nothing that jumps.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { forget, goTo, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.use({ actionTimeout: 10_000 });

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
let station: Workstation, page: Page;

test.beforeAll(async ({ browser }) => {
  mkdirSync(join(home, 'settings'));
  writeFileSync(join(home, 'settings', 'preferences.json'), '{"theme": ');
  const rows = [
    '{"prompt": "What is the best colour?", "completion": "Green."}',
    '{"prompt": "What is the best colour?"}',
  ];
  writeFileSync(join(home, 'answers.jsonl'), `${rows.join('\n')}\n`);
  const said = (role: string, content: string) => ({ role, content });
  writeFileSync(
    join(home, 'talks.jsonl'),
    JSON.stringify({
      prompt: [said('system', 'Be brief.'), said('user', 'Why?')],
      chosen: [said('assistant', 'So.')],
      rejected: [said('assistant', '')],
    }),
  );
  station = await startWorkstation(['--demo'], home);
  const context = await browser.newContext({
    viewport: { width: 1100, height: 700 },
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  page = await context.newPage();
  await page.goto(station.url);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
});
test.afterAll(async () => {
  await page?.context().close();
  await station?.stop();
  forget(home);
});

interface Finding {
  where: string;
  rule: string;
  target: string;
  why: string;
}

/** All rules as it is now, and the contrast once more in the dark; minor findings are left to the eye. */
async function look(where: string): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme });
    const rules =
      scheme === 'dark'
        ? { runOnly: ['color-contrast'] }
        : { rules: { 'label-content-name-mismatch': { enabled: true }, 'target-size': { enabled: true } } };
    const there = await page.evaluate(() => 'axe' in window); // half a megabyte that need not be read again
    const axe = new AxeBuilder({ page, ...(there && { axeSource: 'void 0' }) })
      .setLegacyMode()
      .options({ ...rules, resultTypes: ['violations'] });
    for (const { id, impact, nodes } of (await axe.analyze()).violations) {
      if (impact !== 'minor')
        found.push(
          ...nodes.map((node) => ({
            where: `${where}, ${scheme}`,
            rule: `${impact} ${id}`,
            target: node.target.join(' '),
            why: node.failureSummary ?? '',
          })),
        );
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return found;
}
const open = async (hash: string) => {
  await page.evaluate((to) => (location.hash = to), hash);
  await expect(page.getByRole('main').getByRole('heading').first()).toBeVisible();
};
const button = (name: string | RegExp) => page.getByRole('button', { name }).first();
const dialog = (name: string | RegExp) => page.getByRole('dialog', { name });
const answers = () => page.locator('section.answer');
async function pickPath(path: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Path' }).fill(path);
  await page.keyboard.press('Enter');
}
async function close(): Promise<void> {
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
}

test('damaged preferences are said once', async () => {
  await expect(page.locator('.toast', { hasText: 'Your preferences were damaged' })).toHaveCount(1);
  expect(await look('home with a message')).toEqual([]);
  await page.reload();
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
});

test('while runs begin, report and end, what is around their numbers stands still', async () => {
  await open('#/train');
  await expect(page.locator('.status .run')).toBeVisible();
  await page.evaluate(() => {
    const moved: string[] = [];
    type Shift = PerformanceEntry & {
      sources: { node: Node | null; previousRect: DOMRectReadOnly; currentRect: DOMRectReadOnly }[];
    };
    const place = ({ x, y, width, height }: DOMRectReadOnly) => [x, y, width, height].map(Math.round).join(' ');
    const watch = new PerformanceObserver((list) => {
      for (const { node, previousRect, currentRect } of (list.getEntries() as Shift[]).flatMap(
        ({ sources }) => sources,
      )) {
        const at = node instanceof Element ? node : node?.parentElement;
        if (previousRect.width === 0) continue; // it has only now come to be, as the line of the next run does
        // a longer or shorter number; its edge may be rounded to another pixel
        if ((node instanceof Text || at?.matches('.num')) && Math.abs(previousRect.right - currentRect.right) < 1.5)
          continue;
        if (at?.closest('.side, .status, .list'))
          moved.push(`${at.className} “${at.textContent}”: ${place(previousRect)} → ${place(currentRect)}`);
      }
    });
    watch.observe({ type: 'layout-shift' });
    Object.assign(window, { whatMoved: () => (watch.disconnect(), moved) });
  });
  // from the demo's first run into the second, whose number of steps is known when it has begun
  await expect(page.locator('.list')).toContainText(/prompt [\d,]+ \/ 1,\d{3}/, { timeout: 90_000 });
  await page.waitForTimeout(2500);
  const moved = await page.evaluate(() => (window as unknown as { whatMoved(): string[] }).whatMoved());
  expect(moved).toEqual([]);
});

test('axe finds nothing on the screens', async () => {
  const found: Finding[] = [];
  await open('#/label');
  await expect(answers().nth(1)).toBeVisible({ timeout: 60_000 });
  found.push(...(await look('label')));
  await page.keyboard.press('g');
  await page.keyboard.press('m');
  await page.keyboard.press('Shift+ArrowRight');
  await expect(page.getByRole('toolbar', { name: 'Mark' })).toBeVisible();
  found.push(...(await look('label with guidelines, marking')));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await page.keyboard.press('g');

  await open('#/data');
  await page.getByRole('listbox', { name: 'Prompts' }).getByRole('option').nth(2).click();
  await expect(page.getByRole('region', { name: 'The chosen prompt' }).getByText(/Prompt \d+ ·/)).toBeVisible();
  found.push(...(await look('data')));
  await open('#/models');
  await expect(page.getByRole('heading', { name: 'Try it' })).toBeVisible();
  found.push(...(await look('models')));
  await open('#/train?recipe=pretrain');
  await expect(page.getByRole('article', { name: /pre-training/i })).toBeVisible();
  await expect(page.locator('article.named')).toContainText(/pre-train/i);
  found.push(...(await look('train')));
  for (const [part, title] of [
    ['charts', 'Charts'],
    ['drawn', 'Samples'],
    ['log', 'Log'],
    ['manifest', 'Settings'],
  ]) {
    await open(`#/train/0001-sample?tab=${part}`);
    await expect(page.getByRole('tab', { name: title, selected: true })).toBeVisible();
    if (part === 'drawn') await expect(page.getByRole('list', { name: 'Samples by prompt' })).toBeVisible();
    found.push(...(await look(`run, ${part}`)));
  }
  await open('#/inspect');
  await page.getByRole('row').nth(3).click();
  await expect(page.getByRole('group', { name: /token by token/ })).toBeVisible();
  found.push(...(await look('inspect, tokens')));
  await button('Side by side').click();
  await expect(page.getByRole('region', { name: 'Completions side by side' })).toBeVisible();
  found.push(...(await look('inspect, side by side')));
  await button(/^Inside/).click();
  await expect(page.getByRole('region', { name: /through the layers/ })).toBeVisible({ timeout: 60_000 });
  found.push(...(await look('inspect, inside')));
  for (const section of ['general', 'appearance', 'shortcuts', 'hardware', 'data', 'logs', 'about']) {
    await open(`#/settings?section=${section}`);
    if (section === 'hardware') {
      await expect(page.getByRole('group', { name: 'Compute on' })).toBeVisible({ timeout: 60_000 });
      await page
        .locator('main details')
        .evaluateAll((all) => all.forEach((each) => ((each as HTMLDetailsElement).open = true)));
      await expect(button('Add a folder…')).toBeVisible();
    }
    if (section === 'about') {
      await page.getByText('Third-party notices').click();
      await expect(page.locator('details pre')).toContainText('onnxruntime-node 1.');
    }
    found.push(...(await look(`settings, ${section}`)));
  }
  await page.keyboard.press('Control+b');
  await expect(page.locator('.side.folded')).toBeVisible();
  found.push(...(await look('folded sidebar')));
  await page.keyboard.press('Control+b');
  expect(found).toEqual([]);
});

test('axe finds nothing in the dialogs', async () => {
  const found: Finding[] = [];
  await open('#/data');
  await button(/^Import/).click();
  await expect(page.getByRole('listbox', { name: 'Files and folders' })).toBeVisible();
  found.push(...(await look('file picker')));
  await pickPath(join(home, 'talks.jsonl'));
  await expect(dialog('Import').getByRole('list', { name: 'Conversation' })).toBeVisible();
  found.push(...(await look('import of conversations')));
  await close();
  await button(/^Import/).click();
  await pickPath(join(home, 'answers.jsonl'));
  await dialog('Import').getByRole('button', { name: 'Completions' }).click();
  await expect(dialog('Import').getByText('line 2')).toBeVisible();
  found.push(...(await look('import with errors')));
  await close();
  await button(/^Export/).click();
  await dialog('Export').getByRole('radio', { name: 'OpenAI 2019, token ids' }).check();
  await expect(dialog('Export').getByText('Answers a row')).toBeVisible();
  found.push(...(await look('export of data')));
  await close();
  await button(/^Divide/).click();
  found.push(...(await look('divide')));
  await close();
  await page.getByRole('listbox', { name: 'Prompts' }).getByRole('option').nth(2).click();
  await button('Delete…').click();
  await expect(dialog(/^Delete/).getByRole('button', { name: 'Delete', exact: true })).toBeEnabled();
  found.push(...(await look('delete')));
  await close();
  await button('Changes…').click();
  await expect(dialog('Changes of the data')).toBeVisible();
  found.push(...(await look('changes')));
  await close();
  await open('#/models');
  await button(/^Export/).click();
  await expect(dialog(/^Export/).getByRole('radio', { name: 'ONNX' })).toBeEnabled();
  found.push(...(await look('export of a model')));
  await close();
  await button(/^Add a model/).click();
  await pickPath(resolve('resources/demo/base'));
  await button(/^Choose (?!a )/).click();
  await expect(dialog('Add a model').getByRole('cell', { name: 'config.json' })).toBeVisible();
  found.push(...(await look('add a model')));
  await close();
  await open('#/train');
  await button(/^SFT|^Supervised.*settings/i).click();
  await dialog(/settings/)
    .locator('summary', { hasText: 'What learns' })
    .click();
  await dialog(/settings/)
    .locator('summary', { hasText: 'Optimisation' })
    .click();
  found.push(...(await look('settings of a recipe')));
  await close();
  await open('#/inspect');
  await page.getByRole('row').nth(3).click();
  await button('Numbers…').click();
  await expect(dialog(/Numbers/)).toBeVisible();
  found.push(...(await look('inspect, numbers')));
  await close();
  await button(/^Ask for a ranking/).click();
  found.push(...(await look('ask for a ranking')));
  await close();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('combobox', { name: 'Command' })).toBeFocused();
  found.push(...(await look('palette')));
  await close();
  await page.keyboard.press('?');
  found.push(...(await look('keys')));
  await close();
  await page
    .locator('.status')
    .getByRole('button', { name: /Labeler/ })
    .click();
  await expect(page.getByRole('menu')).toBeVisible();
  found.push(...(await look('labeler menu')));
  await page.keyboard.press('Escape');
  expect(found).toEqual([]);
});

/**
 * Walks the page by Tab from its beginning until it comes round; says which controls it never met, met out of order, or
 * met without a ring.
 */
async function walk(): Promise<{ missed: string[]; backwards: string[]; ringless: string[]; stops: number }> {
  await page.evaluate(() => {
    const CONTROLS = 'a[href], button, input, select, textarea, summary, [tabindex]';
    const seen: Element[] = [];
    const ringless: Element[] = [];
    const nameOf = (at: Element) =>
      `${at.tagName.toLowerCase()}.${at.className} ${at.getAttribute('aria-label') ?? at.textContent?.trim().slice(0, 40) ?? ''}`;
    const ring = (at: Element) => {
      for (let up: Element | null = at; up && up !== at.parentElement?.parentElement; up = up.parentElement) {
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(up);
        if ((outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2) || boxShadow.includes('0px 0px 0px 2px'))
          return true;
      }
      return false;
    };
    let done = false;
    const step = ({ target }: Event) => {
      const at = target as Element;
      done ||= seen.includes(at); // round once
      if (done) return;
      seen.push(at);
      if (!ring(at)) ringless.push(at);
    };
    const sum = () => {
      const shown = (at: Element) =>
        at.checkVisibility({ visibilityProperty: true }) &&
        !(at as HTMLButtonElement).disabled &&
        (at as HTMLElement).tabIndex >= 0;
      // of radio buttons, tabs and the answers on the desk one is met; arrows go on from there
      const missed = [...document.querySelectorAll(CONTROLS)].filter(
        (at) => shown(at) && !seen.includes(at) && !at.matches('input[type=radio], section.answer, [role=tablist]'),
      );
      const backwards = seen.filter(
        (at, i) => i > 0 && !(seen[i - 1]!.compareDocumentPosition(at) & Node.DOCUMENT_POSITION_FOLLOWING),
      );
      return {
        missed: missed.map(nameOf),
        backwards: backwards.map(nameOf),
        ringless: ringless.map(nameOf),
        stops: seen.length,
      };
    };
    const start = document.createElement('button'); // Tab goes on from where it was
    document.body.prepend(start);
    start.focus();
    start.remove();
    document.addEventListener('focusin', step);
    Object.assign(window, {
      walked: () => (document.removeEventListener('focusin', step), sum()),
      isRound: () => done || (seen.length > 0 && document.activeElement === document.body),
    });
  });
  type Walk = {
    walked(): { missed: string[]; backwards: string[]; ringless: string[]; stops: number };
    isRound(): boolean;
  };
  for (let i = 0; i < 20; i++) {
    for (let each = 0; each < 10; each++) await page.keyboard.press('Tab');
    if (await page.evaluate(() => (window as unknown as Walk).isRound())) break;
  }
  return page.evaluate(() => (window as unknown as Walk).walked());
}

test('Tab reaches every control once, in the order of the page, with a ring around it', async () => {
  await expect(page.locator('.status .run')).toHaveCount(0, { timeout: 60_000 }); // a run's own buttons go with it
  for (const hash of [
    '#/home',
    '#/label',
    '#/data',
    '#/models',
    '#/train',
    '#/train/0001-sample',
    '#/inspect',
    '#/settings',
    '#/settings?section=hardware',
  ]) {
    await open(hash);
    if (hash.endsWith('hardware')) await expect(page.getByRole('group', { name: 'Compute on' })).toBeVisible();
    if (hash === '#/label') await expect(answers().nth(1)).toBeVisible();
    await page.waitForTimeout(300); // what comes after the first answer of the service
    const { stops, ...wrong } = await walk();
    expect({ hash, ...wrong }).toEqual({ hash, missed: [], backwards: [], ringless: [] });
    expect(stops).toBeGreaterThan(10);
  }
});

test('dialogs keep the focus and give it back', async () => {
  const cases: [hash: string, opener: RegExp, title: RegExp][] = [
    ['#/home', /^New project/, /New project/],
    ['#/data', /^Divide/, /Divide the prompts/],
    ['#/data', /^Export/, /^Export$/],
    ['#/train', /Supervised.*settings/i, /settings/],
    ['#/models', /^Remove/, /^Remove/],
    ['#/label', /^Go to…/, /Command palette/],
  ];
  for (const [hash, opener, title] of cases) {
    await open(hash);
    const from = button(opener);
    await from.focus();
    await page.keyboard.press('Enter');
    await expect(dialog(title)).toBeVisible();
    for (const key of [...Array<string>(12).fill('Tab'), ...Array<string>(3).fill('Shift+Tab')]) {
      await page.keyboard.press(key);
      expect(
        await dialog(title).evaluate((box) => box.contains(document.activeElement)),
        `${String(title)} lost the focus at ${key}`,
      ).toBe(true);
    }
    await close();
    await expect(from).toBeFocused();
  }
  await open('#/inspect'); // a popover is left by Tab or Escape
  await button('Numbers…').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Escape');
  await expect(button('Numbers…')).toBeFocused();
});

test('nothing moves where no motion is wanted', async () => {
  await open('#/train');
  const moving = await page.evaluate(() =>
    [...document.querySelectorAll('*')]
      .filter((at) => {
        const { transitionDuration, animationName } = getComputedStyle(at);
        return !/^(0s(, )?)+$/.test(transitionDuration) || animationName !== 'none';
      })
      .map((at) => at.className),
  );
  expect(moving).toEqual([]);
});

test('without a project', async () => {
  await page.keyboard.press('Control+k');
  await page.keyboard.type('close the project');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Teach a language model your taste' })).toBeVisible();
  const found = await look('home without a project');
  await goTo(page, 'Label');
  await expect(page.getByText('No project is open')).toBeVisible();
  found.push(...(await look('label without a project')));
  expect(found).toEqual([]);
});
