// A queue of runs on a tiny project, with everything it emitted, and ways to wait for what should happen.

import { createRunQueue } from '#core/service/runs/queue.ts';
import type { QueueOptions, RunQueue } from '#core/service/runs/queue.ts';
import type { EventName, Events } from '#core/contract/events.ts';
import type { RunRow } from '#core/contract/runs.ts';
import type { Project } from '#core/store/project.ts';

export type Heard = { [K in EventName]: { event: K; data: Events[K] } }[EventName];

export interface TestQueue {
  queue: RunQueue;
  heard: Heard[];
  /** every state of a run that was told, in order, without repeats */
  statuses(id: string): string[];
  until(holds: () => boolean, what: string): Promise<void>;
  /** resolves with the row when the run has this status */
  reaches(id: string, ...statuses: RunRow['status'][]): Promise<RunRow>;
}

export const QUICK: QueueOptions = { tickMs: 25, follow: false };

export function openQueue(project: Project, options: QueueOptions = QUICK): TestQueue {
  const heard: Heard[] = [];
  const queue = createRunQueue(project, (event, data) => void heard.push({ event, data } as Heard), options);
  const row = (id: string) => queue.get(id).run;
  async function until(holds: () => boolean, what: string): Promise<void> {
    for (const begun = Date.now(); !holds(); await new Promise((resolve) => setTimeout(resolve, 10))) {
      if (Date.now() - begun > 40_000)
        throw new Error(
          `waited in vain for ${what}: ${JSON.stringify(queue.list().map(({ id, status, phase, error, step }) => ({ id, status, phase, error, step })))}`,
        );
    }
  }
  return {
    queue,
    heard,
    until,
    statuses: (id) =>
      heard
        .flatMap(({ event, data }) =>
          event === 'run.changed' && data.run.id === id ? [data.run.status as string] : [],
        )
        .filter((status, i, all) => status !== all[i - 1]),
    reaches: async (id, ...statuses) => {
      await until(() => statuses.includes(row(id).status), `${id} to be ${statuses.join(' or ')}`);
      return row(id);
    },
  };
}
