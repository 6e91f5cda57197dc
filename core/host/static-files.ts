// The built window: read into memory at the start, so that nothing else on the disk can be asked for.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { TastemakerError } from '#core/errors.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm',
};
const COMPRESSED = new Set(['.html', '.js', '.css', '.json', '.svg', '.wasm']);
/** A name with its contents' hash never means anything else. */
const IS_HASHED = /^\/assets\/.*-[A-Za-z0-9_-]{8,}\.\w+$/;

interface Asset {
  type: string;
  plain: Buffer;
  gzip: Buffer | null;
  etag: string;
  cache: string;
}

/** Answers a GET or HEAD for a file of the window; false where there is none of this name. */
export type ServeFile = (name: string, request: IncomingMessage, response: ServerResponse) => boolean;

/** 'bad-file' where the folder holds no index.html. */
export function readWindow(folder: string): ServeFile {
  const names = fs.existsSync(path.join(folder, 'index.html'))
    ? fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })
    : [];
  if (names.length === 0)
    throw new TastemakerError(
      'bad-file',
      `The window is not built: there is no ${path.join(folder, 'index.html')}.`,
      'Run `npm start`, which builds it.',
    );
  const assets = new Map<string, Asset>();
  for (const name of names) {
    const file = path.join(folder, name);
    const ending = path.extname(name);
    const url = `/${name.replaceAll('\\', '/')}`;
    if (!TYPES[ending] || !fs.lstatSync(file).isFile()) continue;
    const plain = fs.readFileSync(file);
    const gzip = COMPRESSED.has(ending) ? gzipSync(plain) : null;
    assets.set(url, {
      type: TYPES[ending],
      plain,
      gzip: gzip && gzip.length < plain.length ? gzip : null,
      etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
      cache: IS_HASHED.test(url) ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
  }
  return (name, request, response) => {
    const asset = assets.get(name === '/' ? '/index.html' : name);
    if (!asset) return false;
    response.setHeader('etag', asset.etag);
    response.setHeader('cache-control', asset.cache);
    response.setHeader('vary', 'accept-encoding');
    if ((request.headers['if-none-match'] ?? '').split(/,\s*/).some((tag) => tag.replace(/^W\//, '') === asset.etag)) {
      response.writeHead(304).end();
      return true;
    }
    const zipped = asset.gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
    const body = zipped ? asset.gzip! : asset.plain;
    if (zipped) response.setHeader('content-encoding', 'gzip');
    response.writeHead(200, { 'content-type': asset.type, 'content-length': body.length });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };
}
