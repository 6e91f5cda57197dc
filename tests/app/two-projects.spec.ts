// Two projects with the same ids and two windows: 500 random switches and key presses, and no write lands where its
// texts were not shown.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { createRandom } from '#core/random.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { listEvents } from '#core/store/events.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { forget, goTo, listenForComplaints, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

const ACTIONS = 500;
const ITEMS = 40;
const ANSWERS = 3;
const NAMES = ['amber', 'blue'] as const;
type Name = (typeof NAMES)[number];
/** A key that went down, and the text that was on the desk then: whose project and which item. */
interface Press {
  at: number;
  key: string;
  shown: string | null;
  side: string;
}

const home = mkdtempSync(join(tmpdir(), 'workstation-'));
const folderOf = (name: Name) => join(home, `${name}.tastemaker`);
let station: Workstation;

/** Both have the prompts 1 to 40, the items 1 to 40 and the completions 1 to 120; only their words differ. */
function makeProject(name: Name): void {
  const project = createProject(folderOf(name));
  const prompts = addPrompts(
    project,
    Array.from({ length: ITEMS }, (_, i) => ({
      text: `${name} question ${i + 1}?`,
      split: 'train' as const,
      source: 'test',
    })),
  );
  const sampling = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 };
  addCompletions(
    project,
    prompts.flatMap((promptId, i) =>
      Array.from({ length: ANSWERS }, (_, j) => ({
        promptId,
        policyId: null,
        text: `${name} answer ${j + 1} to ${i + 1}`,
        tokenIds: [5, 6],
        logprobs: [-0.5, -0.1],
        samplingLogprobs: [-0.5, -0.1],
        finish: 'stop' as const,
        sampling,
        runId: null,
      })),
    ),
  );
  project.close();
}

test.beforeAll(async () => {
  for (const name of NAMES) makeProject(name);
  mkdirSync(join(home, 'settings'));
  writeFileSync(
    join(home, 'settings', 'preferences.json'),
    JSON.stringify({ recent: NAMES.map((name) => ({ folder: folderOf(name), name, openedAt: 1 })) }),
  );
  station = await startWorkstation(['--project', folderOf('amber')], home);
});
test.afterAll(async () => {
  await station?.stop();
  forget(home);
});

/** Notes every key press with what is shown at that moment, before the window hears of it. */
async function recordPresses(page: Page): Promise<void> {
  await page.evaluate(() => {
    const presses: Press[] = [];
    (globalThis as { presses?: Press[] }).presses = presses;
    addEventListener(
      'keydown',
      ({ key }) => {
        const [, name, item] =
          /(amber|blue) question (\d+)\?/.exec(document.querySelector('.desk')?.textContent ?? '') ?? [];
        presses.push({
          at: Date.now(),
          key,
          shown: name ? `${name} ${item}` : null,
          side: document.querySelector('.brand .muted')?.textContent ?? '',
        });
      },
      true,
    );
  });
}
const pressesOf = (page: Page) => page.evaluate(() => (globalThis as unknown as { presses: Press[] }).presses);
const openedIn = async (page: Page) => (await page.locator('.brand .muted').textContent()) as Name;

/** Opens the other project from Home's list, in this window; it is not waited for. */
async function switchIn(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await goTo(page, 'Home');
  const other = NAMES[1 - NAMES.indexOf(await openedIn(page))]!;
  await page
    .getByRole('button', { name: `Open ${other}` })
    .click({ timeout: 2000 })
    .catch(() => undefined); // it may have been opened by the other window just now
}

test(`${ACTIONS} switches and key presses in two windows write nothing of one project into the other`, async ({
  browser,
}) => {
  test.setTimeout(300_000);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const windows = [await context.newPage(), await context.newPage()] as const;
  const complaints = windows.map(listenForComplaints);
  await windows[0].goto(station.url);
  await expect(windows[0].getByRole('heading', { name: 'amber' })).toBeVisible();
  await windows[1].goto(new URL('/#/home', station.url).href);
  for (const page of windows) {
    await expect(page.getByRole('button', { name: 'Open blue' })).toBeVisible();
    await recordPresses(page);
    await goTo(page, 'Label');
  }

  const random = createRandom(14, 'two-projects');
  let switches = 0;
  let notes = 0;
  /** What was typed into a note, by the project that was shown when its typing began. */
  const typed: Record<Name, string[]> = { amber: [], blue: [] };
  for (let action = 0; action < ACTIONS; action++) {
    const page = windows[random.uniform() < 0.7 ? 0 : 1];
    const kind = random.uniform();
    if (kind < 0.05) {
      switches++;
      await switchIn(page);
      if (random.uniform() < 0.5) await goTo(page, 'Label'); // on before it is open
    } else if (kind < 0.09) {
      // the other window opens the other project while keys are pressed in this one
      switches++;
      const switched = switchIn(windows[page === windows[0] ? 1 : 0]);
      for (let i = 0; i < 6; i++)
        await page.keyboard.press(['1', '2', '3', 'ArrowDown', 'f', 'Enter'][random.integer(6)]!);
      await switched;
    } else if (kind < 0.15) {
      await page.keyboard.press('n');
      const shown = (await page.evaluate(() =>
        document.activeElement?.matches('.foot textarea')
          ? (/(amber|blue) question/.exec(document.querySelector('.desk')!.textContent)?.[1] ?? null)
          : null,
      )) as Name | null;
      if (shown) {
        const text = `seen-${shown}-${++notes}.`;
        typed[shown].push(text);
        // half typed
        const switched = random.uniform() < 0.3 ? (switches++, switchIn(windows[page === windows[0] ? 1 : 0])) : null;
        await page.keyboard.type(text);
        await switched;
        await page.keyboard.press('Escape');
      }
    } else if (kind < 0.3) {
      await page.keyboard.press(`Control+${1 + random.integer(7)}`);
    } else if (kind < 0.36) {
      await page.keyboard.press(['Control+z', 'Control+Shift+z', 'u'][random.integer(3)]!);
    } else {
      if (random.uniform() < 0.3) await goTo(page, 'Label');
      await page.keyboard.press(
        ['1', '2', '3', '1', '2', '3', 'j', 'j', 'k', 'f', 'x', 's', 'ArrowRight', 'ArrowLeft', 'Enter', 'Enter'][
          random.integer(16)
        ]!,
      );
    }
  }
  await windows[0].waitForTimeout(1500);
  const presses = (await Promise.all(windows.map(pressesOf))).flat();
  await context.close();
  await station.stop();

  const foreign: string[] = [];
  const written: Record<Name, number> = { amber: 0, blue: 0 };
  for (const name of NAMES) {
    const project = openProject(folderOf(name), { write: false });
    for (const { id, at, kind, detail, undoes } of listEvents(project)) {
      const item = detail['itemId'];
      const before = presses.filter((press) => press.at <= at + 50 && press.at > at - 15_000);
      const made =
        undoes !== null
          ? before.some(({ key, side }) => /^(z|Z|u)$/.test(key) && side === name)
          : before.some(({ shown }) => shown === `${name} ${String(item)}`);
      if (made) written[name]++;
      else foreign.push(`${name}: event ${id}, ${kind} of item ${String(item)}: its texts were not shown`);
    }
    const other = NAMES[1 - NAMES.indexOf(name)]!;
    for (const table of ['drafts', 'rankings', 'events']) {
      const text = JSON.stringify(project.db.prepare(`SELECT * FROM ${table}`).all());
      if (text.includes(`seen-${other}`))
        foreign.push(`${name}: ${table} hold a note that was typed at a text of ${other}`);
    }
    project.close();
  }
  console.log(
    `  ${presses.length} keys, ${switches} switches, ${notes} notes; ${written.amber} and ${written.blue} writes`,
  );
  expect(foreign).toEqual([]);
  expect(switches).toBeGreaterThan(20);
  expect(typed.amber.length + typed.blue.length).toBeGreaterThan(5);
  for (const name of NAMES) expect(written[name]).toBeGreaterThan(20);
  expect(complaints).toEqual([[], []]);
});
