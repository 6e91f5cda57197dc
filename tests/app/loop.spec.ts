// The whole loop by one person in a real browser: label by keyboard, train, watch, compare, import, add a model, make
// it dark, move a key.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { openProject } from '#core/store/database.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { listMarks } from '#core/store/marks.ts';
import { listRankings } from '#core/store/rankings.ts';
import { oneWindow } from './one-window.ts';
import { goTo, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.setTimeout(420_000);
test.use({ actionTimeout: 20_000 });

let station: Workstation, page: Page;
const project = () => join(station.home, 'tiny-tldr.tastemaker');
/** Reads the project's file beside the service that writes it. */
function read<T>(look: (opened: ReturnType<typeof openProject>, me: number) => T): T {
  const opened = openProject(project(), { write: false });
  try {
    return look(opened, listLabelers(opened).find(({ name }) => name === 'Ada')!.id);
  } finally {
    opened.close();
  }
}
const mine = () => read((opened, me) => listRankings(opened, { labelerId: me }));
const saved = () => page.getByRole('status', { name: 'Saved mark' });
const answers = () => page.locator('section.answer');
/** Something to rank is there; equal texts are one answer, so it may be two, three or four. */
const shown = () => expect(answers().nth(1)).toBeVisible({ timeout: 60_000 });
const itemText = () => page.locator('section.prompt').innerText();

/** A key, and the wait for its commit that a person sees as "Saved". */
async function press(...keys: string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
  await expect(saved()).toHaveText(/^Saved/);
}
/** Types a folder into the file picker and takes it. */
async function pickFolder(folder: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Path' }).fill(folder);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: /^Choose (?!a )/ }).click();
}
/** A key that leaves the item, until the next one is there. */
async function leave(key: string): Promise<void> {
  const before = await itemText();
  await page.keyboard.press(key);
  await expect.poll(itemText).not.toBe(before);
}
/** Enter (or another key that ends an item); the next item is there before the commit, so both are waited for. */
async function next(key = 'Enter'): Promise<void> {
  await leave(key);
  await expect(saved()).toHaveText(/^Saved/);
}
/** On to an item of four different answers; what is passed over stays open. */
async function four(): Promise<void> {
  while ((await answers().count()) !== 4) await leave('ArrowRight');
}

oneWindow(
  { viewport: { width: 1280, height: 800 } },
  () => startWorkstation(),
  (started, first) => ([station, page] = [started, first]),
);

test('twenty items by keyboard alone, with everything a labeler does', async () => {
  await goTo(page, 'Label');
  await page.getByRole('combobox', { name: 'Labeler', exact: true }).selectOption('New labeler…');
  await page.getByLabel('Name of the labeler').fill('Ada');
  await page.keyboard.press('Enter');
  await shown();
  await expect(page.locator('.answer.focused')).toBeFocused();

  // 1: a full ranking, answer by answer, with a confidence
  await four();
  await press('1', '2', '3', '4', 'c', '7');
  await next();
  // 2: ties, by the same digit and by "="
  await four();
  await press('1', '1', '2', '=');
  await next();
  // 3: none acceptable, 4: skipped
  await next('x');
  await next('s');
  // 5: a mark by caret: two tokens, labelled with 1
  await four();
  await press('m', 'Shift+ArrowRight', 'Shift+ArrowRight', '1');
  await press('Escape', '1', '2', '3', '4');
  await next();
  // 6: a note; digits in it are text
  await four();
  await page.keyboard.press('n');
  await page.keyboard.type('1 and 2 say the same');
  await page.keyboard.press('Escape');
  await press('2', '1', '3', '4', 'Alt+ArrowUp');
  await next();

  const rankings = mine();
  expect(rankings.map(({ status }) => status)).toEqual([
    'ranked',
    'ranked',
    'none-acceptable',
    'skipped',
    'ranked',
    'ranked',
  ]);
  expect(rankings[0]).toMatchObject({ confidence: 7 });
  expect(
    rankings[0]!.shownOrder.map((id) => rankings[0]!.ranks.find(({ completionId }) => completionId === id)!.rank),
  ).toEqual([1, 2, 3, 4]);
  expect(
    rankings[1]!.shownOrder.map((id) => rankings[1]!.ranks.find(({ completionId }) => completionId === id)!.rank),
  ).toEqual([1, 1, 2, 2]);
  expect(rankings[5]).toMatchObject({ note: '1 and 2 say the same' });
  expect(read((opened, me) => listMarks(opened, { labelerId: me }))).toHaveLength(1);
});

test('undo goes back over items, redo forward, and both are kept in the file', async () => {
  const before = mine().length;
  const here = await itemText();
  await page.keyboard.press('Control+z'); // takes the sixth submission back and goes there
  await expect.poll(() => mine().length).toBe(before - 1);
  await expect.poll(itemText).not.toBe(here);
  await page.keyboard.press('Control+Shift+z');
  await expect.poll(() => mine().length).toBe(before);
  await goTo(page, 'Home');
  await goTo(page, 'Label');
  await shown();
});

test('a reload in the middle of an item loses nothing', async () => {
  await press('2', '1');
  const [text, ranks] = [await itemText(), await page.locator('.answer .rank').allInnerTexts()];
  await page.reload();
  await shown();
  expect(await itemText()).toBe(text);
  await expect(page.locator('.answer .rank')).toHaveText(ranks);
  await page.keyboard.press('ArrowDown'); // on to the third
});

test('on to twenty', async () => {
  await expect(page.locator('.answer.focused')).toBeFocused();
  while (mine().length < 20) {
    // the item that redo went back to was submitted before: it is replaced
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await press('1', '2', '3', '4');
    await next();
  }
  await expect.poll(() => mine().length).toBe(20);
  await expect(page.getByText(/^20 of \d+/)).toBeVisible();
  await expect(page.getByText(/^session 20 of/)).toBeVisible(); // an item that is submitted again is one
});

test('one click trains a reward model, and its chart moves while labelling goes on', async () => {
  // the demo's own labelers rank the rest as soon as it is sampled
  await expect
    .poll(() => read((opened) => listRankings(opened).length), { timeout: 150_000, intervals: [1000] })
    .toBeGreaterThan(1000);
  await goTo(page, 'Train');
  const card = page
    .getByRole('region', { name: /reward model/i })
    .or(page.getByRole('article', { name: /reward model/i }))
    .first();
  await card.getByRole('button', { name: /^train/i }).click();
  await expect(page).toHaveURL(/train\/\d{4}-reward/);
  await expect(page.locator('.uplot canvas').first()).toBeVisible({ timeout: 60_000 });
  const runUrl = page.url();
  await goTo(page, 'Label');
  await shown();
  const labelled = mine().length;
  for (let i = 0; i < 3; i++) {
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await page.keyboard.press('k');
    await press('1', '2', '3', '4');
    await next();
  }
  await expect.poll(() => mine().length).toBe(labelled + 3);
  await page.goto(runUrl);
  await expect(page.getByRole('main').getByText(/done/i).first()).toBeVisible({ timeout: 150_000 });
});

test('one click tunes with PPO; stop saves, resume goes on to the end; before and after can be compared', async () => {
  await goTo(page, 'Train');
  const card = page
    .getByRole('region', { name: /ppo/i })
    .or(page.getByRole('article', { name: /ppo/i }))
    .first();
  await card.getByRole('button', { name: /^train/i }).click();
  await expect(page).toHaveURL(/train\/\d{4}-ppo/);
  // it waits its turn behind the scoring that follows a reward model
  await expect(page.getByRole('figure', { name: 'gold', exact: true })).toBeVisible({ timeout: 200_000 });
  await expect(page.getByRole('region', { name: 'Numbers' })).toHaveCount(0); // a first point is a chart's
  await expect(page.getByText(/update [3-9]/i).first()).toBeVisible({ timeout: 120_000 });
  await page.getByRole('main').getByRole('button', { name: /pause/i }).click();
  await expect(page.getByText(/paused/i).first()).toBeVisible({ timeout: 30_000 });
  await page
    .getByRole('main')
    .getByRole('button', { name: /resume|go on/i })
    .first()
    .click();
  await page.getByRole('main').getByRole('button', { name: /stop/i }).click();
  await expect(page.getByText(/stopped/i).first()).toBeVisible({ timeout: 60_000 });
  await page
    .getByRole('main')
    .getByRole('button', { name: /resume|go on/i })
    .first()
    .click();
  await expect(page.getByRole('main').getByText(/^done/i).first()).toBeVisible({ timeout: 200_000 });
  await page
    .getByRole('tab', { name: /samples/i })
    .or(page.getByRole('button', { name: /^samples/i }))
    .first()
    .click();
  const slider = page.getByRole('slider').first();
  await slider.press('End');
  await page.getByRole('checkbox', { name: 'differences' }).check();
  await expect(page.locator('ins, del').first()).toBeVisible();
});

test('a table with three bad rows comes in without them, each named by its line, and can be taken back', async () => {
  const file = join(station.home, 'posts.csv');
  const rows = [
    'prompt,reference',
    ...Array.from({ length: 30 }, (_, i) => `"What is ${i} and ${i}, said aloud?",${i + i}`),
  ];
  rows.splice(5, 0, ',nothing asked');
  rows.splice(12, 0, '"  ",blank');
  rows.splice(20, 0, 'one,two,three,four');
  writeFileSync(file, `${rows.join('\n')}\n`);
  await goTo(page, 'Data');
  await page
    .getByRole('button', { name: /^import/i })
    .first()
    .click();
  await page.getByLabel(/path/i).first().fill(file);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Import' });
  await expect(dialog.getByText('line 6')).toBeVisible();
  await expect(dialog.getByText('line 13')).toBeVisible();
  await expect(dialog.getByText('line 21')).toBeVisible();
  await dialog.getByRole('button', { name: 'Import 30 prompts, leave out 3' }).click();
  await expect(dialog.getByText('30 prompts came in.')).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByLabel('Search prompts').fill('said aloud');
  await expect(page.getByText('30 prompts', { exact: true })).toBeVisible();
});

test('a model folder is looked at file by file and comes in', async () => {
  const model = resolve('resources/demo/base');
  await goTo(page, 'Models');
  await page
    .getByRole('button', { name: /add a model/i })
    .first()
    .click();
  await pickFolder(model);
  const dialog = page.getByRole('dialog', { name: 'Add a model' });
  await expect(dialog.getByRole('cell', { name: 'config.json' })).toBeVisible();
  await expect(
    dialog.getByText('Plain prompts begin with their own text, plain answers end with "<|endoftext|>".'),
  ).toBeVisible(); // as `model add` says it
  await dialog.getByLabel('Name in this project').fill('again');
  await dialog.getByRole('button', { name: 'Add the model' }).click();
  await expect(page.getByRole('row', { name: /again/ })).toBeVisible();
  const empty = join(station.home, 'not-a-model');
  mkdirSync(empty);
  writeFileSync(join(empty, 'config.json'), '{');
  await page
    .getByRole('button', { name: /add a model/i })
    .first()
    .click();
  await pickFolder(empty);
  await expect(dialog.getByRole('button', { name: 'Add the model' })).toBeDisabled();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
});

test('dark mode, and a key of one’s own which is refused where another has it', async () => {
  await goTo(page, 'Settings');
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await page.getByRole('button', { name: 'Appearance' }).click();
  await page.getByRole('radio', { name: /^Dark/ }).click();
  await expect.poll(background).not.toBe(light);
  await page.getByRole('button', { name: 'Shortcuts' }).click();
  await page.getByRole('button', { name: 'Change the key of Skip' }).click();
  await page.keyboard.press('x');
  await expect(page.getByText(/is the key of "None is acceptable"/)).toBeVisible();
  await page
    .getByRole('button', { name: 'Change the key of Skip' })
    .filter({ hasText: 'Change' })
    .click({ timeout: 1000 })
    .catch(() => {}); // it may still be listening
  await page.keyboard.press('q');
  await expect(page.getByRole('button', { name: 'Reset the key of Skip' })).toBeVisible();
  await goTo(page, 'Label');
  await shown();
  const count = mine().length;
  await next('q');
  await expect.poll(() => mine().length).toBe(count + 1);
  expect(mine().at(-1)!.status).toBe('skipped');
});
