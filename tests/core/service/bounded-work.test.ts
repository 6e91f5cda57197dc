// Costly work beside the service: so many processes and threads at once, the same question shared, the rest in turn.
import fs from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { runAside } from '#core/service/aside.ts';
import { onceInBackground } from '#core/service/background.ts';
import { createTurns } from '#core/service/turns.ts';
import { createProject } from '#core/store/database.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();

/** The processes that this one has started and that have not ended. */
function children(): number {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
        return (
          Number(stat[1]) === process.pid &&
          stat[0] !== 'Z' &&
          fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('aside-process')
        );
      } catch {
        return false; // ended meanwhile
      }
    }).length;
}
/** The most that there were at once while `work` was at work. */
async function mostDuring(work: Promise<unknown>): Promise<number> {
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, children())), 15);
  try {
    await work;
  } finally {
    clearInterval(watch);
  }
  return most;
}

test.skipIf(process.platform !== 'linux')(
  'forty checks of a project are one process, and those of many projects two at once (skipped: reads /proc)',
  async () => {
    const folders = Array.from({ length: 6 }, () => {
      const project = createProject(fresh());
      project.close();
      return project.folder;
    });
    const same = Promise.all(Array.from({ length: 40 }, () => runAside('check', folders[0]!)));
    expect(await mostDuring(same)).toBe(1);
    expect((await same).every(({ problems }) => problems.length === 0)).toBe(true);
    const different = Promise.all(folders.map((folder) => runAside('check', folder)));
    expect(await mostDuring(different)).toBe(2);
    const again = runAside('check', folders[0]!);
    expect(again).not.toBe(same); // a later question is a new one
    await again;
  },
);

test('a failure is shared, and gives its turn back', async () => {
  for (let i = 0; i < 5; i++)
    await expect(Promise.all([runAside('check', '/nowhere'), runAside('check', '/nowhere')])).rejects.toThrow(
      'There is no project at /nowhere',
    );
});

test('ten looks at once are all answered', async () => {
  const looks = Array.from({ length: 10 }, (_, i) =>
    onceInBackground('look', { place: `tests/fixtures/reference/models/${i % 2 ? 'gpt2' : 'nothing'}` }).then(
      (found) => found.length,
      (error: Error) => error.message,
    ),
  );
  const told = await Promise.all(looks);
  expect(told.filter((one) => one === 1)).toHaveLength(5);
  expect(told.filter((one) => String(one).includes('There is no file or folder'))).toHaveLength(5);
});

test('turns: never more than so many, in order, given back once, and left by whoever is called off', async () => {
  const turns = createTurns(2);
  const order: number[] = [];
  let atWork = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const giveBack = await turns.take();
      order.push(i);
      most = Math.max(most, ++atWork);
      await wait(1);
      atWork--;
      giveBack();
      giveBack();
    }),
  );
  expect([most, order]).toEqual([2, Array.from({ length: 20 }, (_, i) => i)]);

  const held = [await turns.take(), await turns.take()];
  const off = new AbortController();
  const called = turns.take(off.signal);
  const after = turns.take();
  off.abort(new Error('called off'));
  await expect(called).rejects.toThrow('called off');
  await expect(turns.take(off.signal)).rejects.toThrow('called off');
  held[0]!();
  (await after)();
  held[1]!();
  for (const giveBack of [await turns.take(), await turns.take()]) giveBack();
});
