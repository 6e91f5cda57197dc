// What crosses a process border between windows and the service, over every channel: requests, replies, notices.

import type { Events, EventName } from './events.ts';

/** How an error crosses; `code` is an ErrorCode of core/errors.ts, or 'crash' for a mistake of ours. */
export interface Fault {
  code: string;
  message: string;
  hint: string;
}

/**
 * Window → service, and its answers; `id` pairs them. `project`: which one whoever asks believes to be open. The same
 * over WebSocket, process messages and Electron's.
 */
export interface Request {
  id: number;
  call: string;
  args: unknown;
  project: string | null;
}

/** Host → service: how many windows look on. */
export interface Watched {
  windows: number;
}

export type Reply = { id: number; result: unknown } | { id: number; fault: Fault };

/** `project`: whose it is, null where it is of the program. */
export type Notice = { [K in EventName]: { event: K; data: Events[K]; project: string | null } }[EventName];
