// A host with a real service behind it, in a home folder of its own, and windows that speak to it as a page would.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { AppState } from '#core/contract/app.ts';
import type { Notice, Reply } from '#core/contract/messages.ts';
import { startHost } from '#core/host/server.ts';
import type { Host } from '#core/host/server.ts';
import { openLog } from '#core/service/log.ts';
import { superviseService } from '#core/supervisor/supervisor.ts';
import type { Supervisor } from '#core/supervisor/supervisor.ts';

export const SERVICE = join(process.cwd(), 'core/service/main.ts');
export const SCRIPT = `console.log('${'the window '.repeat(200)}');`;

export interface StartedHost {
  home: string;
  host: Host;
  service: Supervisor;
  log(): string[];
  origin: string;
  close(): Promise<void>;
}

export async function startedHost(options: { uploadLimit?: number; patienceMs?: number } = {}): Promise<StartedHost> {
  const home = mkdtempSync(join(tmpdir(), 'tastemaker-host-'));
  const windowFolder = join(home, 'window');
  mkdirSync(join(windowFolder, 'assets'), { recursive: true });
  writeFileSync(
    join(windowFolder, 'index.html'),
    '<!doctype html><title>Tastemaker</title><script type="module" src="/assets/main-a1B2c3D4.js"></script>',
  );
  writeFileSync(join(windowFolder, 'assets/main-a1B2c3D4.js'), SCRIPT);
  writeFileSync(join(home, 'secret.html'), 'not part of the window');
  const log = openLog(join(home, 'logs/host.log'));
  let host: Host | null = null;
  const service = superviseService({
    node: process.execPath,
    script: SERVICE,
    env: { ...process.env, TASTEMAKER_HOME: home },
    log,
    onNotice: (notice) => host?.broadcast(notice),
    onExit: log,
  });
  host = await startHost({ port: null, windowFolder, call: service.call, log, ...options });
  return {
    home,
    host,
    service,
    origin: `http://127.0.0.1:${host.port}`,
    log: () => {
      try {
        return readFileSync(join(home, 'logs/host.log'), 'utf8').trim().split('\n');
      } catch {
        return [];
      }
    },
    close: async () => {
      await host!.close();
      await service.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

export const tokenOf = (url: string): string => new URL(url).hash.slice('#token='.length);

interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Buffer;
}

/** Not `fetch`: that one writes Host and Origin itself, and tidies up paths. */
export function ask(
  port: number,
  method: string,
  path: string,
  headers: http.OutgoingHttpHeaders = {},
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(parts) }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** the key that came with each cookie */
const keys = new Map<string, string>();
export const keyOf = (cookie: string): string => keys.get(cookie) ?? '';

/**
 * The cookie that the token is exchanged for, as a browser would send it back; `keyOf` tells the key that came with it.
 */
export async function signIn({ host, origin }: StartedHost, token = tokenOf(host.url)): Promise<string> {
  const { headers, body } = await ask(
    host.port,
    'POST',
    '/session',
    { origin, 'content-type': 'application/json' },
    JSON.stringify({ token }),
  );
  const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  if (cookie) keys.set(cookie, (JSON.parse(body.toString()) as { key: string }).key);
  return cookie;
}

export interface TestWindow {
  socket: WebSocket;
  notices: Notice[];
  /** every answer that came, in order */
  replies: Reply[];
  send(text: string | Buffer): void;
  call(call: string, args: unknown, id?: number): Promise<Reply>;
  closed: Promise<number>;
}

let ids = 0;
/** the project that is open, as far as any answer has told */
let opened: string | null = null;
export const openedProject = (): string | null => opened;

export function openWindow(
  { host, origin }: StartedHost,
  cookie: string,
  client = `client-${++ids}-abcdef`,
  headers: Record<string, string> = {},
  first: string | null = JSON.stringify({ key: keyOf(cookie) }),
): Promise<TestWindow> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${host.port}/socket?client=${client}`, {
      headers: { origin, cookie, ...headers },
    });
    const notices: Notice[] = [];
    const replies: Reply[] = [];
    const waiting = new Map<number, (reply: Reply) => void>();
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as Reply | Notice;
      if ('event' in message) return void notices.push(message);
      if ('result' in message) opened = (message.result as Partial<AppState> | null)?.project?.id ?? opened;
      replies.push(message);
      waiting.get(message.id)?.(message);
    });
    const closed = new Promise<number>((done) => socket.on('close', (code) => done(code)));
    socket.on('error', reject);
    socket.on('unexpected-response', (_, response) => reject(new Error(`refused: ${response.statusCode}`)));
    socket.on('open', () => {
      if (first !== null) socket.send(first);
      resolve({
        socket,
        notices,
        replies,
        closed,
        send: (text) => socket.send(text),
        call: (call, args, id = ++ids) =>
          new Promise((done) => {
            waiting.set(id, done);
            socket.send(JSON.stringify({ id, call, args, project: opened }));
          }),
      });
    });
  });
}

/** Waits until `holds`; a failure says what was waited for. */
export async function until(holds: () => boolean, what: string, ms = 20_000): Promise<void> {
  for (const end = Date.now() + ms; !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
}
