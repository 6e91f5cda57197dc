// Other people's files by the dialogs, in a real browser: conversations come in as turns and go out again, a model is
// written for others.
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { openProject } from '#core/store/database.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { oneWindow } from './one-window.ts';
import { makeRankedDemo } from './ranked-demo.ts';
import { goTo, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.setTimeout(180_000);
test.use({ actionTimeout: 20_000 });

let station: Workstation, page: Page;
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'tiny-tldr.tastemaker');
const exportsFolder = () => join(folder, 'exports');

interface Turn {
  role: string;
  content: string;
}
interface Pair {
  prompt: Turn[];
  chosen: Turn[];
  rejected: Turn[];
}
const said = (role: string, content: string): Turn => ({ role, content });
const CONVERSATIONS: Pair[] = Array.from({ length: 6 }, (_, i) => ({
  prompt: [
    said('system', 'You water the plants of a lighthouse.'),
    said('user', `How is fern number ${i + 1}?`),
    said('assistant', 'Thirsty.'),
    said('user', 'What will you do,\nand when?'),
  ],
  chosen: [said('assistant', `Give it ${i + 2} cups tonight.`)],
  rejected: [said('assistant', 'Nothing, it is a stone.')],
}));

oneWindow(
  { viewport: { width: 1100, height: 700 } },
  async () => {
    await makeRankedDemo(folder);
    return startWorkstation(['--project', folder], home);
  },
  (started, first) => ([station, page] = [started, first]),
);

test('conversations come in through the dialog, by the format they are recognised as, and are shown turn by turn', async () => {
  const file = join(station.home, 'talks.jsonl');
  writeFileSync(
    file,
    [...CONVERSATIONS.map((row) => JSON.stringify(row)), JSON.stringify({ ...CONVERSATIONS[0]!, chosen: [] })]
      .map((line) => `${line}\n`)
      .join(''),
  );
  await goTo(page, 'Data');
  await page
    .getByRole('button', { name: /^import/i })
    .first()
    .click();
  await page.getByLabel('Path').fill(file);
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Import', exact: true });
  await expect(dialog.getByRole('combobox', { name: /^Format of/ })).toContainText('TRL, conversations (recognised)');
  await expect(dialog.getByRole('button', { name: 'Rankings' })).toHaveAttribute('aria-pressed', 'true');
  const turns = dialog.getByRole('list', { name: 'Conversation' }).first().getByRole('listitem');
  await expect(turns).toHaveText([
    /^System\s*You water the plants/,
    /^User\s*How is fern number 1/,
    /^Assistant\s*Thirsty/,
    /^User\s*What will you do/,
  ]);
  await expect(dialog).not.toContainText('"role"');
  await expect(dialog.getByText('line 7')).toBeVisible();
  await dialog.getByRole('button', { name: 'Import 6 rows, leave out 1' }).click();
  await expect(dialog.getByText('6 rows came in.')).toBeVisible();
  await expect(dialog.getByText('Added 6 prompts, 12 answers and 6 rankings.')).toBeVisible();
  await dialog.getByRole('button', { name: 'Done' }).click();

  await page.getByLabel('Search prompts').fill('fern number 3');
  await expect(page.getByText('1 prompt', { exact: true })).toBeVisible();
  await page.getByRole('listbox', { name: 'Prompts' }).getByRole('option').first().click();
  const shown = page
    .getByRole('region', { name: 'The chosen prompt' })
    .getByRole('list', { name: 'Conversation' })
    .getByRole('listitem');
  await expect(shown).toHaveCount(4);
  await expect(shown.nth(1)).toContainText('How is fern number 3?');
});

test('the desk shows a conversation turn by turn, and its keys work as ever', async () => {
  const project = openProject(folder, { write: false });
  // the newest of a conversation came in by the dialog
  const talks = new Set(listPrompts(project).flatMap(({ id, messages }) => (messages ? [id] : [])));
  const itemId = listRankings(project).findLast(
    ({ itemId, promptId }) => itemId !== null && talks.has(promptId),
  )!.itemId!;
  project.close();
  await goTo(page, 'Label');
  const labeler = page.getByRole('combobox', { name: 'Labeler', exact: true });
  await labeler.selectOption('New labeler…');
  await page.getByLabel('Name of the labeler').fill('Ada');
  await page.keyboard.press('Enter');
  // until then it is the desk of whoever was there before
  await expect(labeler.locator('option:checked')).toHaveText('Ada');
  await expect(page.locator('.answer.focused')).toBeVisible({ timeout: 60_000 });
  await page.evaluate((item) => {
    location.hash = `#/label?item=${item}`;
  }, itemId);
  await expect(
    page.getByRole('region', { name: 'Prompt' }).getByRole('list', { name: 'Conversation' }).getByRole('listitem'),
  ).toHaveCount(4, { timeout: 30_000 });
  await expect(page.locator('section.answer')).toHaveCount(2);
  await page.keyboard.press('1');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('2');
  await expect(page.getByRole('status', { name: 'Saved mark' })).toHaveText(/^Saved/);
});

test('the same conversations go out again as TRL reads them', async () => {
  await goTo(page, 'Data');
  await page.getByRole('button', { name: /^export/i }).click();
  const dialog = page.getByRole('dialog', { name: 'Export', exact: true });
  await dialog.getByRole('radio', { name: 'TRL, conversations' }).check();
  await expect(dialog.getByText('Pairs with their whole conversation')).toBeVisible();
  await dialog.getByRole('combobox', { name: 'Of a ranking' }).selectOption('the best against the worst');
  await dialog.getByLabel('File name').fill('talks-again.jsonl');
  await dialog.getByRole('button', { name: 'Export', exact: true }).click();
  await expect(dialog.getByText(/[\d,]+ rows? written/)).toBeVisible({ timeout: 60_000 });
  await dialog.getByRole('button', { name: 'Done' }).click();
  const rows = readFileSync(join(exportsFolder(), 'talks-again.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Pair);
  const ours = rows.filter(({ prompt }) => prompt[0]?.content === CONVERSATIONS[0]!.prompt[0]!.content);
  expect(ours.map(({ prompt, chosen, rejected }) => ({ prompt, chosen, rejected }))).toEqual(CONVERSATIONS);
});

test('a model is written as a folder for other programs, and what does not fit it says why', async () => {
  await goTo(page, 'Models');
  await page.getByRole('row', { name: /^base/ }).first().click();
  await page.getByRole('button', { name: 'Export…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Export base' });
  await expect(dialog.getByRole('radio', { name: /^LoRA adapter/ })).toBeDisabled();
  await dialog.getByRole('radio', { name: /BF16/ }).check();
  await dialog.getByRole('button', { name: 'Export', exact: true }).click();
  await expect(dialog.getByText('The model is written')).toBeVisible({ timeout: 60_000 });
  const folder = await dialog.locator('.path').innerText();
  expect(folder.startsWith(exportsFolder())).toBe(true);
  expect(readdirSync(folder)).toEqual(
    expect.arrayContaining(['README.md', 'config.json', 'model.safetensors', 'tokenizer.json']),
  );
  const { tensors } = readSafetensors(join(folder, 'model.safetensors'));
  expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['BF16']));
  await dialog.getByRole('button', { name: 'Done' }).click();
});
