// A warm thread: it remembers, its faults are those of the task, and it ends when it is called off, dies or rests.
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { warmThread } from '#core/service/warm-thread.ts';
import type { AnsweringTasks } from './answering-thread.ts';

const started = (restMs = 60_000) =>
  warmThread<AnsweringTasks>(path.join(import.meta.dirname, 'answering-thread.ts'), restMs);
const errorOf = (asked: Promise<unknown>): Promise<unknown> => asked.then(() => null).catch((error: unknown) => error);

test('it remembers between questions, and one that waits lets others go first', async () => {
  const thread = started();
  expect(await thread.ask('count', { by: 2 })).toBe(2);
  const order: string[] = [];
  await Promise.all([
    thread.ask('wait', { ms: 50 }).then((answer) => order.push(answer)),
    thread.ask('count', { by: 3 }).then((answer) => order.push(String(answer))),
  ]);
  expect(order).toEqual(['5', 'waited']);
});

test('a fault crosses whole, a mistake of ours as one, and the thread goes on', async () => {
  const thread = started();
  await thread.ask('count', { by: 1 });
  const fault = await errorOf(thread.ask('refuse', { what: 'rows' }));
  expect(fault).toBeInstanceOf(TastemakerError);
  expect(fault).toMatchObject({
    code: 'bad-data',
    message: 'No rows.',
    hint: 'Take another.',
    atCommandLine: '--other takes another.',
  });
  const crash = await errorOf(thread.ask('crash', undefined));
  expect(crash).not.toBeInstanceOf(TastemakerError);
  expect(String(crash)).toContain('RangeError: a mistake of ours');
  expect(await thread.ask('count', { by: 1 })).toBe(2);
});

test('called off, dead or at rest it ends, whoever waits is told, and the next question starts another', async () => {
  const thread = started(100);
  await thread.ask('count', { by: 7 });
  const off = new AbortController();
  const asked = errorOf(thread.ask('wait', { ms: 60_000 }, off.signal));
  off.abort(new Error('the project is closed'));
  expect(String(await asked)).toBe('Error: the project is closed');
  await expect(thread.ask('count', { by: 1 }, off.signal)).rejects.toThrow('the project is closed');
  expect(await thread.ask('count', { by: 1 })).toBe(1);

  const beside = errorOf(thread.ask('wait', { ms: 60_000 }));
  expect(String(await errorOf(thread.ask('die', undefined)))).toContain('ended without an answer');
  expect(String(await beside)).toContain('ended without an answer');
  expect(await thread.ask('count', { by: 1 })).toBe(1);

  await wait(300); // longer than it rests
  expect(await thread.ask('count', { by: 1 })).toBe(1);
});
