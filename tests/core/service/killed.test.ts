// The service process is killed with SIGKILL at 50 random moments of a labelling session: what it had said is saved is
// there.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Rank } from '#core/contract/rankings.ts';
import type { Reply, Request } from '#core/contract/messages.ts';
import { createRandom } from '#core/random.ts';
import { checkProject, openProject } from '#core/store/database.ts';
import { getDraft } from '#core/store/drafts.ts';
import { listMarks } from '#core/store/marks.ts';
import { listRankings } from '#core/store/rankings.ts';
import { deskWorld } from './desk-world.ts';

const KILLS = 50;

/** One service process; `call` rejects when it dies before the answer. */
function startService(home: string) {
  const child = fork(resolve('core/service/main.ts'), [], {
    env: { ...process.env, TASTEMAKER_HOME: home },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, { done: (result: unknown) => void; failed: (error: Error) => void }>();
  let ids = 0;
  let project: string | null = null;
  child.on('message', (message: Reply) => {
    const found = waiting.get(message.id);
    waiting.delete(message.id);
    if (found && 'fault' in message) found.failed(new Error(`fault: ${message.fault.message}`));
    else if (found && 'result' in message) {
      project = (message.result as AppState | null)?.project?.id ?? project;
      found.done(message.result);
    }
  });
  const exited = new Promise<void>((done) =>
    child.once('exit', () => {
      for (const { failed } of waiting.values()) failed(new Error('killed'));
      waiting.clear();
      done();
    }),
  );
  return {
    exited,
    kill: () => child.kill('SIGKILL'),
    call: <T>(call: string, args: unknown) =>
      new Promise<T>((done, failed) => {
        if (!child.connected) return failed(new Error('killed'));
        waiting.set(++ids, { done: done as (result: unknown) => void, failed });
        child.send({ id: ids, call, args, project } satisfies Request, (error) => error && failed(new Error('killed')));
      }),
  };
}

test(`${KILLS} kills lose no ranking, draft or mark that was confirmed`, async () => {
  const place = mkdtempSync(join(tmpdir(), 'killed-service-'));
  const folder = join(place, 'study.tastemaker');
  const { project, labelerId } = deskWorld(folder, { prompts: 5000 });
  project.close();
  const random = createRandom(7, 'kills');
  /** itemId → what was confirmed */
  const rankings = new Map<number, Rank[]>();
  const drafts = new Map<number, Rank[]>();
  const marks = new Map<number, number>();
  let killedWhileAnswering = 0;

  for (let kill = 0; kill < KILLS; kill++) {
    const service = startService(join(place, 'home'));
    const state = await service.call<AppState>('project.open', { folder });
    expect(state.project?.name).toBe('study');
    const within = random.uniform() * 400;
    let timer: NodeJS.Timeout | undefined; // from the first ranking on, however slow the machine is
    try {
      for (;;) {
        const item = await service.call<DeskItem | null>('desk.item', { labelerId, queue: 'sequential' });
        const ranks: Rank[] = [];
        for (const { completionId } of item!.answers) {
          ranks.push({ completionId, rank: 1 + random.integer(4) });
          await service.call('desk.draft', {
            labelerId,
            itemId: item!.itemId,
            changes: { ranks: [...ranks] },
            durationMs: 10,
          });
          drafts.set(item!.itemId, [...ranks]);
        }
        const { completionId } = item!.answers[0]!;
        const { markId } = await service.call<{ markId: number }>('marks.add', {
          completionId,
          labelerId,
          start: 0,
          end: 6,
          label: 'good',
          note: null,
        });
        marks.set(markId, completionId);
        await service.call('desk.submit', { labelerId, itemId: item!.itemId, status: 'ranked', durationMs: 20 });
        rankings.set(item!.itemId, ranks);
        drafts.delete(item!.itemId);
        timer ??= setTimeout(service.kill, within);
      }
    } catch (error) {
      if ((error as Error).message !== 'killed') throw error; // never a fault: whatever lies in the file is whole
      killedWhileAnswering++;
    }
    clearTimeout(timer);
    await service.exited;
  }

  const after = openProject(folder, { write: false });
  try {
    expect(checkProject(after)).toEqual([]);
    const found = new Map(listRankings(after, { labelerId }).map((ranking) => [ranking.itemId!, ranking]));
    const bySize = (ranks: readonly Rank[]) => [...ranks].sort((a, b) => a.completionId - b.completionId);
    for (const [itemId, ranks] of rankings) {
      expect(bySize(found.get(itemId)?.ranks ?? []), `item ${itemId}`).toEqual(bySize(ranks));
    }
    // an answer may have been lost on its way back: at most the one call that each kill interrupted
    expect(found.size - rankings.size).toBeLessThanOrEqual(KILLS);
    const known = new Set(listMarks(after, { labelerId }).map(({ id }) => id));
    for (const id of marks.keys()) expect(known.has(id)).toBe(true);
    for (const [itemId, ranks] of drafts) {
      if (found.has(itemId)) continue; // its submission was in the file, only the answer was lost
      expect(getDraft(after, itemId, labelerId)!.ranks.length).toBeGreaterThanOrEqual(ranks.length);
    }
    expect(killedWhileAnswering).toBe(KILLS);
    expect(rankings.size).toBeGreaterThan(KILLS); // or the kills came too early to mean anything
    console.log(`${KILLS} kills: ${rankings.size} rankings, ${marks.size} marks confirmed, all there`);
  } finally {
    after.close();
    rmSync(place, { recursive: true, force: true });
  }
}, 300_000);
