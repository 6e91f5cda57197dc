// Serves the built window over app://window/, from a list of files read at the start: nothing else on the disk can be
// asked for.
import fs from 'node:fs';
import path from 'node:path';
import { protocol } from 'electron';
import type { Protocol } from 'electron';

export const ORIGIN = 'app://window';
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

/** Must be called before the app is ready. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: 'app', privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ]);
}

/** Answers app://window/<file> from `folder`, and app://shell/<page> with what `pageOf` writes. */
export function serveApp(
  sessionProtocol: Pick<Protocol, 'handle'>,
  folder: string,
  pageOf: (name: string) => string | null,
): void {
  const files = new Map(
    fs
      .readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => TYPES[path.extname(name)] && fs.statSync(path.join(folder, name)).isFile())
      .map((name) => [`/${name.replaceAll('\\', '/')}`, path.join(folder, name)]),
  );
  const answer = (body: BodyInit, type: string, status = 200) =>
    new Response(body, {
      status,
      headers: {
        'content-type': type,
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      },
    });
  sessionProtocol.handle('app', (request) => {
    const { host, pathname } = new URL(request.url);
    if (request.method !== 'GET') return answer('Only GET.', 'text/plain', 405);
    if (host === 'shell') {
      const page = pageOf(pathname.slice(1));
      return page === null ? answer('There is no such page.', 'text/plain', 404) : answer(page, TYPES['.html']!);
    }
    const file = host === 'window' ? files.get(pathname === '/' ? '/index.html' : pathname) : undefined;
    return file
      ? answer(new Uint8Array(fs.readFileSync(file)), TYPES[path.extname(file)]!)
      : answer('There is no such file.', 'text/plain', 404);
  });
}
