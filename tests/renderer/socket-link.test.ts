// Runs the window's connection against a real WebSocket server that dies, comes back, or knows nobody.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocketServer } from 'ws';
import type { WebSocket as ServerSocket } from 'ws';
import type { Notice, Request } from '#core/contract/messages.ts';
import { createSocketLink } from '#renderer/socket-link.ts';
import type { SocketLink } from '#renderer/socket-link.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Served {
  port: number;
  seen: Request[];
  sockets: ServerSocket[];
  close(): Promise<void>;
}
/** `answer` may leave a request unanswered. */
async function serve(port: number, answer: (request: Request, socket: ServerSocket) => void): Promise<Served> {
  const server = http.createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const sockets: ServerSocket[] = [];
  const seen: Request[] = [];
  const webSockets = new WebSocketServer({ server });
  webSockets.on('connection', (socket) => {
    sockets.push(socket);
    // before everything else, on every connection
    socket.once('message', (data) => expect(JSON.parse(String(data))).toEqual({ key: 'the-key' }));
    socket.on('message', (data) => {
      const request = JSON.parse(String(data)) as Request;
      if ('key' in request) return;
      seen.push(request);
      answer(request, socket);
    });
  });
  const served = {
    port: (server.address() as AddressInfo).port,
    seen,
    sockets,
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.terminate();
        webSockets.close();
        server.close(() => resolve());
      }),
  };
  open.push(served);
  return served;
}
function connect(
  port: number,
  isRefused = () => Promise.resolve(false),
): { link: SocketLink; states: string[]; notices: Notice[] } {
  const states: string[] = [];
  const notices: Notice[] = [];
  const link = createSocketLink({
    url: `ws://127.0.0.1:${port}/socket?client=tests-tests`,
    key: () => 'the-key',
    hear: (notice) => notices.push(notice),
    changed: (state) => states.push(state),
    isRefused,
    refused: () => states.push('refused'),
    wait: { first: 20, most: 60 },
  });
  open.push(link);
  link.open();
  return { link, states, notices };
}
const echo = (request: Request, socket: ServerSocket) =>
  socket.send(JSON.stringify({ id: request.id, result: request.args }));

test('answers find their calls in any order, and notices are heard', async () => {
  const held: Request[] = [];
  const { port, sockets } = await serve(0, (request, socket) => {
    held.push(request);
    if (held.length === 2) for (const each of held.reverse()) echo(each, socket);
  });
  const { link, notices } = connect(port);
  const [one, two] = await Promise.all([
    link.call({ id: 1, call: 'a', args: 'first', project: null }),
    link.call({ id: 2, call: 'a', args: 'second', project: null }),
  ]);
  expect([one, two]).toEqual([
    { id: 1, result: 'first' },
    { id: 2, result: 'second' },
  ]);
  sockets[0]!.send(JSON.stringify({ event: 'models.changed', data: {} }));
  await vi.waitFor(() => expect(notices).toEqual([{ event: 'models.changed', data: {} }]));
});

test('what was not answered when the connection broke is asked again under the same id, and only that', async () => {
  const { port, seen, close } = await serve(0, (request, socket) => {
    if (request.call === 'quick') echo(request, socket);
  });
  const { link, states } = connect(port);
  await link.call({ id: 1, call: 'quick', args: null, project: null });
  const unanswered = link.call({ id: 2, call: 'slow', args: { ranks: [1, 2] }, project: null });
  await vi.waitFor(() => expect(seen).toHaveLength(2));
  await close();
  await vi.waitFor(() => expect(states).toContain('lost'));
  const meanwhile = link.call({ id: 3, call: 'later', args: 7, project: null });
  await new Promise((resolve) => setTimeout(resolve, 150)); // several attempts find nobody

  const again = await serve(port, echo);
  expect(await unanswered).toEqual({ id: 2, result: { ranks: [1, 2] } });
  expect(await meanwhile).toEqual({ id: 3, result: 7 });
  expect(again.seen.map(({ id, call }) => [id, call])).toEqual([
    [2, 'slow'],
    [3, 'later'],
  ]);
  expect(states.filter((state, i) => state !== states[i - 1])).toEqual(['open', 'lost', 'open']);
});

test('a host that does not know us is not asked for ever', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  let upgrades = 0;
  server.on('upgrade', (_, socket) => {
    upgrades++;
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) });
  const { states } = connect((server.address() as AddressInfo).port, () => Promise.resolve(true));
  await vi.waitFor(() => expect(states).toEqual(['lost', 'refused']));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(upgrades).toBe(1);
});

test('a host that closes because the key is not its own is not asked for ever either', async () => {
  let connections = 0;
  const { port } = await serve(0, () => {});
  const server = open.at(-1)!;
  await server.close();
  const sockets = new WebSocketServer({ port, host: '127.0.0.1' });
  open.push({ close: () => new Promise((resolve) => sockets.close(resolve)) });
  sockets.on('connection', (socket) => {
    connections++;
    socket.once('message', () => socket.close(4401, 'unknown'));
  });
  const { states } = connect(port);
  await vi.waitFor(() => expect(states).toEqual(['open', 'lost', 'refused']));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(connections).toBe(1);
});

test('what is too long for the host is a fault at once; the connection stays', async () => {
  const { port } = await serve(0, echo);
  const { link, states } = connect(port);
  expect(await link.call({ id: 1, call: 'a', args: 'ä'.repeat(2.1 * 2 ** 20), project: null })).toMatchObject({
    id: 1,
    fault: { code: 'bad-argument', message: expect.stringContaining('too long to be sent') },
  });
  expect(await link.call({ id: 2, call: 'a', args: 'x', project: null })).toEqual({ id: 2, result: 'x' });
  expect(states).toEqual(['open']);
});
