// The WebSocket of each window: first its key, then calls in, answers and notices out. A socket that misbehaves is
// closed, never the host.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { RawData, WebSocket } from 'ws';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { LONGEST_REQUEST } from '#core/wire.ts';
import { createRecentReplies } from './recent-replies.ts';

const MOST_SOCKETS = 32;
/** Characters of the first message, which holds nothing but the key. */
const LONGEST_KEY = 1000;
const MOST_AT_WORK = 500;
/** A window that does not read what it is sent is cut off before this much is waiting: it comes back and asks anew. */
const MOST_WAITING = 64 * 2 ** 20;
const PING_MS = 20_000;
const CLIENT = /^[A-Za-z0-9_-]{8,64}$/;
/** close codes of RFC 6455 §7.4.1, and one of our own for whoever does not show the key */
export const CLOSE = {
  goingAway: 1001,
  notText: 1003,
  notJson: 1007,
  notACall: 1008,
  tooBusy: 1013,
  unknown: 4401,
} as const;

export interface Sockets {
  /**
   * Takes over an upgrade whose Host, Origin, cookie and client have been checked; it is a window once it has shown the
   * key.
   */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, client: string): void;
  broadcast(notice: Notice): void;
  close(): void;
}

/** Whether a window may call itself that. */
export const isClient = (client: string | null): client is string => client !== null && CLIENT.test(client);

export interface SocketOptions {
  call(request: Request): Promise<Reply>;
  log(line: string): void;
  isKey(given: unknown): boolean;
  /** milliseconds that the key may take to come */
  patienceMs: number;
  onWindows?(count: number): void;
}

export function createSockets({ call, log, isKey, patienceMs, onWindows = () => {} }: SocketOptions): Sockets {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LONGEST_REQUEST,
    perMessageDeflate: false,
    clientTracking: true,
  });
  const windows = new Set<WebSocket>(); // those that have shown the key
  const replies = createRecentReplies(call);
  const silent = new WeakSet<WebSocket>(); // asked and not heard of since

  const send = (socket: WebSocket, text: string) => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount + text.length > MOST_WAITING) {
      log('A window was cut off: it does not read what it is sent.');
      return socket.terminate();
    }
    socket.send(text);
  };
  const cutOff = (socket: WebSocket, code: number, why: string) => {
    log(`A message was refused: ${why}.`);
    socket.close(code, why);
  };

  server.on('connection', (socket: WebSocket, _: IncomingMessage, client: string) => {
    let atWork = 0;
    const late = setTimeout(() => cutOff(socket, CLOSE.unknown, 'the key does not come'), patienceMs);
    const admit = (text: string) => {
      clearTimeout(late);
      if (text.length > LONGEST_KEY || !isKey((parsed(text) as { key?: unknown } | null)?.key))
        return cutOff(socket, CLOSE.unknown, 'it does not show the key of this start');
      windows.add(socket);
      onWindows(windows.size);
    };
    socket.on('close', () => {
      clearTimeout(late);
      if (windows.delete(socket)) onWindows(windows.size);
    });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      log(`A message was refused: ${error.message}${error.code ? ` (${error.code})` : ''}.`),
    ); // ws closes with the fitting code, 1009 for too large
    socket.on('pong', () => silent.delete(socket));
    socket.on('message', (data: RawData, isBinary: boolean) => {
      if (isBinary) return cutOff(socket, CLOSE.notText, 'it is not text');
      const said = (data as Buffer).toString('utf8');
      if (!windows.has(socket)) return socket.readyState === socket.OPEN && admit(said);
      const request = readRequest(said);
      if (request === 'not-json') return cutOff(socket, CLOSE.notJson, 'it is not JSON');
      if (request === 'not-a-call') return cutOff(socket, CLOSE.notACall, 'it is not a call with id, call and args');
      if (atWork >= MOST_AT_WORK) return cutOff(socket, CLOSE.tooBusy, `${MOST_AT_WORK} calls are at work`);
      atWork++;
      void replies.answer(client, request).then((text) => {
        atWork--;
        if (text.includes('"code":"bad-argument"')) logMalformed(request, text);
        send(socket, text);
      });
    });
  });

  function logMalformed({ call: name }: Request, text: string): void {
    const { fault } = JSON.parse(text) as { fault?: { message: string } };
    if (fault)
      log(`A call was refused: ${JSON.stringify(name.slice(0, 60))}: ${fault.message.replaceAll(/\s+/g, ' ')}`);
  }

  const heartbeat = setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, PING_MS);
  heartbeat.unref();

  return {
    accept: (request, socket, head, client) => {
      // whoever has the cookie alone can open sockets, and may not take the place of windows: the oldest without a key
      // goes
      if (server.clients.size >= MOST_SOCKETS) [...server.clients].find((one) => !windows.has(one))?.terminate();
      if (windows.size >= MOST_SOCKETS) {
        log(`A window was refused: ${MOST_SOCKETS} are connected.`);
        socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, socket, head, (opened) => server.emit('connection', opened, request, client));
    },
    broadcast: (notice) => {
      const text = JSON.stringify(notice);
      for (const socket of windows) send(socket, text);
    },
    close: () => {
      clearInterval(heartbeat);
      for (const socket of server.clients) {
        socket.close(CLOSE.goingAway, 'Tastemaker was closed');
        setTimeout(() => socket.terminate(), 500).unref();
      }
      server.close();
    },
  };
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
