// A process that works at a project in one of the ways that kills are tried on, and says what it was told is done,
// until it is killed.
//
//   node worker.ts KIND FOLDER SEED

import { writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CallName } from '#core/contract/calls.ts';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Notice } from '#core/contract/messages.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { createRandom } from '#core/random.ts';
import { createService } from '#core/service/service.ts';
import { openProject } from '#core/store/database.ts';
import { listRuns } from '#core/store/runs.ts';
import { importFile, IMPORTS, TRAINING } from './work.ts';
import type { Kind } from './work.ts';

const [kind, folder, seed] = process.argv.slice(2) as [Kind, string, string];
const random = createRandom(Number(seed), 'worker');
/** A line for whoever reads, once what it says is confirmed. */
const say = (...words: unknown[]): void =>
  void writeSync(1, `${words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' ')}\n`);

function startService() {
  let project: string | null = null;
  let ids = 0;
  const service = createService({
    home: join(dirname(folder), 'home'),
    emit: (event, data) => {
      if (event === 'project.changed')
        project = (data as Extract<Notice, { event: 'project.changed' }>['data']).project?.id ?? null;
    },
  });
  return async <T>(call: CallName, args: unknown): Promise<T> => {
    const reply = await service.handle({ id: ++ids, call, args, project });
    if ('fault' in reply) throw new Error(`${call}: ${reply.fault.message}`);
    return reply.result as T;
  };
}

const WORK: Readonly<Record<Kind, () => Promise<void>>> = {
  labelling: async () => {
    const call = startService();
    await call('project.open', { folder });
    say('ready');
    for (;;) {
      const item = (await call<DeskItem | null>('desk.item', { labelerId: 1, queue: 'sequential' }))!;
      const ranks = item.answers.map(({ completionId }) => ({ completionId, rank: 1 + random.integer(4) }));
      await call('desk.draft', { labelerId: 1, itemId: item.itemId, changes: { ranks }, durationMs: 10 });
      await call('desk.submit', { labelerId: 1, itemId: item.itemId, status: 'ranked', durationMs: 20 });
      say('ranked', item.itemId, ranks);
    }
  },
  import: async () => {
    const call = startService();
    await call('project.open', { folder });
    say('ready');
    for (;;) {
      const name = Object.keys(IMPORTS)[random.integer(Object.keys(IMPORTS).length)]!;
      const stamp = `${Date.now()}-${random.integer(1e6)}`;
      const file = importFile(join(dirname(folder), `${stamp}.jsonl`), name, stamp);
      await call('imports.run', { path: file, kind: IMPORTS[name]!.kind, map: {}, split: 'train' });
      say('imported', name, stamp);
    }
  },
  demo: async () => {
    const call = startService();
    say('ready');
    await call('project.create', { folder, demo: true });
    say('made');
    await new Promise((resolve) => setTimeout(resolve, 2000));
  },
  export: async () => {
    const call = startService();
    await call('project.open', { folder });
    say('ready');
    for (let i = 0; ; i++) {
      const path = join(folder, 'exports', `data-${i % 3}.jsonl`);
      await call('data.export', { path, format: 'prompts', options: {} });
      say('exported', path);
      const { path: model } = await call<{ path: string }>('models.export', {
        modelId: 1,
        folder: join(folder, 'exports', `writer-${process.pid}-${i}`),
        format: 'hf-f32',
      }); // a name that is there is refused
      say('model', model);
      await call('project.backup', {});
      say('backup');
    }
  },
  checkpoint: async () => {
    const project = openProject(folder, { write: true });
    say('ready');
    const atWork = () => listRuns(project).find((run) => run.status === 'running' && run.kind === 'reward');
    const before = atWork();
    let id = before?.id; // a new one has its id before it reports
    const listeners = { onReport: (step: number) => say('step', step, (id ??= atWork()!.id)) };
    await (before ? resumeRun(project, before.id, listeners) : startRun(project, 'reward', TRAINING, null, listeners));
    say('ended');
    project.close();
  },
  migration: async () => {
    say('ready');
    openProject(folder, { write: true }).close();
    say('migrated');
  },
};
await WORK[kind]();
