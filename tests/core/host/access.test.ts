// Who is let in: only our own page, on this machine, with the token of this start; everybody else is refused and noted.
import { readFileSync, readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { gunzipSync } from 'node:zlib';
import { ask, keyOf, openWindow, SCRIPT, signIn, startedHost, tokenOf } from './started-host.ts';
import type { StartedHost } from './started-host.ts';

let started: StartedHost;
let cookie = '';
beforeAll(async () => {
  started = await startedHost({ uploadLimit: 100_000 });
  cookie = await signIn(started);
});
afterAll(() => started.close());

const post = (path: string, headers: Record<string, string>, body: string | Buffer = '') =>
  ask(started.host.port, 'POST', path, headers, body);
const stillAlive = async () =>
  expect(await (await openWindow(started, cookie)).call('app.state', {})).toHaveProperty('result.version');

/** What comes back when these bytes are sent, until the connection ends. */
const raw = (port: number, sent: string): Promise<string> =>
  new Promise((resolve) => {
    let said = '';
    const socket = net.connect(port, '127.0.0.1', () => socket.write(sent));
    socket
      .on('data', (data) => (said += String(data)))
      .on('error', () => {})
      .on('close', () => resolve(said));
  });

/** What was refused must stand in the log, in one line. */
async function refused<T>(work: () => Promise<T>): Promise<T> {
  const before = started.log().filter(Boolean).length;
  const result = await work();
  expect(started.log().filter(Boolean).length - before).toBe(1);
  return result;
}

test('the page comes with a strict policy, compressed, and with a name for its contents', async () => {
  const page = await ask(started.host.port, 'GET', '/', { host: `localhost:${started.host.port}` });
  expect(page.status).toBe(200);
  expect(page.headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
  });
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'/);
  expect(page.headers['access-control-allow-origin']).toBeUndefined();
  const script = await ask(started.host.port, 'GET', '/assets/main-a1B2c3D4.js', { 'accept-encoding': 'gzip, br' });
  expect(script.headers).toMatchObject({
    'content-encoding': 'gzip',
    'cache-control': 'public, max-age=31536000, immutable',
    'content-type': 'text/javascript; charset=utf-8',
  });
  expect(gunzipSync(script.body).toString()).toBe(SCRIPT);
  expect((await ask(started.host.port, 'GET', '/assets/main-a1B2c3D4.js')).body.toString()).toBe(SCRIPT);
  const again = await ask(started.host.port, 'GET', '/assets/main-a1B2c3D4.js', {
    'if-none-match': String(script.headers.etag),
  });
  expect([again.status, again.body.length]).toEqual([304, 0]);
});

test.each([
  '/../secret.html',
  '/%2e%2e/secret.html',
  '/..%2fsecret.html',
  '/assets/../../secret.html',
  '/assets/%2e%2e%2f%2e%2e%2fsecret.html',
  '//secret.html',
  '/secret.html',
  '/assets',
  '/logs/host.log',
  '/index.html%00.js',
  '/\\..\\secret.html',
])('nothing outside the window can be asked for: %s', async (path) => {
  const answer = await refused(() => ask(started.host.port, 'GET', path));
  expect(answer.status).toBe(404);
  expect(answer.body.toString()).not.toContain('not part of the window');
});

test.each(['evil.example', 'evil.example:80', '127.0.0.1', '127.0.0.1:1', 'localhost'])(
  'another Host is refused: %j',
  async (host) => {
    expect((await refused(() => ask(started.host.port, 'GET', '/', { host }))).status).toBe(403);
    expect(
      (
        await refused(() =>
          post('/session', { host, origin: started.origin }, JSON.stringify({ token: tokenOf(started.host.url) })),
        )
      ).status,
    ).toBe(403);
    await refused(() => expect(openWindow(started, cookie, undefined, { host })).rejects.toThrow('refused: 403'));
  },
);

test.each(['http://evil.example', 'null', 'https://127.0.0.1', ''])('another Origin is refused: %j', async (origin) => {
  const body = JSON.stringify({ token: tokenOf(started.host.url) });
  const answer = await refused(() => post('/session', origin ? { origin } : {}, body));
  expect([answer.status, answer.headers['set-cookie']]).toEqual([403, undefined]);
  expect((await refused(() => post('/upload?name=a.txt', { cookie, ...(origin && { origin }) }, 'x'))).status).toBe(
    403,
  );
  await refused(() => expect(openWindow(started, cookie, undefined, { origin })).rejects.toThrow('refused: 403'));
});

test('localhost is our own name too, but its page may not speak for 127.0.0.1', async () => {
  const { port } = started.host;
  const body = JSON.stringify({ token: tokenOf(started.host.url) });
  expect((await post('/session', { host: `localhost:${port}`, origin: `http://localhost:${port}` }, body)).status).toBe(
    200,
  );
  expect((await post('/session', { host: `127.0.0.1:${port}`, origin: `http://localhost:${port}` }, body)).status).toBe(
    403,
  );
});

test.each(['', 'x', '{"token":"AAAA"}', '{"token":null}', 'null', '[]', `{"token":"${'A'.repeat(5000)}"}`])(
  'a wrong token gets no cookie (%#)',
  async (body) => {
    const answer = await refused(() => post('/session', { origin: started.origin }, body));
    expect([answer.status, answer.headers['set-cookie']]).toEqual([401, undefined]);
  },
);

test('the token and the cookie of another start are refused, and neither is ever written down', async () => {
  const other = await startedHost();
  const theirs = await signIn(other);
  const secrets = [tokenOf(other.host.url), theirs.split('=')[1]!, tokenOf(started.host.url), cookie.split('=')[1]!];
  await other.close();
  expect((await post('/session', { origin: started.origin }, JSON.stringify({ token: secrets[0] }))).status).toBe(401);
  const renamed = `${cookie.split('=')[0]}=${secrets[1]}`;
  for (const old of [renamed, theirs, '', `${cookie}x`, cookie.slice(0, -1)])
    await expect(openWindow(started, old)).rejects.toThrow('refused: 403');
  await stillAlive();
  for (const secret of secrets) expect(started.log().join('\n')).not.toContain(secret);
});

test('the cookie is out of reach for scripts and other sites; a token for once works once', async () => {
  const { headers } = await post(
    '/session',
    { origin: started.origin },
    JSON.stringify({ token: tokenOf(started.host.url) }),
  );
  expect(headers['set-cookie']![0]).toMatch(
    new RegExp(`^tastemaker-${started.host.port}=[\\w-]{43}; HttpOnly; SameSite=Strict; Path=/$`),
  );
  const once = tokenOf(started.host.urlForOnce());
  expect(await signIn(started, once)).toBe(cookie);
  expect(await signIn(started, once)).toBe('');
});

test('a page can ask whether its cookie and its key still hold', async () => {
  const key = { 'x-tastemaker-key': keyOf(cookie) };
  expect((await ask(started.host.port, 'GET', '/session', { cookie, ...key })).status).toBe(200);
  for (const headers of [{}, key, { cookie }, { cookie, 'x-tastemaker-key': 'another' }])
    expect((await refused(() => ask(started.host.port, 'GET', '/session', headers))).status).toBe(401);
});

test('whoever was brought the cookie alone, as a server on another port is, opens nothing with it', async () => {
  const brought = await new Promise<string>((resolve) => {
    // what a browser that has our cookie sends to the other port
    const other = http
      .createServer((request, response) => {
        resolve(request.headers.cookie ?? '');
        response.end();
        other.close();
      })
      .listen(0, '127.0.0.1', () => void ask((other.address() as net.AddressInfo).port, 'GET', '/', { cookie }));
  });
  expect(brought).toBe(cookie);
  const real = await openWindow(started, cookie);
  for (const first of [
    null,
    '{"key":""}',
    '{"key":null}',
    '{"key":["a"]}',
    'null',
    'x',
    JSON.stringify({ key: brought.split('=')[1] }),
    JSON.stringify({ key: tokenOf(started.host.url) }),
    JSON.stringify({ key: 'x'.repeat(100_000) }),
  ]) {
    const thief = await openWindow(started, brought, undefined, {}, first);
    if (first === null) thief.send(JSON.stringify({ id: 1, call: 'app.state', args: {}, project: null }));
    await real.call('app.setPreferences', { changes: { layout: 'columns' } });
    expect(await thief.closed, String(first).slice(0, 40)).toBe(4401);
    expect([thief.replies, thief.notices]).toEqual([[], []]);
  }
  const session = await refused(() => post('/session', { origin: started.origin, cookie: brought }, '{}'));
  expect([session.status, session.body.toString().includes(keyOf(cookie))]).toEqual([401, false]);
  expect(started.log().join('\n')).not.toContain(keyOf(cookie));
  await stillAlive();
});

test.each(['evil.example', ''])('a second Host is refused: %j', async (second) => {
  const name = `127.0.0.1:${started.host.port}`;
  const said = await refused(() =>
    raw(started.host.port, `GET / HTTP/1.1\r\nHost: ${name}\r\nHost: ${second || name}\r\nConnection: close\r\n\r\n`),
  );
  expect(said).toMatch(/^HTTP\/1\.1 403/);
});

test('what never comes to its end is given up, and costs nobody else anything', async () => {
  const hasty = await startedHost({ patienceMs: 300 });
  const { port } = hasty.host;
  const head = `Host: 127.0.0.1:${port}\r\nOrigin: http://127.0.0.1:${port}\r\n`;
  const own = await signIn(hasty);
  const endless = [
    `POST /session HTTP/1.1\r\n${head}Content-Length: 100\r\n\r\n{"token"`,
    `POST /session HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"tok`,
    `POST /upload?name=a HTTP/1.1\r\n${head}Content-Length: 1000000\r\n\r\nx`,
    `GET / HTTP/1.1\r\n${head}Content-Length: 100\r\n\r\nx`,
    `POST /nothing HTTP/1.1\r\n${head}Content-Length: 100\r\n\r\nx`,
  ];
  const started = performance.now();
  await Promise.all(endless.map((text) => raw(port, text)));
  const silent = await openWindow(hasty, own, undefined, {}, null);
  expect(await silent.closed).toBe(4401);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(await (await openWindow(hasty, own)).call('app.state', {})).toHaveProperty('result.version');
  await hasty.close();
});

test.each(['short', 'a'.repeat(65), 'has%20space%20in', ''])('a window needs a proper name: %j', async (client) => {
  await refused(() => expect(openWindow(started, cookie, client)).rejects.toThrow('refused: 403'));
});

test('only GET, HEAD and two POSTs are known', async () => {
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH'])
    expect((await ask(started.host.port, method, '/', { origin: started.origin })).status).toBe(405);
  expect((await post('/socket', { origin: started.origin, cookie })).status).toBe(404);
  const head = await ask(started.host.port, 'HEAD', '/');
  expect([head.status, head.body.length]).toEqual([200, 0]);
});

test('only this machine itself can connect', async (context) => {
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((network) => network && !network.internal && network.family === 'IPv4');
  if (!outside) return context.skip('this machine has no other address');
  await expect(
    new Promise((resolve, reject) =>
      net.connect(started.host.port, outside.address).once('connect', resolve).once('error', reject),
    ),
  ).rejects.toThrow('ECONNREFUSED');
});

test.each([
  ['\x16\x03\x01 hello\r\n\r\n', 400],
  ['GET / HTTP/1.1\r\n\r\n', 403],
  ['GET http:// HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', 404],
  [`GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 400],
])('what is no proper request is refused (%#)', async (sent, status) => {
  const text = await refused(() => raw(started.host.port, sent));
  expect(text.startsWith(`HTTP/1.1 ${status}`)).toBe(true);
  await stillAlive();
});

test('an upload lands under its own name, and one that is refused leaves nothing', async () => {
  const send = (name: string, body: string | Buffer, more: Record<string, string> = {}) =>
    post(
      `/upload?name=${encodeURIComponent(name)}`,
      { origin: started.origin, cookie, 'x-tastemaker-key': keyOf(cookie), ...more },
      body,
    );
  const { path } = JSON.parse((await send('Prompts of März.jsonl', '{"text":"a"}\n')).body.toString()) as {
    path: string;
  };
  expect(readFileSync(path, 'utf8')).toBe('{"text":"a"}\n');
  expect(path).toMatch(/Prompts of März\.jsonl$/);
  expect(path.startsWith(join(tmpdir(), 'tastemaker-upload-'))).toBe(true);
  const folder = join(path, '../..');
  const before = readdirSync(folder).length;
  for (const name of [
    '',
    '.',
    '..',
    '../a.txt',
    'a/b.txt',
    'a\\b.txt',
    '/etc/passwd',
    'C:a.txt',
    'a\0.txt',
    'a\n.txt',
    'a.',
    'x'.repeat(201),
    'ü'.repeat(128),
  ])
    expect([name, (await refused(() => send(name, 'x'))).status]).toEqual([name, 400]);
  const large = await refused(() => send('large.txt', Buffer.alloc(100_001)));
  expect([large.status, JSON.parse(large.body.toString()).fault.message]).toEqual([
    400,
    expect.stringContaining('larger than'),
  ]);
  const untold = await refused(() => send('large.txt', Buffer.alloc(300_000), { 'transfer-encoding': 'chunked' }));
  expect(untold.status).toBe(400);
  expect((await send('fits.txt', Buffer.alloc(100_000))).status).toBe(200);
  expect(readdirSync(folder).length).toBe(before + 1);
  for (const headers of [{}, { cookie }, { 'x-tastemaker-key': keyOf(cookie) }] as Record<string, string>[])
    expect((await refused(() => post('/upload?name=a.txt', { origin: started.origin, ...headers }, 'x'))).status).toBe(
      403,
    );
  expect(JSON.parse((await send('ü'.repeat(128), 'x')).body.toString()).fault.message).toContain('too long: 256 bytes');
  expect((await send(`${'ü'.repeat(125)}.json`, 'x')).status).toBe(200);
});

test("sockets that show no key take no window's place, however many there are", async () => {
  const silent = await Promise.all(Array.from({ length: 70 }, () => openWindow(started, cookie, undefined, {}, null)));
  await stillAlive();
  for (const { socket } of silent) socket.terminate();
});
