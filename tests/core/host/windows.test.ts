// Several windows and one service: everybody hears of changes, no call is carried out twice, no message brings the host
// down.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { Labeler } from '#core/contract/rankings.ts';
import { openedProject, openWindow, signIn, startedHost, until } from './started-host.ts';
import type { StartedHost, TestWindow } from './started-host.ts';

let started: StartedHost;
let cookie = '';
let window: TestWindow;
beforeAll(async () => {
  started = await startedHost();
  cookie = await signIn(started);
  window = await openWindow(started, cookie);
  await window.call('project.create', { folder: join(started.home, 'mine'), demo: false });
});
afterAll(() => started.close());

const labelers = async () =>
  ((await window.call('app.state', {})) as { result: AppState }).result.labelers.map(({ name }) => name);

test('two windows are told the same, also of what the other one did', async () => {
  const [first, second] = [await openWindow(started, cookie), await openWindow(started, cookie)];
  await first.call('app.setPreferences', { changes: { theme: 'dark' } });
  await second.call('labelers.add', { name: 'Ada' });
  // what the service finds out of its own accord may come before the second window is there
  const told = ({ notices }: typeof first) => notices.filter(({ event }) => event !== 'hardware.changed');
  await until(() => told(first).length >= 2 && told(second).length >= 2, 'two notices in each window');
  expect(told(first)).toEqual(told(second));
  expect(told(first).map(({ event }) => event)).toEqual(['preferences.changed', 'project.changed']);
  expect(told(first)[1]).toHaveProperty(
    'data.labelers',
    expect.arrayContaining([expect.objectContaining({ name: 'Ada', kind: 'person' })]),
  );
});

test('a call sent again under the same id is carried out once, also over a new connection', async () => {
  const one = await openWindow(started, cookie, 'the-same-client');
  const before = await labelers();
  const first = await one.call('project.setSettings', { changes: { sessionGoal: 11 } }, 5);
  await window.call('project.setSettings', { changes: { sessionGoal: 99 } });
  one.socket.terminate();
  const two = await openWindow(started, cookie, 'the-same-client');
  expect(await two.call('project.setSettings', { changes: { sessionGoal: 11 } }, 5)).toEqual(first);
  // not set a second time
  expect(((await window.call('app.state', {})) as { result: AppState }).result.settings!.sessionGoal).toBe(99);
  // the answer was lost on the way: the connection ends before it comes
  two.send(JSON.stringify({ id: 6, call: 'labelers.add', args: { name: 'Grace' }, project: openedProject() }));
  two.send(JSON.stringify({ id: 6, call: 'labelers.add', args: { name: 'Grace' }, project: openedProject() }));
  two.socket.close();
  const three = await openWindow(started, cookie, 'the-same-client');
  expect(await three.call('labelers.add', { name: 'Grace' }, 6)).toMatchObject({
    id: 6,
    result: { name: 'Grace' } satisfies Partial<Labeler>,
  });
  expect(await labelers()).toEqual([...before, 'Grace']);
  // another window's ids are its own
  expect(
    await (
      await openWindow(started, cookie, 'another-client')
    ).call('project.setSettings', { changes: { sessionGoal: 12 } }, 5),
  ).toHaveProperty('result.sessionGoal', 12);
});

test('two hundred answers later an old id is told that its answer is gone, not carried out again', async () => {
  const one = await openWindow(started, cookie);
  await one.call('project.setSettings', { changes: { sessionGoal: 1 } }, 1000);
  for (let id = 1001; id <= 1201; id++) await one.call('files.list', { folder: started.home }, id);
  await one.call('project.setSettings', { changes: { sessionGoal: 2 } }, 1300);
  expect(await one.call('project.setSettings', { changes: { sessionGoal: 1 } }, 1000)).toHaveProperty(
    'fault.message',
    expect.stringContaining('lost'),
  );
  expect(((await one.call('app.state', {}, 1301)) as { result: AppState }).result.settings!.sessionGoal).toBe(2);
});

const WRONG_CALLS: Readonly<Record<string, [call: string, args: unknown]>> = {
  'an unknown call': ['desk.destroy', {}],
  'a name from the prototype': ['toString', {}],
  'an argument missing': ['project.open', {}],
  'an argument too many': ['app.state', { extra: 1 }],
  'a wrong type': ['labelers.add', { name: 7 }],
  'no arguments': ['app.state', null],
  'a number out of range': ['project.setSettings', { changes: { repeats: 0.5 } }],
  'a name much too long': ['x'.repeat(100_000), {}],
};
test.each(Object.entries(WRONG_CALLS))('%s is a fault in one sentence, logged', async (_, [call, args]) => {
  const before = started.log().length;
  const reply = await window.call(call, args);
  expect(reply).toMatchObject({
    fault: {
      code: 'bad-argument',
      message: expect.stringMatching(/^(There is no call|The call .* was given a wrong)/),
    },
  });
  await until(() => started.log().length > before, 'a line in the log');
  expect(started.log().at(-1)).toContain('A call was refused');
});

const WRONG_MESSAGES: Readonly<Record<string, [message: string | Buffer, code: number]>> = {
  'not JSON': ['{"id":1,', 1007],
  bytes: [Buffer.from([1, 2, 3]), 1003],
  'no object': ['[1,2]', 1008],
  null: ['null', 1008],
  'no id': ['{"call":"app.state","args":{}}', 1008],
  'an id that is no whole number': ['{"id":1.5,"call":"app.state","args":{}}', 1008],
  'a call that is no text': ['{"id":1,"call":{"a":1},"args":{}}', 1008],
  'too large': [JSON.stringify({ id: 1, call: 'guidelines.save', args: { text: 'x'.repeat(4 * 2 ** 20) } }), 1009],
};
test.each(Object.entries(WRONG_MESSAGES))('%s closes that window only', async (_, [message, code]) => {
  const bad = await openWindow(started, cookie);
  const before = started.log().length;
  bad.send(message);
  expect(await bad.closed).toBe(code);
  expect(started.log().length).toBe(before + 1);
  expect(await window.call('app.state', {})).toHaveProperty('result.project.name', 'mine');
});

test.each([5000, 500_000])('values nested %d deep are a fault, and everything is alive', async (depth) => {
  const pid = started.service.pid();
  const deep = '['.repeat(depth) + ']'.repeat(depth);
  for (const [id, call] of [
    [900_001, 'files.list'],
    [900_002, 'desk.submit'],
    [900_003, 'app.setPreferences'],
  ] as const) {
    window.send(`{"id":${id + depth},"call":"${call}","args":${deep},"project":null}`);
    await until(() => window.replies.some((reply) => reply.id === id + depth), 'an answer');
    expect(window.replies.find((reply) => reply.id === id + depth)).toMatchObject({
      fault: { code: 'bad-argument', message: `The call "${call}" was given values nested too deep.` },
    });
  }
  expect(await window.call('app.state', {})).toHaveProperty('result.project.name', 'mine');
  expect(started.service.pid()).toBe(pid);
});

test('a service killed in the middle comes back with the project open; reads are answered, a write is told of', async () => {
  const pid = started.service.pid()!;
  const notices = window.notices.length;
  process.kill(pid, 'SIGSTOP'); // so that both calls are at work when it dies
  const read = window.call('app.state', {});
  const write = window.call('guidelines.save', { text: 'Be kind.' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.kill(pid, 'SIGKILL');
  expect(await read).toHaveProperty('result.project.name', 'mine');
  expect(await write).toMatchObject({
    fault: {
      code: 'crash',
      message: expect.stringContaining('The service stopped while it answered "guidelines.save"'),
    },
  });
  expect(started.service.pid()).not.toBe(pid);
  expect(window.notices.slice(notices).map(({ event }) => event)).toContain('service.restarted');
  expect(started.log().some((line) => line.includes('The service was ended by SIGKILL'))).toBe(true);
  expect(readFileSync(join(started.home, 'mine.tastemaker/project.lock'), 'utf8')).toContain(
    `"pid":${started.service.pid()}`,
  );
});
