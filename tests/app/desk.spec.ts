// The desk in a real browser with items that are hard to show, at sizes that are hard to show them in; and that nothing
// typed is lost.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { openProject } from '#core/store/database.ts';
import { listRankings } from '#core/store/rankings.ts';
import { HARD_ITEMS, makeDeskProject } from './desk-project.ts';
import { oneWindow } from './one-window.ts';
import { goTo, startWorkstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.use({ actionTimeout: 10_000 });

const home = mkdtempSync(join(tmpdir(), 'desk-'));
const folder = join(home, 'hard.tastemaker');
let page: Page;
oneWindow(
  { viewport: { width: 1280, height: 800 } },
  () => {
    makeDeskProject(folder);
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);

const answers = () => page.locator('section.answer');
async function open(name: keyof typeof HARD_ITEMS): Promise<void> {
  await page.evaluate((id) => (location.hash = `#/label?item=${id}`), Object.keys(HARD_ITEMS).indexOf(name) + 1);
  await expect(page.locator('section.prompt')).toContainText(HARD_ITEMS[name][0]);
  await expect(page.locator('.answer.focused')).toBeFocused();
}
const said = () => page.getByRole('status', { name: 'Ranking' });
const rankings = () => {
  const opened = openProject(folder, { write: false });
  try {
    return listRankings(opened);
  } finally {
    opened.close();
  }
};
const ranksOf = async () => (await page.locator('.answer .rank').allInnerTexts()).map((text) => text.trim());

test('five keys rank four answers, and what was said goes with the item', async () => {
  await open('four');
  for (const key of ['2', '1', '4', '3']) await page.keyboard.press(key);
  expect(await ranksOf()).toEqual(['2', '1', '4', '3']);
  await expect(said()).not.toBeEmpty();
  await page.keyboard.press('Enter');
  await expect(page.locator('section.prompt')).not.toContainText(HARD_ITEMS.four[0]);
  await expect(said()).toBeEmpty();
  await expect.poll(() => rankings().length).toBe(1);
  const [ranking] = rankings();
  expect(ranking!.shownOrder.map((id) => ranking!.ranks.find(({ completionId }) => completionId === id)!.rank)).toEqual(
    [2, 1, 4, 3],
  );
});

test('the last answer takes the place that is left, and is asked for after a tie', async () => {
  await open('arabic');
  for (const key of ['3', '1']) await page.keyboard.press(key);
  expect(await ranksOf()).toEqual(['3', '1', '2']);
  await expect(answers().last()).toBeFocused(); // another digit there is another rank
  await page.keyboard.press('Control+z');
  await expect.poll(ranksOf).toEqual(['3', '–', '–']); // one step gave both
  await page.keyboard.press('3');
  await expect.poll(ranksOf).toEqual(['3=', '–', '3=']);
  for (const left of [
    ['3', '–', '–'],
    ['–', '–', '–'],
  ]) {
    await page.keyboard.press('Control+z');
    await expect.poll(ranksOf).toEqual(left);
  }
  for (const _ of [1, 2]) await page.keyboard.press('k'); // to the first again
});

test('a digit beyond the answers is refused in a word; where digits do not go on, the focus stays', async () => {
  await open('arabic');
  await page.keyboard.press('9');
  await expect(page.locator('.toast')).toContainText('ranks go from 1 to 3');
  expect(await ranksOf()).toEqual(['–', '–', '–']);
  await goTo(page, 'Settings');
  await page.getByRole('button', { name: 'Appearance & desk' }).click();
  await page.getByRole('checkbox', { name: /goes on to the next answer/ }).uncheck();
  await open('arabic');
  await page.keyboard.press('1');
  await page.keyboard.press('2');
  expect(await ranksOf()).toEqual(['2', '–', '–']);
  await page.keyboard.press('0');
  await page.evaluate(() => (location.hash = '#/settings?section=appearance'));
  await page.getByRole('checkbox', { name: /goes on to the next answer/ }).check();
});

test('between two answers there is one scale', async () => {
  await open('two');
  const scale = page.getByRole('radiogroup', { name: 'Which is better, and how sure' });
  await expect(scale.getByRole('radio')).toHaveCount(9);
  await expect(page.getByRole('button', { name: /is better/ })).toHaveCount(0);
  await page.keyboard.press('9');
  await expect(scale.getByRole('radio', { name: 'B much better, 9 of 9' })).toBeChecked();
  expect(await ranksOf()).toEqual(['2', '1']);
  await page.keyboard.press('=');
  await expect(scale.getByRole('radio', { name: /Even/ })).toBeChecked();
});

test('white space around an answer is not shown; letter and ranks stay in sight of a long one; a cut-off one says so', async () => {
  await open('four');
  const [plain, spaced] = await Promise.all(
    ['Green.', 'Yellow'].map((text) => answers().filter({ hasText: text }).locator('.answer-text').boundingBox()),
  );
  expect(spaced!.height).toBeCloseTo(plain!.height, 0);
  await open('long');
  await expect(page.getByText('cut off at 3 tokens')).toHaveCount(1);
  for (const width of [1100, 760, 640, 1280]) {
    await page.setViewportSize({ width, height: 700 });
    const lines = await page
      .locator('.answer .ranks')
      .evaluateAll((all) =>
        all.map((ranks) => new Set(Array.from(ranks.children, (key) => key.getBoundingClientRect().top)).size),
      );
    expect(lines, `digits and "=" at ${width}`).toEqual(lines.map(() => 1));
  }
  await page.evaluate(() => document.querySelector('.answers')!.scrollTo(0, 350));
  const region = (await page.locator('.answers').boundingBox())!;
  const heads = await page
    .locator('.answer .head')
    .evaluateAll((all) => all.map((head) => head.getBoundingClientRect().top));
  expect(heads.filter((top) => Math.abs(top - region.y) < 2).length).toBeGreaterThan(0);
});

test('Arabic goes from right to left, and the caret goes by words where there are no spaces', async () => {
  await open('arabic');
  const text = page.locator('.answer-text').first();
  expect(await text.evaluate((element) => getComputedStyle(element).direction)).toBe('rtl');
  expect(await page.locator('section.prompt .said').evaluate((element) => getComputedStyle(element).direction)).toBe(
    'rtl',
  );
  await open('chinese');
  await page.keyboard.press('m');
  for (let i = 0; i < 2; i++) await page.keyboard.press('Shift+ArrowRight');
  const picked = await page.locator('.picked').allInnerTexts();
  expect(picked.join('').length).toBeGreaterThan(0);
  expect(picked.join('').length).toBeLessThan(7);
  await page.keyboard.press('Escape');
});

test('Markdown is drawn where it is wanted, and is plain text where it is marked', async () => {
  await open('markdown');
  await expect(page.locator('.answers .markdown')).toHaveCount(0);
  await page.keyboard.press('v');
  const drawn = page.locator('.answers .markdown');
  await expect(drawn).toHaveCount(1);
  await expect(drawn.locator('strong')).toHaveText('water');
  await expect(drawn.locator('li')).toHaveCount(4);
  await page.locator('section.answer', { has: page.locator('.markdown') }).focus();
  await page.keyboard.press('m');
  await expect(drawn).toHaveCount(0);
  await page.keyboard.press('Escape');
  await page.keyboard.press('v');
});

test('guidelines that are being written outlive Escape, another screen and a reload', async () => {
  await open('four');
  await page.keyboard.press('g');
  await page.getByRole('button', { name: 'Write guidelines…' }).click();
  await page.keyboard.type('# Rules\n\n- **short** wins');
  await page.keyboard.press('Escape');
  await expect(page.getByText('A draft of yours is not saved.')).toBeVisible();
  await goTo(page, 'Home');
  await page.reload();
  await open('four');
  await page.getByRole('button', { name: 'Go on writing' }).click();
  await expect(page.getByRole('textbox', { name: /New version/ })).toHaveValue('# Rules\n\n- **short** wins');
  await page.keyboard.press('Control+Enter');
  const panel = page.getByRole('complementary', { name: 'Guidelines' });
  await expect(panel.locator('strong')).toHaveText('short');
  await expect(page.getByText('A draft of yours is not saved.')).toHaveCount(0);
  await page.keyboard.press('g');
});

test('the history opens what was ranked, which can be changed', async () => {
  await open('long');
  await page.keyboard.press('h');
  const panel = page.getByRole('complementary', { name: 'What you have ranked' });
  await expect(panel).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(panel).toHaveCount(0);
  await page.keyboard.press('h');
  await expect(panel.getByRole('button', { name: /Name a colour/ })).toContainText('B > A > D > C');
  await panel.getByRole('button', { name: /Name a colour/ }).click();
  await expect(page.locator('section.prompt')).toContainText(HARD_ITEMS.four[0]);
  expect(await ranksOf()).toEqual(['2', '1', '4', '3']);
  await page.keyboard.press('3');
  await page.keyboard.press('Enter');
  await expect(panel.getByRole('button', { name: /Name a colour/ })).toContainText('B > A = D > C');
  expect(rankings()).toHaveLength(1);
  await page.keyboard.press('h');
});

test('at 640 × 400 everything that ends an item can be reached, and nothing lies on the note', async () => {
  await page.setViewportSize({ width: 640, height: 400 });
  for (const name of ['four', 'long', 'two', 'arabic'] as const) {
    await open(name);
    for (const control of [
      page.getByRole('button', { name: /^Submit/ }),
      page.getByRole('button', { name: /^Skip/ }),
      page.getByRole('textbox', { name: 'Note on this item' }),
    ]) {
      const box = (await control.boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(640);
      expect(box.y + box.height).toBeLessThanOrEqual(400);
      const covered = await control.evaluate((element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        return [0.1, 0.5, 0.9].some(
          (part) => !element.contains(document.elementFromPoint(left + part * width, top + height / 2)),
        );
      });
      expect([name, covered]).toEqual([name, false]);
    }
    const focused = (await page.locator('.answer.focused .answer-text').boundingBox())!;
    const foot = (await page.locator('.foot').boundingBox())!;
    expect(foot.y - focused.y).toBeGreaterThan(20); // at least a line of the answer is in sight
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(640);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('every screen works in 640 × 400: nothing is wider than the window', async () => {
  await page.setViewportSize({ width: 640, height: 400 });
  for (const hash of [
    '#/home',
    '#/label',
    '#/data',
    '#/models',
    '#/train',
    '#/inspect',
    '#/settings',
    '#/settings?section=appearance',
    '#/settings?section=shortcuts',
    '#/settings?section=hardware',
  ]) {
    await page.evaluate((to) => (location.hash = to), hash);
    await expect(page.getByRole('main').getByRole('heading').first()).toBeAttached();
    await page.waitForTimeout(200);
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll('main button, main input, main select, main textarea')]
        .filter((element) => {
          const { right, width } = element.getBoundingClientRect();
          return (
            width > 0 &&
            right > innerWidth + 1 &&
            element.checkVisibility() &&
            !element.closest('.visually-hidden, [class*=scroll], .table, pre')
          );
        })
        .map(
          (element) =>
            `${element.tagName} ${element.getAttribute('aria-label') ?? element.textContent?.trim().slice(0, 30) ?? ''}`,
        ),
    );
    expect([hash, wide]).toEqual([hash, []]);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('rows that are selected with Shift are not painted as selected text', async () => {
  await page.evaluate(() => (location.hash = '#/data'));
  const rows = page.locator('.virtual [data-index]');
  await rows.nth(0).click();
  await rows.nth(3).click({ modifiers: ['Shift'] });
  await expect(page.locator('.virtual [aria-selected=true]')).toHaveCount(4);
  expect(await page.evaluate(() => getSelection()?.toString() ?? '')).toBe('');
});

test('a settings field keeps what is typed, however late the answer to an earlier save comes', async () => {
  await page.evaluate(() => (location.hash = '#/settings'));
  const labels = page.getByRole('textbox', { name: 'Mark labels' });
  await labels.fill('bad');
  await labels.blur();
  await labels.focus();
  await page.keyboard.press('End');
  await page.keyboard.type('\npleading');
  await page.waitForTimeout(300);
  await expect(labels).toHaveValue('bad\npleading');
  await labels.blur();
  await page.reload();
  await expect(page.getByRole('textbox', { name: 'Mark labels' })).toHaveValue('bad\npleading');
});

test('Escape on typed text asks first, and the palette finds what removes by its other name', async () => {
  await page.evaluate(() => (location.hash = '#/home'));
  await page.getByRole('button', { name: 'New project…' }).first().click();
  await page.keyboard.type('my summaries');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('alert')).toContainText('What you typed here would be lost.');
  await page.keyboard.press('Enter'); // goes on
  await expect(page.getByRole('textbox', { name: 'Name' })).toHaveValue('my summaries');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Throw it away' }).click();
  await expect(page.getByRole('dialog')).toHaveCount(0);

  await page.keyboard.press('Control+k');
  await page.keyboard.type('delete');
  await expect(page.getByRole('option').filter({ hasText: 'Remove what is selected' })).toBeVisible();
  await page.keyboard.press('Control+a');
  await page.keyboard.type('import');
  await page.keyboard.press('Enter'); // an action of another screen
  await expect(page).toHaveURL(/#\/data/);
  await expect(page.getByRole('listbox', { name: 'Files and folders' })).toBeVisible();
  await page.keyboard.press('Escape'); // the picker, then the dialog it belongs to
  await expect(page.getByRole('dialog')).toHaveCount(1);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('a project is closed from the menu of projects', async () => {
  await page.locator('.status').getByRole('button', { name: 'Project: hard' }).click();
  await page.getByRole('menuitem', { name: 'Close hard' }).click();
  await expect(page.getByRole('heading', { name: 'Teach a language model your taste' })).toBeVisible();
});
