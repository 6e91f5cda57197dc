// Which project a new service opens after a death: the one that was open, unless its opening is what kills services.

import type { AppState } from '#core/contract/app.ts';
import type { CallName } from '#core/contract/calls.ts';
import type { Reply } from '#core/contract/messages.ts';

/** Calls whose answer says which project is open from now on. */
const OPENING: ReadonlySet<string> = new Set<CallName>([
  'project.open',
  'project.create',
  'project.restore',
  'project.saveCopy',
  'project.close',
]);
const MOST_DEATHS = 2;

export interface Reopening {
  /** the folder to open; null for none */
  folder(): string | null;
  /** Notes what an answer of the service says of it. */
  hear(call: string, reply: Reply): void;
  /** A service has died while it opened the project. */
  died(): void;
  /** Another one is up: why the project is not open in it, in a sentence; null where it is, or none was. */
  problem(opened: Reply | null): string | null;
}

export function createReopening(): Reopening {
  let folder: string | null = null;
  let left: string | null = null; // one that is not opened again
  let deaths = 0;
  return {
    folder: () => folder,
    hear: (call, reply) => {
      if ('result' in reply && OPENING.has(call)) folder = (reply.result as AppState).project?.folder ?? null;
    },
    died: () => {
      if (++deaths >= MOST_DEATHS) [left, folder] = [folder, null]; // it may be what kills the service
    },
    problem: (opened) => {
      const stopped = left && `Opening ${left} stopped the service again.`;
      const problem = opened && 'fault' in opened ? opened.fault.message : stopped;
      left = null;
      deaths = 0;
      if (problem) folder = null;
      return problem;
    },
  };
}
