// The one way in which screens ask: against a service that answers late, in another order, wrongly, or not at all.
// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test } from 'vitest';
import { effectScope, nextTick, ref } from 'vue';
import type { EffectScope } from 'vue';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';

/** Questions that are under way, oldest first; the test answers them, in whatever order. */
let asked: { request: Request; answer(result: unknown): void; fail(message: string, code?: string): void }[] = [];
let hear: (notice: Notice) => void = () => {};
window.workbench = {
  call: (request) =>
    new Promise<Reply>((resolve) =>
      asked.push({
        request,
        answer: (result) => resolve({ id: request.id, result }),
        fail: (message, code = 'bad-data') => resolve({ id: request.id, fault: { code, message, hint: '' } }),
      }),
    ),
  on(listener) {
    hear = listener;
    return () => {};
  },
};
const { connect, showProject } = await import('#renderer/api.ts');
const { useAsked } = await import('#renderer/asked.ts');
const { useAttempt } = await import('#renderer/attempt.ts');
await connect();

let scope: EffectScope;
const settle = () => new Promise((done) => setTimeout(done, 1));
const args = () => asked.map(({ request }) => request.args);
const tell = (notice: Omit<Extract<Notice, { event: 'labels.changed' }>, 'project'>, project = 'one') =>
  hear({ ...notice, project });
const labelled = (labelerId: number) => ({ event: 'labels.changed' as const, data: { labelerId, itemId: null } });

beforeEach(() => {
  asked = [];
  showProject(null);
  showProject('one');
  scope = effectScope();
});
afterEach(() => scope.stop());

test('it asks at once, in the project that is shown, and shows the answer', async () => {
  const { answer, busy, fault } = scope.run(() => useAsked('runs.log', () => ({ runId: '1' })))!;
  expect([answer.value, busy.value]).toEqual([null, true]);
  expect(asked[0]!.request).toMatchObject({ call: 'runs.log', args: { runId: '1' }, project: 'one' });
  asked[0]!.answer({ lines: ['a'] });
  await settle();
  expect([answer.value, busy.value, fault.value]).toEqual([{ lines: ['a'] }, false, null]);
});

test('other arguments overtake what is under way, in whatever order the answers come', async () => {
  const runId = ref('1');
  const { answer, busy } = scope.run(() => useAsked('runs.log', () => ({ runId: runId.value })))!;
  runId.value = '2';
  await nextTick();
  expect(args()).toEqual([{ runId: '1' }, { runId: '2' }]);
  asked[1]!.answer({ lines: ['two'] });
  await settle();
  asked[0]!.answer({ lines: ['one'] });
  await settle();
  expect([answer.value, busy.value]).toEqual([{ lines: ['two'] }, false]);
});

test('arguments that are written anew and say the same are the same', async () => {
  const list = ref([1]);
  scope.run(() => useAsked('prompts.weigh', () => ({ promptIds: [...list.value] })));
  list.value = [1];
  await nextTick();
  expect(asked).toHaveLength(1);
  list.value.push(2);
  await nextTick();
  expect(args()).toEqual([{ promptIds: [1] }, { promptIds: [1, 2] }]);
});

test('a wish that comes while the same is under way is one more question after it', async () => {
  const { answer, load } = scope.run(() =>
    useAsked('runs.log', () => ({ runId: '1' }), { again: { 'labels.changed': true } }),
  )!;
  const done = [load(), load()];
  tell(labelled(1));
  expect(asked).toHaveLength(1);
  asked[0]!.answer({ lines: ['old'] });
  await settle();
  expect([asked.length, answer.value]).toEqual([2, { lines: ['old'] }]);
  asked[1]!.answer({ lines: ['new'] });
  await Promise.all(done);
  expect([asked.length, answer.value]).toEqual([2, { lines: ['new'] }]);
});

test('it asks again after the events that are named, those alone that are picked, of this project alone', async () => {
  scope.run(() =>
    useAsked('desk.progress', () => ({ labelerId: 1, queue: 'sequential' }), {
      again: { 'labels.changed': ({ labelerId }) => labelerId === 1 },
    }),
  );
  asked[0]!.answer({});
  await settle();
  tell(labelled(2));
  tell(labelled(1), 'another');
  hear({ event: 'data.changed', data: {}, project: 'one' });
  expect(asked).toHaveLength(1);
  tell(labelled(1));
  expect(asked).toHaveLength(2);
});

test('what listens asks again after the service was started anew, for it may have missed something', async () => {
  scope.run(() => [
    useAsked('runs.list', () => ({}), { again: { 'run.facts': true } }),
    useAsked('runs.space', () => ({})),
  ]);
  for (const each of asked) each.answer([]);
  await settle();
  hear({ event: 'service.restarted', data: { sentence: '' }, project: null });
  expect(asked.map(({ request }) => request.call)).toEqual(['runs.list', 'runs.space', 'runs.list']);
});

test('many changes within `afterMs` are one question; the first is asked at once', async () => {
  const search = ref('');
  scope.run(() =>
    useAsked('search.find', () => ({ text: search.value, limit: 8 }), {
      afterMs: 15,
      again: { 'labels.changed': true },
    }),
  );
  expect(asked).toHaveLength(1);
  asked[0]!.answer({ hits: [] });
  for (const text of ['a', 'ab', 'abc']) {
    search.value = text;
    await nextTick();
    tell(labelled(1));
  }
  expect(asked).toHaveLength(1);
  await new Promise((done) => setTimeout(done, 40));
  expect(args().slice(1)).toEqual([{ text: 'abc', limit: 8 }]);
});

test('events that never pause for `afterMs` do not put the question off for ever', async () => {
  scope.run(() =>
    useAsked('search.find', () => ({ text: 'a', limit: 8 }), { afterMs: 30, again: { 'labels.changed': true } }),
  );
  asked[0]!.answer({ hits: [] });
  await settle();
  for (let i = 0; i < 20 && asked.length < 2; i++) {
    tell(labelled(1));
    await new Promise((done) => setTimeout(done, 5));
  }
  expect(asked.length).toBeGreaterThan(1);
});

test('a failure is kept as a fault; the answer stays beside the arguments it is of, and beside no others', async () => {
  const runId = ref('1');
  const heard: unknown[] = [];
  const { answer, fault, load } = scope.run(() =>
    useAsked('runs.log', () => ({ runId: runId.value }), { failed: (error) => heard.push(error) }),
  )!;
  asked[0]!.answer({ lines: ['a'] });
  await settle();
  const again = load();
  asked[1]!.fail('The log is gone.');
  await again;
  expect([answer.value, fault.value?.message]).toEqual([{ lines: ['a'] }, 'The log is gone.']);
  runId.value = '2';
  await nextTick();
  asked[2]!.fail('No such run.');
  await settle();
  expect([answer.value, fault.value?.message, heard.length]).toEqual([null, 'No such run.', 2]);
  const once = load();
  asked[3]!.answer({ lines: [] });
  await once;
  expect([answer.value, fault.value]).toEqual([{ lines: [] }, null]);
});

test('nothing is asked without arguments, and what was known is forgotten', async () => {
  const open = ref(false);
  const { answer, load } = scope.run(() => useAsked('data.changes', () => (open.value ? {} : null)))!;
  await load();
  expect(asked).toHaveLength(0);
  open.value = true;
  await nextTick();
  asked[0]!.answer({ changes: [] });
  await settle();
  expect(answer.value).toEqual({ changes: [] });
  open.value = false;
  await nextTick();
  expect(answer.value).toBe(null);
  open.value = true;
  await nextTick();
  open.value = false;
  await nextTick();
  asked[1]!.answer({ changes: [{}] });
  await settle();
  expect(answer.value).toBe(null);
});

test('an answer stays until that to other arguments comes, unless it is wanted anew', async () => {
  const runId = ref('1');
  const [kept, fresh] = scope.run(() => [
    useAsked('runs.log', () => ({ runId: runId.value })),
    useAsked('runs.log', () => ({ runId: runId.value }), { anew: true }),
  ])!;
  for (const each of asked) each.answer({ lines: ['a'] });
  await settle();
  runId.value = '2';
  await nextTick();
  expect([kept!.answer.value, fresh!.answer.value]).toEqual([{ lines: ['a'] }, null]);
});

test('of a project that was closed meanwhile nothing is shown, and what is set up no more asks nothing', async () => {
  const { answer, fault } = scope.run(() =>
    useAsked('data.changes', () => ({}), { again: { 'labels.changed': true } }),
  )!;
  showProject('two');
  asked[0]!.answer({ changes: [] });
  await settle();
  expect([answer.value, fault.value]).toEqual([null, null]);
  scope.stop();
  tell(labelled(1), 'two');
  expect(asked).toHaveLength(1);
});

test('an attempt is one at a time, says whether it was done, and keeps its refusal until the next', async () => {
  const open = ref(false);
  const { busy, fault, attempt } = scope.run(() => useAttempt({ open }))!;
  let end = () => {};
  const first = attempt(() => new Promise<void>((done) => (end = done)));
  expect([busy.value, await attempt(() => Promise.reject(new Error('never begun')))]).toEqual([true, false]);
  end();
  expect([await first, busy.value, fault.value]).toEqual([true, false, null]);
  expect(await attempt(() => Promise.reject(new Error('It is full.')))).toBe(false);
  expect([busy.value, fault.value?.message]).toEqual([false, 'It is full.']);
  open.value = true;
  await nextTick();
  expect(fault.value).toBe(null);
});

test('a refusal that is told elsewhere is not kept, nor is that of a project that was closed', async () => {
  const heard: unknown[] = [];
  const told = scope.run(() => useAttempt({ failed: (error) => heard.push(error) }))!;
  await told.attempt(() => Promise.reject(new Error('no')));
  expect([heard.length, told.fault.value]).toEqual([1, null]);
  const { useProjectService } = await import('#renderer/api.ts');
  const { call } = useProjectService();
  const kept = scope.run(() => useAttempt())!;
  const done = kept.attempt(() => call('data.changes', {}));
  showProject('two');
  asked[0]!.fail('closed', 'wrong-project');
  expect([await done, kept.fault.value, kept.busy.value]).toEqual([false, null, false]);
});
