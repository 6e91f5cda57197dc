// Data, Inspect and Models as a person uses them: titles, search and order, deleting with its undo, a template, samples
// compared, another model's scores, a model tried in several turns.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { addCompletions } from '#core/store/completions.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMarks } from '#core/store/marks.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRankings } from '#core/store/rankings.ts';
import { addRatings } from '#core/store/ratings.ts';
import { FORMATS, writeChatModel } from '#tests/core/recipes/chat-model.ts';
import { oneWindow } from './one-window.ts';
import { goTo, startWorkstation } from './workstation.ts';

test.describe.configure({ mode: 'serial' });
test.use({ actionTimeout: 15_000 });

/** with patience: an import starts a thread for each look at a file */
const seen = expect.configure({ timeout: 20_000 });
const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const SAMPLES = 30;
let page: Page;

/**
 * A demo project whose first validation prompt has many samples, judged by Bob; two models that score; a chat model.
 */
async function seed(folder: string): Promise<void> {
  const project = await createDemoProject(folder, { prompts: 12, validation: 2, heldOut: 3, seed: 4 });
  const [promptId] = addPrompts(project, [
    {
      text: 'SUBREDDIT: r/pets\nTITLE: zebra in my kitchen\nPOST: my sister broke my guitar at the harbour.\nTL;DR:',
      split: 'train',
      source: 'demo',
      facts: { R: 'sister', V: 'broke', O: 'guitar' },
    },
  ]) as [number];
  const texts = Array.from({ length: SAMPLES }, (_, i) =>
    i < 3
      ? 'my sister broke my guitar.'
      : i === 3
        ? 'my sister broke my guitar at the harbour.'
        : `pls help number ${i} please please`,
  );
  const sampling = { temperature: 1, topK: 0, topP: 1, maxNew: 8, seed: 1 };
  const ids = addCompletions(
    project,
    texts.map((text) => ({
      promptId,
      policyId: 1,
      text,
      tokenIds: [5, 6],
      logprobs: [-1, -1],
      samplingLogprobs: [-1, -1],
      finish: 'stop',
      sampling,
      runId: null,
    })),
  );
  const [first, second] = ['reward', 'reward-2'].map((name) =>
    addPolicy(project, { name, kind: 'reward', path: `models/${name}`, parentId: 1 }),
  ) as [number, number];
  setMeasures(
    project,
    ids.map((completionId, i) => ({ completionId, modelId: first, score: i })),
  );
  setMeasures(
    project,
    ids.slice(0, 2).map((completionId, i) => ({ completionId, modelId: second, score: 100 + i })),
  );
  const labelerId = ensureLabeler(project, 'Bob', 'person').id;
  addMarks(project, [{ completionId: ids[3]!, labelerId, start: 3, end: 9, label: 'good', note: 'it is one' }]);
  addRatings(project, [{ completionId: ids[3]!, labelerId, axis: 'accuracy', value: 6 }]);
  addRankings(project, [
    {
      promptId,
      labelerId,
      status: 'ranked',
      ranks: [
        { completionId: ids[3]!, rank: 1 },
        { completionId: ids[9]!, rank: 2 },
      ],
    },
  ]);
  await writeChatModel(join(project.folder, 'models', 'chat'), Object.values(FORMATS)[0]!, { ends: 0.4 });
  addPolicy(project, { name: 'chat', kind: 'base', path: 'models/chat' });
  project.close();
}

oneWindow(
  { viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' },
  async () => {
    const folder = join(home, 'seeded.tastemaker');
    await seed(folder);
    writeFileSync(join(home, 'posts.csv'), 'headline,body,summary\nMy cat,It sleeps.,Cat sleeps.\nMy dog,It barks.,\n');
    writeFileSync(join(home, 'answers.jsonl'), '{"prompt": "Why?", "completion": "So."}\n');
    writeFileSync(join(home, 'picture.png'), Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0]));
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);

const prompts = () => page.getByRole('listbox', { name: 'Prompts' }).getByRole('option');
const details = () => page.getByRole('region', { name: 'The chosen prompt' });
const samples = () => page.locator('.body [role=row]');

test('prompts stand by their titles, are found with what was found marked, and ordered by their heads', async () => {
  await goTo(page, 'Data');
  await seen(prompts().first()).toBeVisible();
  await seen(page.locator('.rows')).not.toContainText('SUBREDDIT');
  await page.getByLabel('Search prompts').fill('harbour zebra');
  await seen(prompts()).toHaveCount(1);
  await seen(prompts().locator('mark')).toHaveText(['zebra', 'harbour'], { ignoreCase: true });
  await page.getByLabel('Search prompts').fill('');
  // what has most answers comes first by itself
  await seen(prompts().first()).toContainText(`zebra in my kitchentrain${SAMPLES}`);
  await page.getByRole('button', { name: /^Answers:/ }).click();
  await seen(prompts().first()).not.toContainText('zebra');
  await page.getByRole('button', { name: /^Answers:/ }).click();
  await seen(prompts().first()).toContainText(`zebra in my kitchentrain${SAMPLES}`);
});

test('what labelers said of an answer is shown with their names, and prompts that have it are found', async () => {
  await page.getByLabel('Judged').selectOption('Has marks');
  await seen(prompts()).toHaveCount(1);
  await prompts().first().click();
  await seen(details().getByRole('list', { name: 'Marks' })).toHaveText(/good “sister” by Bob: it is one/);
  await seen(details().getByRole('list', { name: 'Ratings' })).toHaveText(/accuracy 6 by Bob/);
  await seen(details().getByText('rank 1 by Bob')).toBeVisible();
  await seen(details().locator('mark.good')).toHaveText('sister');
});

test('deleting counts what goes, and is taken back long after its message', async () => {
  await page.keyboard.press('Delete');
  const dialog = page.getByRole('dialog', { name: 'Delete 1 prompt?' });
  await seen(dialog.getByText(`${SAMPLES} answers, 1 ranking, 1 rating and 1 mark go with it.`)).toBeVisible();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await seen(page.getByText('No prompt has marks.')).toBeVisible();
  await page.locator('.toast').getByRole('button', { name: 'Dismiss' }).click();
  await page.reload();
  await page.getByRole('button', { name: 'Changes…' }).click();
  await page.getByRole('button', { name: /^Take back: Deleted 1 prompt with/ }).click();
  await seen(page.getByRole('dialog').getByText('taken back', { exact: true })).toBeVisible();
  await page.keyboard.press('Escape');
  await page.getByLabel('Judged').selectOption('Has marks');
  await seen(prompts()).toHaveCount(1);
  await page.getByLabel('Judged').selectOption('Judged or not');
});

test('Shift and a click select a range and paint no text', async () => {
  await prompts().nth(1).click();
  await prompts()
    .nth(6)
    .click({ modifiers: ['Shift'] });
  await seen(page.getByText('6 selected', { exact: true })).toBeVisible();
  expect(await page.evaluate(() => String(getSelection()))).toBe('');
});

async function importFile(name: string): Promise<void> {
  await page
    .getByRole('button', { name: /^Import/ })
    .first()
    .click();
  await page.getByRole('textbox', { name: 'Path' }).fill(join(home, name));
  await page.keyboard.press('Enter');
}

test('over a dialog neither the palette nor the sheet of keys opens', async () => {
  await page
    .getByRole('button', { name: /^Import/ })
    .first()
    .click();
  await expect(page.getByRole('dialog', { name: 'Choose a file to import' })).toBeVisible();
  for (const key of ['Control+k', 'Control+/']) await page.keyboard.press(key);
  await expect(page.getByRole('dialog', { name: /Command palette|Keyboard shortcuts/ })).toHaveCount(0);
  await page.keyboard.press('Escape'); // the chooser, then the dialog it belongs to
  await expect(page.getByRole('dialog', { name: 'Import', exact: true }).getByText('JSON lines')).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('dialog')).toHaveCount(1);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('dialog', { name: 'Command palette' })).toBeVisible();
  await page.keyboard.press('Control+k');
  await expect(page.getByRole('dialog')).toHaveCount(0);
});

test('prompts come in by a template; answers open as completions; a picture is refused in a sentence', async () => {
  const dialog = page.getByRole('dialog', { name: 'Import', exact: true });
  await importFile('posts.csv');
  await dialog.getByText('Put the prompt together').click();
  await dialog.getByRole('button', { name: '{headline}' }).click();
  await page.keyboard.type(' -- ');
  await dialog.getByRole('button', { name: '{body}' }).click();
  await seen(dialog.getByRole('textbox', { name: 'Template' })).toHaveValue('{headline} -- {body}');
  await seen(dialog.getByRole('cell', { name: 'My cat -- It sleeps.' })).toBeVisible();
  await dialog.getByRole('button', { name: 'Import 2 prompts' }).click();
  await dialog.getByRole('button', { name: 'Done' }).click();
  await page.getByLabel('Search prompts').fill('barks');
  await seen(prompts()).toContainText(['My dog']);
  await page.getByLabel('Search prompts').fill('');

  await importFile('answers.jsonl');
  await seen(dialog.getByRole('button', { name: 'Completions', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await seen(dialog.getByRole('button', { name: 'Import 1 completion' })).toBeEnabled();
  await page.keyboard.press('Escape');
  await importFile('picture.png');
  await seen(dialog.getByText('is a PNG picture.')).toBeVisible();
  await page.keyboard.press('Escape');
});

test('samples are ordered by gold, and by the scores of the model that is chosen', async () => {
  await goTo(page, 'Inspect');
  await seen(samples().first()).toBeVisible();
  await page.getByRole('button', { name: 'Gold' }).click();
  await seen(samples().first()).toContainText('my sister broke my guitar');
  await page.getByRole('button', { name: 'Score', exact: true }).click();
  await seen(samples().first()).toContainText(`pls help number ${SAMPLES - 1}`);
  await page.getByLabel('Score by').selectOption({ label: 'reward-2, 2 scored' });
  await seen(samples().first()).toContainText('101.00');
  await seen(
    page.getByText(`${SAMPLES - 2} of ${SAMPLES} samples lack a score by “reward-2”: it was never asked.`),
  ).toBeVisible();
  await seen(page.getByRole('button', { name: /^Score them/ })).toBeEnabled();
});

test('the text of a sample has the room; side by side the chosen one is in sight and words differ only where asked', async () => {
  const width = (await samples().first().locator('.text').boundingBox())!.width;
  expect(width).toBeGreaterThan(400);
  await page.getByLabel('Score by').selectOption({ label: `reward, current, ${SAMPLES} scored` });
  await samples().nth(20).click();
  await page.getByRole('button', { name: 'Side by side' }).click();
  const side = page.getByRole('region', { name: 'Completions side by side' });
  const first = side.getByRole('article').first();
  await seen(first).toContainText('chosen');
  await seen(first).toBeInViewport();
  await seen(page.getByText(`${SAMPLES - 2} different texts of ${SAMPLES} samples, scored by reward`)).toBeVisible();
  await seen(side.getByText('sampled 3 times')).toBeAttached();
  for (const box of await side
    .getByRole('article')
    .evaluateAll((cards) => cards.map((card) => card.getBoundingClientRect().width)))
    expect(box).toBeGreaterThan(250);
  await seen(side.locator('mark')).toHaveCount(0);
  await page.getByRole('checkbox', { name: /^differences/ }).check();
  await seen(side.locator('mark').first()).toBeVisible();
  await seen(side.getByText('Shares too little with the marked one').first()).toBeAttached();
});

test('at twice the size all of it is still there', async () => {
  await page.setViewportSize({ width: 640, height: 400 });
  await goTo(page, 'Inspect');
  await page.getByLabel('Score by').selectOption({ label: 'reward-2, 2 scored' });
  const score = page.getByRole('button', { name: /^Score them/ });
  const below = async () => {
    const [button, rows] = [(await score.boundingBox())!, (await page.locator('.inspect .list').boundingBox())!];
    return button.y + button.height - rows.y; // both move when the price is known
  };
  await seen.poll(below).toBeLessThanOrEqual(0);
  await page.getByLabel('Score by').selectOption({ label: `reward, current, ${SAMPLES} scored` });
  for (const [screen, list] of [
    ['Inspect', samples()],
    ['Data', prompts()],
  ] as const) {
    await goTo(page, screen);
    await list.first().scrollIntoViewIfNeeded();
    await list.first().click();
    expect((await list.first().boundingBox())!.width, screen).toBeGreaterThan(350);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), screen).toBeLessThanOrEqual(640);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});

test('a model is tried as it is used to being asked, in several turns, and the answers are in sight', async () => {
  await goTo(page, 'Models');
  await page.getByRole('row', { name: /^base/ }).click();
  const panel = page.getByRole('region', { name: 'Try it' });
  const answers = panel.getByRole('list', { name: 'Completions' });
  await seen(panel.getByRole('radio', { name: 'The project’s template' })).toHaveAttribute('aria-checked', 'true');
  await panel.getByRole('textbox', { name: 'title' }).fill('my dog');
  await panel.getByRole('textbox', { name: 'post' }).fill('my dog broke my guitar.');
  await panel.getByRole('button', { name: 'Sample', exact: true }).click();
  await seen(answers.getByRole('listitem')).toHaveCount(2, { timeout: 60_000 });
  await seen(answers.getByRole('listitem').first()).toBeInViewport();
  await panel.getByText('What the model read').click();
  await seen(panel.locator('.read')).toContainText(
    /^SUBREDDIT: \nTITLE: my dog\nPOST: my dog broke my guitar\.\nTL;DR:$/,
  );
  await panel.locator('summary').first().click();
  await panel.getByLabel('May not say').fill('e\na');
  await seen(panel.locator('summary').first()).toContainText('never "e", "a"');
  await panel.getByLabel('Seed').fill('77');
  await panel.getByRole('button', { name: 'Sample', exact: true }).click();
  await seen(panel.getByLabel('Seed')).toHaveValue('78', { timeout: 60_000 }); // it has answered
  const said = answers.getByRole('listitem').locator('p:first-child');
  for (const text of await said.allTextContents()) expect(text.replace('(empty)', '')).not.toMatch(/[ea]/);
  await panel.getByLabel('May not say').fill('');

  await page.getByRole('row', { name: /^chat/ }).click();
  await seen(panel.getByRole('radio', { name: 'Conversation' })).toHaveAttribute('aria-checked', 'true');
  await panel.getByRole('textbox', { name: 'User' }).fill('Where is the ship?');
  await page.keyboard.press('Control+Enter');
  await seen(answers.getByRole('listitem')).toHaveCount(2, { timeout: 60_000 });
  await panel.getByRole('button', { name: 'Go on from completion 1' }).click();
  await seen(panel.getByRole('textbox', { name: 'Assistant' })).toBeVisible();
  await panel.getByRole('textbox', { name: 'User' }).last().fill('Since when?');
  await page.keyboard.press('Control+Enter');
  await seen(answers.getByRole('listitem')).toHaveCount(2, { timeout: 60_000 });
  await panel.getByText('What the model read').click();
  await seen(panel.locator('.read')).toContainText(/Where is the ship\?[^]*Since when\?/);
});
