// The socket of one window: first it shows its key, then each message is a call. One that misbehaves is closed.

import type { RawData, WebSocket } from 'ws';
import type { Request } from '#core/contract/messages.ts';
import type { RecentReplies } from './recent-replies.ts';

/** Characters of the first message, which holds nothing but the key. */
const LONGEST_KEY = 1000;
const MOST_AT_WORK = 500;
/** A window that does not read what it is sent is cut off before this much is waiting: it comes back and asks anew. */
const MOST_WAITING = 64 * 2 ** 20;
/** close codes of RFC 6455 §7.4.1, and one of our own for whoever does not show the key */
export const CLOSE = {
  goingAway: 1001,
  notText: 1003,
  notJson: 1007,
  notACall: 1008,
  tooBusy: 1013,
  unknown: 4401,
} as const;

type Log = (line: string) => void;

export interface WindowOptions {
  /** the window's own name, under which its answers are kept */
  client: string;
  replies: RecentReplies;
  log: Log;
  isKey(given: unknown): boolean;
  /** milliseconds that the key may take to come */
  patienceMs: number;
  /** told once it has shown the key */
  admitted(): void;
}

export function sendText(socket: WebSocket, text: string, log: Log): void {
  if (socket.readyState !== socket.OPEN) return;
  if (socket.bufferedAmount + text.length > MOST_WAITING) {
    log('A window was cut off: it does not read what it is sent.');
    return socket.terminate();
  }
  socket.send(text);
}

/** Serves a socket until it closes. */
export function serveWindow(socket: WebSocket, options: WindowOptions): void {
  const { client, replies, log, isKey, patienceMs, admitted } = options;
  const cutOff = (code: number, why: string) => {
    log(`A message was refused: ${why}.`);
    socket.close(code, why);
  };
  let isAdmitted = false;
  let atWork = 0;
  const late = setTimeout(() => cutOff(CLOSE.unknown, 'the key does not come'), patienceMs);
  const admit = (text: string) => {
    clearTimeout(late);
    if (text.length > LONGEST_KEY || !isKey((parsed(text) as { key?: unknown } | null)?.key))
      return cutOff(CLOSE.unknown, 'it does not show the key of this start');
    isAdmitted = true;
    admitted();
  };
  socket.on('close', () => clearTimeout(late));
  socket.on('error', (error: NodeJS.ErrnoException) =>
    log(`A message was refused: ${error.message}${error.code ? ` (${error.code})` : ''}.`),
  ); // ws closes with the fitting code, 1009 for too large
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (isBinary) return cutOff(CLOSE.notText, 'it is not text');
    const said = (data as Buffer).toString('utf8');
    if (!isAdmitted) return socket.readyState === socket.OPEN && admit(said);
    const request = readRequest(said);
    if (request === 'not-json') return cutOff(CLOSE.notJson, 'it is not JSON');
    if (request === 'not-a-call') return cutOff(CLOSE.notACall, 'it is not a call with id, call and args');
    if (atWork >= MOST_AT_WORK) return cutOff(CLOSE.tooBusy, `${MOST_AT_WORK} calls are at work`);
    atWork++;
    void replies.answer(client, request).then((text) => {
      atWork--;
      if (text.includes('"code":"bad-argument"')) logMalformed(request, text, log);
      sendText(socket, text, log);
    });
  });
}

function logMalformed({ call: name }: Request, text: string, log: Log): void {
  const { fault } = JSON.parse(text) as { fault?: { message: string } };
  if (fault) log(`A call was refused: ${JSON.stringify(name.slice(0, 60))}: ${fault.message.replaceAll(/\s+/g, ' ')}`);
}

/** The value of a JSON text; undefined where it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readRequest(text: string): Request | 'not-json' | 'not-a-call' {
  const found = parsed(text);
  if (found === undefined) return 'not-json';
  if (typeof found !== 'object' || found === null) return 'not-a-call';
  const { id, call, args, project } = found as Record<string, unknown>;
  return Number.isSafeInteger(id) && (id as number) >= 0 && typeof call === 'string'
    ? { id: id as number, call, args, project: typeof project === 'string' ? project : null }
    : 'not-a-call';
}
