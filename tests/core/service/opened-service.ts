// A service in this process, with a home folder of its own: calls are typed, faults are thrown, events are kept.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Arguments, CallName, Result } from '#core/contract/calls.ts';
import type { Fault, Notice } from '#core/contract/messages.ts';
import { createService } from '#core/service/service.ts';

export class CallFault extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(`${fault.code}: ${fault.message}`);
    this.fault = fault;
  }
}

export interface OpenedService {
  home: string;
  events: Notice[];
  /** `project`: which one it is meant for; left out, the one that is open as far as events have told. */
  call<K extends CallName>(name: K, args: Arguments<K>, project?: string | null): Promise<Result<K>>;
  /** How many windows look on. */
  watched(windows: number): void;
  /** the id of the open project, as far as events have told */
  project(): string | null;
  /** ends it, and keeps the folder for another one */
  close(): Promise<void>;
  remove(): Promise<void>;
}

export function openedService(home = mkdtempSync(join(tmpdir(), 'tastemaker-service-'))): OpenedService {
  const events: Notice[] = [];
  let opened: string | null = null;
  const service = createService({
    home,
    emit: (event, data, project) => {
      const notice = { event, data, project } as Notice;
      if (notice.event === 'project.changed') opened = notice.data.project?.id ?? null;
      events.push(notice);
    },
  });
  let ids = 0;
  return {
    home,
    events,
    close: service.close,
    watched: service.watched,
    project: () => opened,
    call: async <K extends CallName>(name: K, args: Arguments<K>, project: string | null = opened) => {
      const reply = await service.handle({ id: ++ids, call: name, args, project });
      if ('fault' in reply) throw new CallFault(reply.fault);
      return reply.result as Result<K>;
    },
    remove: async () => {
      await service.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
