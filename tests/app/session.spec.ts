// The two secrets of a start in a real browser: reload and second tab go on, a tab alone is told what to do, a server
// on another port gets nothing.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@playwright/test';
import { WebSocket } from 'ws';
import { forget, startWorkstation } from './workstation.ts';
import type { Workstation } from './workstation.ts';

let station: Workstation;
test.beforeAll(async () => {
  station = await startWorkstation([]);
});
test.afterAll(async () => {
  await station.stop();
  forget(station.home);
});
const bare = () => new URL('/', station.url).href;

test('a reload keeps the key, a second tab gets it from the first, and a tab alone asks for the printed address', async ({
  browser,
}) => {
  const context = await browser.newContext();
  const first = await context.newPage();
  const isUp = (page: typeof first) =>
    expect(
      page
        .getByRole('heading', { level: 1, name: 'Teach a language model your taste' })
        .or(page.locator('.frame, nav').first())
        .first(),
    ).toBeVisible();
  await first.goto(station.url);
  await isUp(first);
  expect(first.url()).not.toContain('token');
  await first.reload();
  await isUp(first);
  const second = await context.newPage();
  await second.goto(bare());
  await isUp(second);
  await second.reload();
  await isUp(second);
  await first.close();
  await second.close();
  const alone = await context.newPage(); // with the cookie, and no tab to ask
  await alone.goto(bare());
  await expect(alone.getByText('This tab has no key')).toBeVisible();
  await alone.goto('about:blank');
  await alone.goto(station.url);
  await isUp(alone);
  await context.close();
});

test('a server on another port is brought the cookie, and is let into nothing', async ({ browser }) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(station.url);
  await expect(page.locator('h1').first()).toBeAttached();
  let brought = '';
  const other = http
    .createServer((request, response) => {
      brought ||= request.headers.cookie ?? '';
      response.setHeader('content-type', 'text/html').end('<!doctype html><title>another server</title>');
    })
    .listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  await page.goto(`http://127.0.0.1:${(other.address() as AddressInfo).port}/`);
  expect(brought).toMatch(/^tastemaker-\d+=/); // browsers do that
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  const { origin, host } = new URL(station.url);
  const socket = new WebSocket(`ws://${host}/socket?client=of-the-other`, { headers: { origin, cookie: brought } });
  const heard: string[] = [];
  socket.on('message', (data: Buffer) => heard.push(String(data)));
  socket.on('open', () => socket.send(JSON.stringify({ id: 1, call: 'app.state', args: {}, project: null })));
  expect(await new Promise((resolve) => socket.once('close', resolve))).toBe(4401);
  expect(heard).toEqual([]);
  expect((await fetch(`${origin}/session`, { headers: { cookie: brought } })).status).toBe(401);
  other.close();
  await context.close();
});
