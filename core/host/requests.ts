// What each request over HTTP gets: a file of the window, the session of whoever has the token, a place for an upload.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { TastemakerError, shownError } from '#core/errors.ts';
import type { Access } from './access.ts';
import { watchBodies } from './bodies.ts';
import { answerJson, createRefuse, setHeaders } from './http-answers.ts';
import type { readWindow } from './static-files.ts';
import type { Uploads } from './uploads.ts';

const LARGEST_TOKEN = 1000;

export interface RequestOptions {
  access: Access;
  serveFile: ReturnType<typeof readWindow>;
  uploads: Uploads;
  log(line: string): void;
  /** milliseconds that a request may take to come */
  patienceMs: number;
}

/** Answers every request, whatever goes wrong with it. */
export function createRequests(options: RequestOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const { access, serveFile, uploads, log, patienceMs } = options;
  const refuse = createRefuse(log);
  const bodies = watchBodies(patienceMs, log);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    setHeaders(response);
    const { method = '' } = request;
    const url = URL.parse(request.url ?? '/', 'http://host');
    if (url?.host !== 'host') return refuse(request, response, 404, 'there is no such file');
    const { pathname, searchParams } = url;
    const isRead = method === 'GET' || method === 'HEAD';
    const isUpload = pathname === '/upload';
    const why = access.refuse(request, { origin: !isRead, cookie: isUpload, key: isUpload });
    if (why) return refuse(request, response, 403, why);
    if (isUpload && !isRead) bodies.takes(request);
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

  return (request, response) => {
    bodies.watch(request);
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy();
      const fault = error instanceof TastemakerError ? shownError(error) : null;
      refuse(request, response, fault ? 400 : 500, fault?.message ?? String(error), fault ?? undefined);
      request.resume(); // so that the answer is read
    });
  };
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
