// Runs in a real browser: the table by mouse and keyboard, notes that stay, deleting, freeing disk, comparing, charts
// and their pictures.
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { openProject } from '#core/store/database.ts';
import { listPolicies } from '#core/store/policies.ts';
import { notedOf } from '#core/store/run-facts.ts';
import { listRuns } from '#core/store/runs.ts';
import { writeSmallModel } from '#tests/core/service/projects-at-hand.ts';
import { makeRunsProject } from './runs-project.ts';
import { oneWindow } from './one-window.ts';
import { startWorkstation } from './workstation.ts';

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folder = join(home, 'runs.tastemaker');
let page: Page;

oneWindow(
  { viewport: { width: 1280, height: 900 } },
  () => {
    makeRunsProject(folder, 60);
    return startWorkstation(['--project', folder], home);
  },
  (_, first) => (page = first),
);

const open = async (hash: string) => void (await page.evaluate((to) => (location.hash = to), hash));
const table = () => page.getByRole('table', { name: 'Runs' });
const names = () => table().getByRole('row').getByRole('link').allTextContents();
const read = <T>(of: (project: ReturnType<typeof openProject>) => T): T => {
  const project = openProject(folder, { write: false });
  try {
    return of(project);
  } finally {
    project.close();
  }
};
const wrongForAxe = async (): Promise<string[]> =>
  (
    await new AxeBuilder({ page })
      .setLegacyMode()
      .options({ resultTypes: ['violations'] })
      .analyze()
  ).violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)}`);

test('the table sorts by any column, filters, and shows the columns of one’s choice, again after a reload', async () => {
  await open('#/train');
  await expect(table()).toHaveAttribute('aria-rowcount', '68');
  await expect(table().getByText('gold 1.06 ± 0.24')).toHaveCount(0); // further down
  await page.getByLabel('Search runs').fill('cheats');
  await expect(table().getByRole('row')).toHaveCount(2);
  expect(await names()).toEqual(['greedy']);
  await expect(table().getByText('gold 1.06 ± 0.24')).toBeVisible();
  await expect(table().getByText('5.4 ± 0.24 at 15')).toBeVisible();
  await page.getByLabel('Search runs').fill('');
  await page.getByLabel('Recipe', { exact: true }).selectOption('reward');
  expect(await names()).toEqual(['reward']);
  await expect(table().getByText('validation_accuracy 74.1 % (70 to 78)')).toBeVisible();
  await page.getByRole('button', { name: 'Show all' }).click();
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('dialog', { name: 'Columns' }).getByLabel('held_out_kl', { exact: true }).check();
  await page.keyboard.press('Escape');
  await table().getByRole('button', { name: 'held_out_kl' }).click();
  await expect(table().getByRole('columnheader', { name: 'held_out_kl' })).toHaveAttribute('aria-sort', 'descending');
  expect((await names())[0]).toBe('greedy'); // 40 updates went furthest
  await page.reload();
  await expect(table().getByRole('columnheader', { name: 'held_out_kl' })).toBeVisible();
});

test('keys walk over the runs, tick them and open one; two ticked ones are compared with the settings that differ', async () => {
  await open('#/train');
  await page.getByLabel('Search runs').fill('ppo');
  await table().getByRole('button', { name: 'Run' }).click();
  await table().getByRole('link', { name: 'careful' }).focus();
  await page.keyboard.press('Space');
  await page.keyboard.press('ArrowDown');
  await expect(table().getByRole('link', { name: 'greedy' })).toBeFocused();
  await page.keyboard.press('Space');
  await page.keyboard.press('End');
  await expect(table().getByRole('link', { name: 'sweep 60' })).toBeFocused();
  await page.getByRole('button', { name: 'Compare 2 runs' }).click();
  await expect(page).toHaveURL(/train\/0003-ppo\?with=0004-ppo/);
  await expect(page.getByText('2 settings differ')).toBeVisible();
  await expect(page.getByRole('row', { name: 'beta' }).getByRole('cell')).toHaveText(['0.05', '0']);
  await expect(page.getByRole('row', { name: 'updates' }).getByRole('cell')).toHaveText(['20', '40']);
  await expect(page.getByRole('rowheader', { name: 'learning rate' })).toHaveCount(0);
  await page.getByRole('button', { name: 'gold: log y axis' }).scrollIntoViewIfNeeded();
  await page.getByRole('figure', { name: 'gold', exact: true }).getByTitle('Large').click();
  await expect(page.getByRole('dialog').getByText('careful')).toBeVisible();
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+5'); // its key goes from the page of a run to the list of all
  await expect(page).toHaveURL(/#\/train$/);
});

test('measurements are quoted as measured, reward and score are one chart where they are the same, and the warning leads to the samples', async () => {
  await open('#/train/0004-ppo');
  await expect(page.getByText('the gold score fell from 5.4 ± 0.24 to 1.06 ± 0.24')).toBeVisible();
  await expect(page.getByRole('figure', { name: 'reward = score' })).toHaveCount(1);
  await expect(page.getByRole('figure', { name: 'gold', exact: true }).getByText('± 0.24')).toBeVisible();
  await expect(page.getByRole('figure', { name: 'gold', exact: true }).getByText('smoothed')).toHaveCount(0);
  await page.getByRole('link', { name: 'Read the samples after update 15' }).click();
  await expect(page.getByRole('tab', { name: 'Samples', selected: true })).toBeVisible();
  await expect(page.getByRole('slider')).toHaveAttribute('aria-valuetext', /update 20/);
});

test('the picture of a chart is wide and has its title, legend and axes', async ({ browser }) => {
  await open('#/train/0004-ppo?with=0003-ppo');
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'gold: save as PNG' }).click(),
  ]);
  const png = readFileSync(await saved.path());
  expect(png.readUInt32BE(16)).toBeGreaterThanOrEqual(1600);
  expect(png.readUInt32BE(20)).toBeGreaterThanOrEqual(900);
  const blank = await browser.newPage(); // the window itself loads nothing from a data address
  const inked = await blank.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height);
    const ink = canvas.getContext('2d')!;
    ink.drawImage(image, 0, 0);
    const rows = (from: number, to: number) => {
      const { data: pixels } = ink.getImageData(0, from, image.width, to - from);
      const colours = new Set<string>();
      for (let i = 0; i < pixels.length; i += 4) colours.add(`${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`);
      return colours.size;
    };
    return {
      title: rows(20, 50),
      legend: rows(95, 120),
      plot: rows(200, 700),
      along: rows(image.height - 45, image.height - 10),
    };
  }, png.toString('base64'));
  await blank.close();
  for (const [part, colours] of Object.entries(inked)) expect(colours, part).toBeGreaterThan(3);
});

test('every recipe shows what it made', async () => {
  await open('#/train/0001-sample?tab=drawn');
  await expect(page.getByText('24 samples', { exact: true })).toBeVisible();
  await open('#/train/0001-sample');
  await expect(page.getByRole('region', { name: 'Numbers' }).getByText('812')).toBeVisible();
  await expect(page.locator('.uplot')).toHaveCount(0); // no chart of one dot
  await open('#/train/0002-reward?tab=rankings');
  await expect(page.getByText('0 % of the pairs as the labeler did')).toBeVisible();
  await expect(page.getByText('−0.40')).toBeVisible();
  await open('#/train/0006-score');
  await expect(page.getByRole('link', { name: /24 scored samples/ })).toBeVisible();
  await expect(page.getByRole('link', { name: /^Next: / })).toBeVisible(); // as Home has it
  await open('#/train/0004-ppo?tab=manifest');
  await expect(page.getByRole('heading', { name: /not the defaults/ })).toBeVisible();
});

test('a note and tags stay; a note that is being written is not lost by leaving', async () => {
  await open('#/train/0003-ppo');
  await page.getByLabel('Add a tag').fill('seed 1');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('list', { name: 'Tags' })).toContainText('seed 1');
  await page.getByLabel('Note', { exact: true }).fill('keeps its head');
  await page.getByRole('link', { name: '‹ Train' }).click();
  await page.getByLabel('Search runs').fill('careful');
  await expect(table().getByText('keeps its head')).toBeVisible();
  await expect
    .poll(() => read((project) => notedOf(project, '0003-ppo')))
    .toEqual({ note: 'keeps its head', tags: ['keep', 'seed 1'] });
});

test('weights of a look become a model where they are chosen', async () => {
  for (const step of [8, 12]) {
    const look = join(folder, 'runs/0003-ppo/looks', String(step));
    await writeSmallModel(look);
    const made = { run: '0003-ppo', step, steps: 20, metrics: { held_out_score: 1.25, held_out_kl: 3 }, kept: 'look' };
    writeFileSync(join(look, 'made.json'), JSON.stringify(made));
  }
  await open('#/train');
  await open('#/train/0003-ppo');
  const other = page.getByRole('combobox', { name: 'Keep other weights as a model' });
  await expect(other.getByRole('option')).toHaveText([
    'Keep other weights…',
    'update 8: score 1.25, KL 3.00',
    'update 12: score 1.25, KL 3.00',
  ]);
  await other.selectOption('12');
  await expect(page.getByText('Its weights of update 12 are the model “careful-12” now.')).toBeVisible();
  await expect(other.getByRole('option')).toHaveCount(2);
  expect(read((project) => listPolicies(project).map(({ path }) => path))).toContain('runs/0003-ppo/looks/12');
});

test('freeing disk says what it takes and keeps what a resumption needs', async () => {
  await open('#/train');
  await page.getByRole('button', { name: /on disk…$/ }).click();
  const dialog = page.getByRole('dialog', { name: 'Free disk' });
  await expect(dialog.getByText(/nothing needs any more/)).toBeVisible();
  await dialog.getByRole('button', { name: /^Free [\d.]+ MB$/ }).click();
  await expect(dialog.getByRole('button', { name: 'Nothing to free' })).toBeDisabled();
  await page.keyboard.press('Escape');
  expect(existsSync(join(folder, 'runs/0004-ppo/checkpoints/0000020.safetensors'))).toBe(false);
  expect(existsSync(join(folder, 'runs/0002-reward/model/model.safetensors'))).toBe(true);
});

test('deleting says what goes, and takes it', async () => {
  await open('#/train/0001-sample');
  await page.getByRole('button', { name: 'Delete…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete “samples of base”?' });
  await expect(dialog.getByText('21 samples')).toBeVisible();
  await expect(dialog.getByText('3 samples that somebody has judged stay')).toBeVisible();
  await expect(dialog.getByRole('button', { name: 'Keep it' })).toBeFocused();
  await dialog.getByRole('button', { name: /^Delete and free/ }).click();
  await expect(page).toHaveURL(/#\/train$/);
  await expect.poll(() => read((project) => listRuns(project).length)).toBe(66);
  await expect(table()).toHaveAttribute('aria-rowcount', '67');
  await table().getByLabel('Tick sweep 60').check();
  await table().getByLabel('Tick sweep 59').check();
  await page.getByRole('button', { name: 'Delete…' }).click();
  await page
    .getByRole('dialog', { name: 'Delete 2 runs?' })
    .getByRole('button', { name: /^Delete and free/ })
    .click();
  await expect.poll(() => read((project) => listRuns(project).length)).toBe(64);
});

test('nothing is wrong for assistive technology, light or dark, wide or narrow', async () => {
  for (const [width, height] of [
    [1280, 800],
    [640, 400],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const hash of [
        '#/train',
        '#/train/0004-ppo?with=0003-ppo',
        '#/train/0002-reward',
        '#/train/0002-reward?tab=rankings',
        '#/train/0004-ppo?tab=manifest',
      ]) {
        await open(hash);
        await page.waitForTimeout(600);
        expect({ hash, width, scheme, wrong: await wrongForAxe() }).toEqual({ hash, width, scheme, wrong: [] });
      }
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
});
