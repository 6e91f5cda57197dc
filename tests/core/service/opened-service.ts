// A service in this process, with a home folder of its own: calls are typed, faults are thrown, events are kept.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Arguments, CallName, Fault, Notice, Result } from '#core/contract.ts';
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
  call<K extends CallName>(name: K, args: Arguments<K>): Promise<Result<K>>;
  /** ends it, and keeps the folder for another one */
  close(): Promise<void>;
  remove(): Promise<void>;
}

export function openedService(home = mkdtempSync(join(tmpdir(), 'tastemaker-service-'))): OpenedService {
  const events: Notice[] = [];
  const service = createService({ home, emit: (event, data) => void events.push({ event, data } as Notice) });
  let ids = 0;
  return {
    home, events, close: service.close,
    call: async <K extends CallName>(name: K, args: Arguments<K>) => {
      const reply = await service.handle({ id: ++ids, call: name, args });
      if ('fault' in reply) throw new CallFault(reply.fault);
      return reply.result as Result<K>;
    },
    remove: async () => {
      await service.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
