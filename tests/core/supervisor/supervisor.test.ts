// The supervisor with real processes: what happens to calls when the service dies, however it dies.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CALLS } from '#core/contract/calls.ts';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';
import { plainEnvironment } from '#core/supervisor/service-process.ts';
import { superviseService } from '#core/supervisor/supervisor.ts';
import type { Supervisor } from '#core/supervisor/supervisor.ts';

/** Stands in for the service: dies as its calls say, notes its starts, and tells what it was asked. */
const SCRIPT = `// Dies on demand.
import { appendFileSync, readFileSync, existsSync } from 'node:fs';
const [starts, log] = [process.env.STARTS, process.env.ASKED];
appendFileSync(starts, 'x');
if (process.env.DIES === 'at once') { console.error('cannot start here'); process.exit(3); }
let open = null;
process.on('disconnect', () => { appendFileSync(log, 'end\\n'); process.exit(0); });
process.on('message', ({ id, call, args, project }) => {
  appendFileSync(log, call + ' ' + JSON.stringify(args) + (project ? ' ' + project : '') + '\\n');
  if (call === 'project.open' && (args.folder === '/deadly' || (args.folder === '/turns deadly' && readFileSync(starts, 'utf8').length > 1))) process.kill(process.pid, 'SIGKILL');
  if (call === 'project.open' && args.folder === '/gone' && readFileSync(starts, 'utf8').length > 1) return process.send({ id, fault: { code: 'bad-file', message: 'It has gone.', hint: '' } });
  if (call === 'project.open' || call === 'project.saveCopy') open = args.folder;
  if (call === 'project.close') open = null;
  if (call === 'search.find' && args.text === 'die always') process.kill(process.pid, 'SIGKILL');
  if (args.dies && !existsSync(args.dies)) { appendFileSync(args.dies, ''); console.error('dying'); process.kill(process.pid, 'SIGKILL'); }
  if (call === 'app.state') process.send({ event: 'data.changed', data: {} });
  process.send({ id, result: { pid: process.pid, project: open && { folder: open } } });
});
`;

let folder = '';
let supervisor: Supervisor | null = null;
let notices: Notice[] = [];
let ends: string[] = [];
let lines: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'supervisor-'));
  writeFileSync(join(folder, 'service.mjs'), SCRIPT);
  for (const name of ['starts', 'asked']) writeFileSync(join(folder, name), '');
  [notices, ends, lines] = [[], [], []];
});
afterEach(async () => {
  await supervisor?.close();
  rmSync(folder, { recursive: true, force: true });
});

type Asked = Omit<Request, 'project'> & { project?: string };
function start(
  env: Record<string, string> = {},
  node = process.execPath,
): Omit<Supervisor, 'call'> & { call(request: Asked): Promise<Reply> } {
  const started = (supervisor = superviseService({
    node,
    script: join(folder, 'service.mjs'),
    env: { ...process.env, STARTS: join(folder, 'starts'), ASKED: join(folder, 'asked'), ...env },
    onNotice: (notice) => notices.push(notice),
    onExit: (sentence) => ends.push(sentence),
    log: (line) => lines.push(line),
  }));
  return { ...started, call: (request) => started.call({ project: null, ...request }) };
}
const read = async (name: string) => (await import('node:fs')).readFileSync(join(folder, name), 'utf8');
const dies = () => join(folder, `died-${Math.random()}`);

test('calls are answered under their own ids, also where two callers use the same one', async () => {
  const { call } = start();
  const replies = await Promise.all([1, 2, 1, 0].map((id) => call({ id, call: 'app.state', args: {} })));
  expect(replies.map(({ id }) => id)).toEqual([1, 2, 1, 0]);
  expect(notices).toHaveLength(4);
});

test('after a death reads are asked again, writes are told of, and the project is open before anything else is asked', async () => {
  const { call } = start();
  await call({ id: 1, call: 'project.open', args: { folder: '/mine' } });
  const [read1, write, later] = await Promise.all([
    call({ id: 2, call: 'prompts.page', args: { dies: dies() }, project: 'that-of-mine' }),
    call({ id: 3, call: 'desk.submit', args: {} }),
    call({ id: 4, call: 'app.state', args: {} }),
  ]);
  expect(read1).toMatchObject({ id: 2, result: { project: { folder: '/mine' } } });
  expect(write).toMatchObject({ id: 3, fault: { code: 'crash', message: expect.stringContaining('"desk.submit"') } });
  expect(later).toHaveProperty('result.project.folder', '/mine');
  expect(
    (await read('asked'))
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[0]),
  ).toEqual(['project.open', 'prompts.page', 'project.open', 'prompts.page', 'app.state']);
  // whose call it is crosses again with it
  expect((await read('asked')).match(/prompts\.page .* that-of-mine$/gm)).toHaveLength(2);
  expect(notices.filter(({ event }) => event === 'service.restarted')).toHaveLength(1);
  expect(lines).toEqual(['The service was ended by SIGKILL. It said: dying']);
});

test('a project that was closed stays closed; one that cannot be opened again is told of', async () => {
  const { call } = start();
  await call({ id: 1, call: 'project.open', args: { folder: '/mine' } });
  await call({ id: 2, call: 'project.close', args: {} });
  await call({ id: 3, call: 'prompts.page', args: { dies: dies() } });
  expect((await read('asked')).match(/project.open/g)).toHaveLength(1);
});

test('after the project was saved as another one, it is that one which is opened again', async () => {
  const { call } = start();
  await call({ id: 1, call: 'project.open', args: { folder: '/mine' } });
  await call({ id: 2, call: 'project.saveCopy', args: { folder: '/saved' } });
  expect(await call({ id: 3, call: 'prompts.page', args: { dies: dies() } })).toHaveProperty(
    'result.project.folder',
    '/saved',
  );
});

test('a project that has gone meanwhile is told of', async () => {
  const { call } = start();
  await call({ id: 1, call: 'project.open', args: { folder: '/gone' } });
  expect(await call({ id: 2, call: 'prompts.page', args: { dies: dies() } })).toHaveProperty('result.project', null);
  expect(notices.at(-1)).toMatchObject({
    event: 'service.restarted',
    data: { sentence: expect.stringContaining('It has gone.') },
  });
});

test('a call that kills the service every time is asked twice, not for ever', async () => {
  const { call } = start();
  const deadly = await call({ id: 1, call: 'search.find', args: { text: 'die always' } });
  expect(deadly).toMatchObject({ fault: { code: 'crash', message: expect.stringContaining('search.find') } });
  expect(await call({ id: 2, call: 'app.state', args: {} })).toHaveProperty('result.pid');
  expect(await read('starts')).toBe('xxx');
  const opened = await call({ id: 3, call: 'project.open', args: { folder: '/deadly' } });
  expect(opened).toHaveProperty('fault.code', 'crash');
  expect(await call({ id: 4, call: 'app.state', args: {} })).toHaveProperty('result.project', null);
});

test('a project whose opening kills the service is not opened again for ever', async () => {
  const { call } = start();
  await call({ id: 1, call: 'project.open', args: { folder: '/turns deadly' } });
  expect(await call({ id: 2, call: 'prompts.page', args: { dies: dies() } })).toHaveProperty('result.project', null);
  expect(await read('starts')).toBe('xxxx');
  expect(notices).toEqual([
    {
      event: 'service.restarted',
      project: null,
      data: { sentence: expect.stringContaining('Opening /turns deadly stopped the service again.') },
    },
  ]);
});

test('a service that never starts is given up with a sentence, which answers every call', async () => {
  const { call } = start({ DIES: 'at once' });
  const early = await call({ id: 1, call: 'app.state', args: {} });
  expect(early).toHaveProperty('fault.code', 'crash');
  while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(ends).toEqual([expect.stringMatching(/^The service stopped 5 times within 30 seconds .* it ended with 3\.$/)]);
  expect(await call({ id: 2, call: 'app.state', args: {} })).toHaveProperty('fault.message', ends[0]);
  expect(await read('starts')).toBe('xxxxx');
  expect(lines.at(-1)).toContain('cannot start here');
});

test('a Node that is not there is a sentence too', async () => {
  const { call } = start({}, join(folder, 'no-such-node'));
  expect(await call({ id: 1, call: 'guidelines.save', args: {} })).toHaveProperty('fault.code', 'crash');
  while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(ends[0]).toMatch(/could not be started: .*ENOENT/);
});

test('closing lets the service end by itself, answers what is open, and starts nothing again', async () => {
  const { call, close, pid } = start();
  await call({ id: 1, call: 'app.state', args: {} });
  const process1 = pid()!;
  await Promise.all([close(), close()]);
  expect((await read('asked')).trim().split('\n').at(-1)).toBe('end');
  expect(() => process.kill(process1, 0)).toThrow('ESRCH');
  expect(await call({ id: 2, call: 'app.state', args: {} })).toHaveProperty('fault.message', 'Tastemaker is closing.');
  expect([await read('starts'), notices.length, ends.length, lines.length]).toEqual(['x', 1, 0, 0]);
});

test('every call of the contract is either safe to ask again or told of', async () => {
  const { call } = start();
  const names = Object.keys(CALLS);
  const victim = dies();
  const replies = await Promise.all([
    ...names.map((name, id) => call({ id, call: name, args: { folder: '/a' } })),
    call({ id: 1000, call: 'files.list', args: { dies: victim } }),
  ]);
  expect(replies.every((reply) => 'result' in reply)).toBe(true); // all had been answered before it died
});

test('it never rejects: what is no call, and what cannot be written as JSON, is a fault, and the service lives', async () => {
  start();
  const pid = supervisor!.pid();
  const round: { self?: unknown } = {};
  round.self = round;
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown;
  const odd: unknown[] = [
    null,
    undefined,
    7,
    'app.state',
    [],
    {},
    { id: 'x', call: 'app.state' },
    { id: 1, call: 7 },
    ...[round, deep, 1n, { big: 'x'.repeat(5 * 2 ** 20) }].map((args) => ({
      id: 3,
      call: 'app.state',
      args,
      project: null,
    })),
  ];
  for (const request of odd)
    expect(await supervisor!.call(request as Request), typeof request).toMatchObject({
      fault: { message: expect.stringMatching(/no call|nested too deep|more than 4 MiB|could not be asked/) },
    });
  expect(await supervisor!.call({ id: 9, call: 'app.state', args: {}, project: null })).toMatchObject({
    id: 9,
    result: { pid },
  });
});

test('what would make Node another program is not handed to the service; everything else is', async () => {
  const spy = join(folder, 'spy.mjs');
  writeFileSync(
    spy,
    `import { appendFileSync } from 'node:fs'; appendFileSync(${JSON.stringify(join(folder, 'asked'))}, 'spied\\n');`,
  );
  const { call } = start({
    NODE_OPTIONS: `--import ${spy}`,
    NODE_EXTRA_CA_CERTS: '/nowhere',
    ELECTRON_RUN_AS_NODE: '1',
    LD_PRELOAD: '',
    KEPT: 'yes',
  });
  await call({ id: 1, call: 'app.state', args: {} });
  expect(await read('asked')).not.toContain('spied');
  expect(
    plainEnvironment({
      NODE_OPTIONS: 'x',
      node_options: 'x',
      NODE_PATH: 'x',
      ELECTRON_RUN_AS_NODE: '1',
      LD_PRELOAD: 'mine',
      PATH: '/bin',
      TASTEMAKER_HOME: 'h',
    }),
  ).toEqual({ LD_PRELOAD: 'mine', PATH: '/bin', TASTEMAKER_HOME: 'h' });
});
