// Ends connections whose request does not come to its end in time; an upload may take long, as long as it goes on.

import type { IncomingMessage } from 'node:http';
import { shownUrl } from './http-answers.ts';

/** How long an upload may bring nothing. */
const STILL_MS = 60_000;

export interface Bodies {
  /** From now on this request has its time to come to its end. */
  watch(request: IncomingMessage): void;
  /** It is an upload: it may take as long as something comes. */
  takes(request: IncomingMessage): void;
}

/** `patienceMs`: how long the body of anything but an upload may take. */
export function watchBodies(patienceMs: number, log: (line: string) => void): Bodies {
  const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();
  const give = (request: IncomingMessage) => {
    log(`408 ${request.method} ${shownUrl(request)}: its body does not come`);
    request.destroy();
  };
  return {
    watch: (request) => {
      const timer = setTimeout(() => give(request), patienceMs);
      timers.set(request, timer);
      for (const event of ['end', 'close'] as const) request.once(event, () => clearTimeout(timer));
    },
    takes: (request) => {
      clearTimeout(timers.get(request));
      request.setTimeout(STILL_MS, () => give(request));
    },
  };
}
