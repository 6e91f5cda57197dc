// The browser host: serves the window on 127.0.0.1 and relays its calls to the service. It has no logic of its own.

import http from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { TastemakerError } from '#core/errors.ts';
import { createAccess } from './access.ts';
import type { Access } from './access.ts';
import { shownUrl } from './http-answers.ts';
import { createRequests } from './requests.ts';
import { createSockets, isClient } from './sockets.ts';
import type { Sockets } from './sockets.ts';
import { readWindow } from './static-files.ts';
import { createUploads } from './uploads.ts';

export const DEFAULT_PORT = 7337;
const UPLOAD_MS = 60 * 60_000;
/** How long the body of anything but an upload may take. */
const BODY_MS = 10_000;

export interface HostOptions {
  /** null: 7337, or any free port where that is taken */
  port: number | null;
  /** the built window */
  windowFolder: string;
  call(request: Request): Promise<Reply>;
  /** told whenever a window comes or goes */
  onWindows?(count: number): void;
  /** one line for each refusal */
  log(line: string): void;
  uploadLimit?: number;
  /** milliseconds that a request, and the first message of a socket, may take to come */
  patienceMs?: number;
}

export interface Host {
  port: number;
  /** for the person; the fragment never leaves the browser */
  url: string;
  /** works once, within a minute: for the arguments of the program that opens the browser */
  urlForOnce(): string;
  broadcast(notice: Notice): void;
  close(): Promise<void>;
}

type Log = (line: string) => void;

/**
 * Listens on 127.0.0.1 only. 'bad-argument' where the port that was asked for is taken, 'bad-file' where the window is
 * not built.
 */
export async function startHost({
  port: asked,
  windowFolder,
  call,
  onWindows,
  log: write,
  uploadLimit,
  patienceMs = BODY_MS,
}: HostOptions): Promise<Host> {
  const log = (line: string) => write(line.replaceAll(/\s+/g, ' ')); // whatever was asked for makes one line
  const serveFile = readWindow(windowFolder);
  const uploads = createUploads(uploadLimit);
  const server = http.createServer({
    requestTimeout: UPLOAD_MS,
    headersTimeout: 20_000,
    requireHostHeader: false,
    maxHeaderSize: 16 * 1024,
  });
  const port = await listen(server, asked);
  const access = createAccess(port);
  const sockets = createSockets({ call, log, isKey: access.isKey, patienceMs, ...(onWindows ? { onWindows } : {}) });

  server.on('request', createRequests({ access, serveFile, uploads, log, patienceMs }));
  server.on('upgrade', (request, socket, head) => upgrade(access, sockets, log, request, socket, head));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code !== 'ECONNRESET') log(`400 a request that is not HTTP: ${error.code ?? error.message}`);
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });

  const urlWith = (token: string) => `http://127.0.0.1:${port}/#token=${token}`;
  return {
    port,
    url: urlWith(access.token),
    urlForOnce: () => urlWith(access.tokenForOnce()),
    broadcast: sockets.broadcast,
    close: () =>
      new Promise((resolve) => {
        sockets.close();
        server.close(() => {
          uploads.close();
          resolve();
        });
        setTimeout(() => server.closeAllConnections(), 600).unref();
      }),
  };
}

/** Makes a socket of a window out of a request that shows our page and our cookie; any other is refused. */
function upgrade(
  access: Access,
  sockets: Sockets,
  log: Log,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  socket.on('error', () => socket.destroy());
  const url = URL.parse(request.url ?? '/', 'http://host');
  const client = url?.searchParams.get('client') ?? null;
  const why =
    access.refuse(request, { origin: true, cookie: true }) ??
    (url?.pathname === '/socket' ? null : 'there is no such socket');
  if (!why && isClient(client)) return sockets.accept(request, socket, head, client);
  log(`403 upgrade ${shownUrl(request)}: ${why ?? 'the client has no name of 8 to 64 letters'}`);
  socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
}

async function listen(server: http.Server, asked: number | null): Promise<number> {
  const attempt = (port: number) =>
    new Promise<number>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
        server.off('error', reject);
        resolve((server.address() as AddressInfo).port);
      });
    });
  try {
    return await attempt(asked ?? DEFAULT_PORT);
  } catch (error) {
    if (asked === null) return attempt(0);
    throw new TastemakerError(
      'bad-argument',
      `Port ${asked} cannot be used (${(error as NodeJS.ErrnoException).code}).`,
      'Choose another --port, or leave it out.',
    );
  }
}
