// The store of runs of the window against a service that answers, forgets, repeats and skips.
// @vitest-environment happy-dom
import { wordsOf } from '#core/service/runs/run-rows.ts';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Fault, Notice, Reply, Request } from '#core/contract/messages.ts';
import type { MetricPoint, RunRow } from '#core/contract/runs.ts';

const run = (id: string, changes: Partial<RunRow> = {}): RunRow => ({
  id,
  kind: 'ppo',
  words: wordsOf('ppo'),
  name: id,
  status: 'running',
  createdAt: Number.parseInt(id, 10),
  endedAt: null,
  error: null,
  step: 0,
  total: 10,
  secondsLeft: null,
  phase: '',
  modelId: null,
  summary: null,
  resumable: false,
  atRest: false,
  ...changes,
});
const rows = (from: number, to: number, scale = 1): MetricPoint[] =>
  Array.from({ length: to - from }, (_, i) => ({ step: from + i, seconds: from + i, loss: (from + i) * scale }));

/** What a service knows, and what it was asked. */
const service = {
  runs: [] as RunRow[],
  rows: [] as MetricPoint[],
  most: 1000,
  asked: [] as Request[],
  held: [] as (() => void)[],
  hold: false,
};
let hear: (notice: Notice) => void = () => {};
function answer({ call, args }: Request): unknown {
  if (call === 'runs.list') return service.runs;
  if (call === 'runs.metrics') {
    const { from } = args as { from: number };
    return { rows: service.rows.slice(from, from + service.most), total: service.rows.length };
  }
  if (call === 'runs.pause') return { ...service.runs[0]!, status: 'paused' };
  return { fault: { code: 'bad-data', message: `no ${call}`, hint: '' } satisfies Fault };
}
window.workbench = {
  async call(request): Promise<Reply> {
    service.asked.push(request);
    const result = answer(request) as { fault?: Fault };
    if (service.hold) await new Promise<void>((go) => service.held.push(go));
    return result.fault ? { id: request.id, fault: result.fault } : { id: request.id, result };
  },
  on(listener) {
    hear = listener;
    return () => {};
  },
};
const { useRuns } = await import('#renderer/stores/runs.ts');
const { showProject } = await import('#renderer/api.ts');
showProject('one');

const settle = () => new Promise((done) => setTimeout(done, 20));
const asks = (name: string) => service.asked.filter(({ call }) => call === name).length;
const metrics = (from: number, list: MetricPoint[]) =>
  hear({ event: 'run.metrics', project: 'one', data: { runId: '0001-ppo', from, rows: list } });

beforeEach(() => {
  setActivePinia(createPinia());
  Object.assign(service, {
    runs: [run('0001-ppo'), run('0003-ppo'), run('0002-ppo')],
    rows: rows(0, 10),
    most: 1000,
    asked: [],
    held: [],
    hold: false,
  });
});
afterEach(() => service.held.splice(0).forEach((go) => go()));

test('the list is newest first and follows events and answers', async () => {
  const store = useRuns();
  await store.load();
  expect(store.runs.map(({ id }) => id)).toEqual(['0003-ppo', '0002-ppo', '0001-ppo']);
  hear({ event: 'run.changed', project: 'one', data: { run: run('0002-ppo', { step: 7 }) } });
  hear({ event: 'run.changed', project: 'one', data: { run: run('0004-ppo') } });
  expect(store.runs.map(({ id }) => id)).toEqual(['0004-ppo', '0003-ppo', '0002-ppo', '0001-ppo']);
  expect(store.byId.get('0002-ppo')?.step).toBe(7);
  await store.act('pause', '0001-ppo');
  expect(store.byId.get('0001-ppo')?.status).toBe('paused');
});

test('numbers come in parts, then by events, without asking again', async () => {
  service.most = 4;
  const store = useRuns();
  const open = store.open('0001-ppo');
  await settle();
  expect([open.curves.rows, asks('runs.metrics')]).toEqual([10, 3]);
  metrics(10, rows(10, 12));
  expect([open.curves.rows, asks('runs.metrics')]).toEqual([12, 3]);
});

test('rows that were missed are asked for', async () => {
  const store = useRuns();
  const open = store.open('0001-ppo');
  await settle();
  service.rows = rows(0, 15);
  metrics(13, rows(13, 15));
  await settle();
  expect(open.curves.rows).toBe(15);
  expect(Array.from(open.curves.byName.get('loss')!.value.subarray(0, 15))).toEqual(
    rows(0, 15).map(({ loss }) => loss),
  );
});

test('an event during the first answer is not lost, and nothing is counted twice', async () => {
  service.hold = true;
  const store = useRuns();
  const open = store.open('0001-ppo');
  await settle();
  service.rows = rows(0, 12);
  metrics(10, rows(10, 12));
  service.hold = false;
  service.held.splice(0).forEach((go) => go());
  await settle();
  expect(open.curves.rows).toBe(12);
  expect(open.curves.byName.get('loss')!.length).toBe(12);
});

test('after the service restarts, a run that went back to its checkpoint is drawn as it is now', async () => {
  const store = useRuns();
  const open = store.open('0001-ppo');
  await settle();
  service.rows = rows(0, 6);
  hear({ event: 'service.restarted', project: null, data: { sentence: '' } });
  await settle();
  expect(open.curves.rows).toBe(6);
  metrics(6, rows(6, 8, 10));
  expect(Array.from(open.curves.byName.get('loss')!.value.subarray(0, 8))).toEqual([0, 1, 2, 3, 4, 5, 60, 70]);
});

test('two views share a run; the last one to close it ends it', async () => {
  const store = useRuns();
  const open = store.open('0001-ppo');
  expect(store.open('0001-ppo')).toBe(open);
  await settle();
  store.close('0001-ppo');
  metrics(10, rows(10, 11));
  expect(open.curves.rows).toBe(11);
  store.close('0001-ppo');
  metrics(11, rows(11, 12));
  expect(open.curves.rows).toBe(11);
});

test('many events make few drawings', async () => {
  const store = useRuns();
  const open = store.open('0001-ppo');
  await settle();
  await new Promise((done) => setTimeout(done, 300));
  const before = open.tick;
  for (let i = 10; i < 60; i++) metrics(i, rows(i, i + 1));
  await new Promise((done) => setTimeout(done, 350));
  expect(open.curves.rows).toBe(60);
  expect(open.tick - before).toBeGreaterThanOrEqual(1);
  expect(open.tick - before).toBeLessThanOrEqual(2);
});
