// The answers that the host keeps: bounded for all windows together, and an answer that cannot be sent is a fault.
import { expect, test } from 'vitest';
import type { Reply, Request } from '#core/contract/messages.ts';
import { createRecentReplies } from '#core/host/recent-replies.ts';

const MIB = 2 ** 20;
const request = (id: number): Request => ({ id, call: 'samples.page', args: {}, project: null });
const answering = (result: (id: number) => unknown) =>
  createRecentReplies(({ id }) => Promise.resolve({ id, result: result(id) }));

test('69 reloads of 9 MB each leave 16 million characters at most, and the newest answers are still there', async () => {
  let asked = 0;
  const replies = answering(() => (asked++, 'x'.repeat(9e6)));
  for (let reload = 0; reload < 69; reload++) {
    await replies.answer(`window-${reload}`, request(1));
    expect(replies.kept()).toBeLessThanOrEqual(16 * MIB);
  }
  expect(asked).toBe(69);
  expect((await replies.answer('window-68', request(1))).length).toBeGreaterThan(9e6);
  expect(asked).toBe(69); // kept
  expect((await replies.answer('window-3', request(1))).slice(0, 200)).toContain('was lost with the connection');
  expect(asked).toBe(69); // told that it is gone, and not carried out twice
});

test.each<[string, (id: number) => unknown, RegExp]>([
  ['too long', () => 'x'.repeat(32 * MIB), /longer than 32 MiB/],
  ['nested too deep', () => JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown, /could not be written/],
  ['no JSON', () => 1n, /could not be written/],
])('an answer that is %s is a fault', async (_, result, says) => {
  const reply = JSON.parse(await answering(result).answer('a', request(7))) as Reply;
  expect(reply).toMatchObject({ id: 7, fault: { message: expect.stringMatching(says) } });
});

test('a call that rejects is a fault too', async () => {
  const replies = createRecentReplies(() => Promise.reject(new Error('broken')));
  expect(JSON.parse(await replies.answer('a', request(1)))).toMatchObject({ id: 1, fault: { code: 'crash' } });
});
