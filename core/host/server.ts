// The browser host: serves the window on 127.0.0.1 and relays its calls to the service. It has no logic of its own.

import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Fault, Notice, Reply, Request } from '#core/contract/messages.ts';
import { TastemakerError, shownError } from '#core/errors.ts';
import { createAccess } from './access.ts';
import { createSockets, isClient } from './sockets.ts';
import { readWindow } from './static-files.ts';
import { createUploads } from './uploads.ts';

export const DEFAULT_PORT = 7337;
const UPLOAD_MS = 60 * 60_000;
/** How long the body of anything but an upload may take, and an upload may bring nothing. */
const BODY_MS = 10_000;
const STILL_MS = 60_000;
const LARGEST_TOKEN = 1000;

/** On every answer; what a page may load is what `connect-src 'self'` and the rest allow: nothing from elsewhere. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=()',
};

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

  const refuse = (request: IncomingMessage, response: ServerResponse, status: number, why: string, fault?: Fault) => {
    log(`${status} ${request.method} ${JSON.stringify((request.url ?? '').slice(0, 200))}: ${why}`);
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    const told: Fault = fault ?? {
      code: 'bad-argument',
      message: `Refused: ${why}.`,
      hint: 'Open the address that Tastemaker printed when it started; through a tunnel, keep its port.',
    };
    response.end(JSON.stringify({ fault: told }));
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const { method = '' } = request;
    const url = URL.parse(request.url ?? '/', 'http://host');
    if (url?.host !== 'host') return refuse(request, response, 404, 'there is no such file');
    const { pathname, searchParams } = url;
    const isRead = method === 'GET' || method === 'HEAD';
    const isUpload = pathname === '/upload';
    const why = access.refuse(request, { origin: !isRead, cookie: isUpload, key: isUpload });
    if (why) return refuse(request, response, 403, why);
    if (isUpload && !isRead) endless.takes(request);
    if (isRead) {
      if (pathname === '/session') return tellSession(request, response);
      if (!serveFile(pathname, request, response)) refuse(request, response, 404, 'there is no such file');
      return;
    }
    if (method !== 'POST') return refuse(request, response, 405, 'only GET and POST are known');
    if (pathname === '/session') return openSession(request, response);
    if (isUpload) return answerJson(response, { path: await uploads.take(searchParams.get('name') ?? '', request) });
    refuse(request, response, 404, 'there is nothing to post to');
  }

  /** Whether this page still has cookie and key: a WebSocket that is refused does not say why. */
  function tellSession(request: IncomingMessage, response: ServerResponse): void {
    const why = access.refuse(request, { origin: false, cookie: true, key: true });
    if (why) refuse(request, response, 401, why);
    else answerJson(response, {});
  }

  async function openSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = await readToken(request);
    const secrets = access.exchange(token);
    if (!secrets) return refuse(request, response, 401, 'the token is not that of this start');
    response.setHeader('set-cookie', secrets.cookie);
    answerJson(response, { key: secrets.key });
  }

  const endless = watchBodies(patienceMs, log);
  server.on('request', (request, response) => {
    endless.watch(request);
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const fault = error instanceof TastemakerError ? shownError(error) : null;
      refuse(request, response, fault ? 400 : 500, fault?.message ?? String(error), fault ?? undefined);
      request.resume(); // so that the answer is read
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    const url = URL.parse(request.url ?? '/', 'http://host');
    const client = url?.searchParams.get('client') ?? null;
    const why =
      access.refuse(request, { origin: true, cookie: true }) ??
      (url?.pathname === '/socket' ? null : 'there is no such socket');
    if (!why && isClient(client)) return sockets.accept(request, socket, head, client);
    log(
      `403 upgrade ${JSON.stringify((request.url ?? '').slice(0, 200))}: ${why ?? 'the client has no name of 8 to 64 letters'}`,
    );
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
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

/** Ends connections whose request does not come to its end in time; an upload may take long, as long as it goes on. */
function watchBodies(patienceMs: number, log: (line: string) => void) {
  const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();
  const give = (request: IncomingMessage) => {
    log(`408 ${request.method} ${JSON.stringify((request.url ?? '').slice(0, 200))}: its body does not come`);
    request.destroy();
  };
  return {
    watch: (request: IncomingMessage) => {
      const timer = setTimeout(() => give(request), patienceMs);
      timers.set(request, timer);
      for (const event of ['end', 'close'] as const) request.once(event, () => clearTimeout(timer));
    },
    takes: (request: IncomingMessage) => {
      clearTimeout(timers.get(request));
      request.setTimeout(STILL_MS, () => give(request));
    },
  };
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

/** The token in a small JSON body; undefined where there is none. */
async function readToken(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > LARGEST_TOKEN) return undefined;
  }
  try {
    return (JSON.parse(text) as { token?: unknown } | null)?.token;
  } catch {
    return undefined;
  }
}

function answerJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
}
