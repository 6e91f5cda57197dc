// The WebSockets of the windows: how many there may be, which of them still answer, and notices to all of them.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { LONGEST_REQUEST } from '#core/wire.ts';
import { createRecentReplies } from './recent-replies.ts';
import { CLOSE, sendText, serveWindow } from './window-socket.ts';

const MOST_SOCKETS = 32;
const PING_MS = 20_000;
const CLIENT = /^[A-Za-z0-9_-]{8,64}$/;

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

  server.on('connection', (socket: WebSocket, _: IncomingMessage, client: string) => {
    const admitted = () => {
      windows.add(socket);
      onWindows(windows.size);
    };
    serveWindow(socket, { client, replies, log, isKey, patienceMs, admitted });
    socket.on('close', () => windows.delete(socket) && onWindows(windows.size));
    socket.on('pong', () => silent.delete(socket));
  });

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
      for (const socket of windows) sendText(socket, text, log);
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
