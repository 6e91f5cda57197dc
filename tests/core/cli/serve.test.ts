// `tastemaker serve` as its users meet it: one line with an address, a page behind it, a clean end, the same project
// next time.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Reply } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';
import { createProject } from '#core/store/database.ts';
import { WebSocket } from 'ws';

let home = '';
const started: ChildProcess[] = [];
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'serve-'));
  const { ensureBuiltOrSay } = (await import(join(process.cwd(), 'build/bundles.mjs'))) as {
    ensureBuiltOrSay(root: string): Promise<boolean>;
  };
  if (!(await ensureBuiltOrSay(process.cwd()))) throw new Error('the window could not be built');
  createProject(join(home, 'mine.tastemaker')).close();
});
afterEach(() => started.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Served {
  child: ChildProcess;
  output: { stdout: string; stderr: string };
  ended: Promise<number | null>;
  line: Promise<string>;
}

function serve(args: string[], environment: Record<string, string | undefined> = {}): Served {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', 'core/cli/main.ts', 'serve', ...args],
    {
      env: {
        ...process.env,
        TASTEMAKER_HOME: home,
        DISPLAY: undefined,
        WAYLAND_DISPLAY: undefined,
        ...environment,
      } as NodeJS.ProcessEnv,
    },
  );
  started.push(child);
  const output = { stdout: '', stderr: '' };
  child.stderr.on('data', (data: Buffer) => (output.stderr += String(data)));
  const line = new Promise<string>((resolve) =>
    child.stdout.on('data', (data: Buffer) => {
      output.stdout += String(data);
      if (output.stdout.includes('\n')) resolve(output.stdout.trim());
    }),
  );
  return { child, output, line, ended: new Promise((resolve) => child.once('close', (code) => resolve(code))) };
}

/** A window: the token for cookie and key, then calls over the socket. */
async function windowAt(url: string): Promise<<T>(call: string, args: unknown) => Promise<T>> {
  const { origin, hash } = new URL(url);
  const session = await fetch(`${origin}/session`, {
    method: 'POST',
    headers: { origin },
    body: JSON.stringify({ token: hash.slice('#token='.length) }),
  });
  const cookie = session.headers.get('set-cookie')!.split(';')[0]!;
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/socket?client=a-test-window`, {
    headers: { origin, cookie },
  });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.send(JSON.stringify(await session.json())); // its key
  let ids = 0;
  let project: string | null = null;
  return <T>(call: string, args: unknown) =>
    new Promise<T>((resolve, reject) => {
      const id = ++ids;
      socket.on('message', function hear(data: Buffer) {
        const reply = JSON.parse(String(data)) as Reply;
        if (!('id' in reply) || reply.id !== id) return;
        socket.off('message', hear);
        if ('result' in reply) project = (reply.result as Partial<AppState> | null)?.project?.id ?? project;
        if ('result' in reply) resolve(reply.result as T);
        else reject(new Error(reply.fault.message));
      });
      socket.send(JSON.stringify({ id, call, args, project }));
    });
}
const addressIn = (line: string) => /http:\/\/\S+$/.exec(line)![0];

test('one line, a page, a window; Ctrl-C ends it whole, and the next start opens the same project', async () => {
  const first = serve(['--no-open', '--project', join(home, 'mine.tastemaker')]);
  const line = await first.line;
  expect(line).toMatch(/^Tastemaker is at http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/);
  const page = await fetch(addressIn(line));
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('<script type="module"')]);
  const call = await windowAt(addressIn(line));
  expect(await call<AppState>('app.state', {})).toHaveProperty('project.name', 'mine');
  first.child.kill('SIGINT');
  expect(await first.ended).toBe(0);
  expect(first.output).toEqual({ stdout: `${line}\n`, stderr: '' });
  expect(existsSync(join(home, 'mine.tastemaker/project.lock'))).toBe(false);

  const second = serve(['--no-open', '--json']);
  const { url } = JSON.parse(await second.line) as { url: string };
  expect(url).not.toBe(addressIn(line)); // a token of its own
  expect(await (await windowAt(url))<AppState>('app.state', {})).toHaveProperty('project.name', 'mine');
  // a third one at the same time: another port, and a sentence instead of the project
  const third = serve(['--no-open']);
  expect(new URL(addressIn(await third.line)).port).not.toBe(new URL(url).port);
  expect(third.output.stderr).toMatch(/already open for writing in another process/);
  for (const { child, ended } of [second, third]) {
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }
});

test('a parent that is killed leaves no service behind', async () => {
  const { child, line } = serve(['--no-open', '--project', join(home, 'mine.tastemaker')]);
  await line;
  child.kill('SIGKILL');
  for (const end = Date.now() + 10_000; existsSync(join(home, 'mine.tastemaker/project.lock')) && Date.now() < end;)
    await new Promise((resolve) => setTimeout(resolve, 50));
  expect(existsSync(join(home, 'mine.tastemaker/project.lock'))).toBe(false);
});

test('a browser that cannot be opened is a sentence, not an error', async () => {
  const { child, line, output, ended } = serve(['--project', join(home, 'mine.tastemaker')]);
  await line;
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(output.stderr).toBe('No browser could be opened from here; open the address yourself.\n');
});

test.each([
  [
    'a project that is not there',
    async () => ['--project', join(home, 'gone.tastemaker')],
    /^Error: There is no project at .*gone\.tastemaker.*\nHint: /,
  ],
  [
    'a port in use',
    async () => ['--port', String(await takenPort())],
    /^Error: Port \d+ cannot be used \(EADDRINUSE\)\.\nHint: /,
  ],
  ['a port out of range', async () => ['--port', '70000'], /^Error: --port is "70000"/],
])('%s ends with a sentence and exit code 2', async (_, args, sentence) => {
  const { ended, output } = serve([...(await args()), '--no-open']);
  expect([await ended, output.stdout]).toEqual([2, '']);
  expect(output.stderr).toMatch(sentence);
});

const takenPort = () =>
  new Promise<number>((resolve) => {
    const server = net
      .createServer()
      .listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
      .unref();
  });

test("the very first start makes the demo: forty items to label within seconds, and the demo's labelers rank 1,300", async () => {
  const fresh = join(home, 'fresh');
  const begun = Date.now();
  const { child, line, output, ended } = serve(['--demo', '--no-open'], { TASTEMAKER_HOME: fresh, HOME: fresh });
  const call = await windowAt(addressIn(await line));
  const state = await call<AppState>('app.state', {});
  expect(state.project).toMatchObject({
    name: 'tiny-tldr',
    isDemo: true,
    prompts: { train: 2300, validation: 300, test: 160 },
  });
  let completions = 0;
  while (
    (completions = (await call<AppState>('app.state', {})).project!.completions) < 160 &&
    Date.now() < begun + 60_000
  )
    await new Promise((resolve) => setTimeout(resolve, 100));
  expect(completions).toBeGreaterThanOrEqual(160);
  expect(Date.now() - begun).toBeLessThan(30_000);
  const item = await call<DeskItem>('desk.item', { labelerId: state.settings!.labelerId, queue: 'sequential' });
  expect(item.answers.reduce((sum, { times }) => sum + times, 0)).toBe(4); // equal ones are shown once
  // the service is killed meanwhile: what is still to come, comes
  const runs = await call<RunRow[]>('runs.list', {});
  expect(runs.map(({ kind }) => kind)).toEqual(['sample', 'sample']);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(output.stderr).toMatch(/goes on in the background|until Tastemaker is opened again/);
  const again = serve(['--demo', '--no-open'], { TASTEMAKER_HOME: fresh, HOME: fresh });
  const recall = await windowAt(addressIn(await again.line));
  let rankings = 0;
  while ((rankings = (await recall<AppState>('app.state', {})).project!.rankings) < 1300)
    await new Promise((resolve) => setTimeout(resolve, 250));
  expect(rankings).toBe(1300);
  expect((await recall<AppState>('app.state', {})).labelers.filter(({ kind }) => kind === 'program')).toHaveLength(3);
  again.child.kill('SIGTERM');
  expect(await again.ended).toBe(0);
});
