// The one service behind all windows: the shell asks it, windows are relayed to it, and a person can start it anew.
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { superviseService } from '#core/supervisor/supervisor.ts';
import type { ServiceFiles } from './service-process.ts';

export interface ServiceLink {
  /** A call of the shell's own. */
  ask(call: string, args: unknown, project?: string | null): Promise<Reply>;
  /** A call of a window's. */
  relay(request: Request): Promise<Reply>;
  /** Says how many windows look on, to this service and to those that come after its deaths. */
  watched(windows: number): void;
  /** Ends the service and starts another. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** What becomes of what the service says, unasked and at its end. */
export interface ServiceHearers {
  log(line: string): void;
  onNotice(notice: Notice): void;
  onExit(sentence: string): void;
}

/** Starts the service that keeps its preferences in `home`. */
export function linkService(files: ServiceFiles, home: string, hearers: ServiceHearers): ServiceLink {
  const start = () =>
    superviseService({
      node: files.node,
      script: files.script,
      env: { ...process.env, TASTEMAKER_HOME: home },
      ...hearers,
    });
  let service = start();
  let asked = 0;
  return {
    // ids below zero, which no window has
    ask: (call, args, project = null) => service.call({ id: --asked, call, args, project }),
    relay: (request) => service.call(request),
    watched: (windows) => service.watched(windows),
    restart: async () => {
      await service.close();
      service = start();
    },
    close: () => service.close(),
  };
}
