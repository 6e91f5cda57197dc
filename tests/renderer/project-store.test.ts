// What is of one project ends with it: its stores, its late calls and writes, and what is heard of it.
// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { DeskItem } from '#core/contract/desk.ts';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';

const itemOf = (project: string): DeskItem =>
  ({
    itemId: 7,
    prompt: {
      id: 7,
      text: `${project} question`,
      reference: null,
      split: 'train',
      source: 'test',
      facts: null,
      messages: null,
      extra: null,
    },
    answers: [71, 72].map((completionId) => ({
      completionId,
      text: `${project} ${completionId}`,
      spans: [],
      marks: [],
      ratings: {},
      flagged: false,
    })),
    draft: { ranks: [], confidence: null, note: null, naive: null, durationMs: 0 },
    ranking: null,
    flagged: false,
    reason: 'Next.',
    guidelines: 1,
  }) as unknown as DeskItem;
const stateOf = (project: string) =>
  ({
    project: { id: project, folder: `/${project}`, name: project },
    settings: {},
    labelers: [{ id: 1, name: 'Ada', kind: 'person' }],
    preferences: { keys: {}, recent: [] },
    notices: [],
  }) as unknown as AppState;

/** A service that has one project open, and refuses what is meant for another as the real one does. */
const service = { open: 'amber', asked: [] as Request[], held: [] as (() => void)[], hold: '' };
let hear: (notice: Notice) => void = () => {};
const refused = { code: 'wrong-project', message: 'Another one is open.', hint: '' };
window.workbench = {
  async call(request): Promise<Reply> {
    service.asked.push(request);
    if (request.call === service.hold) await new Promise<void>((go) => service.held.push(go));
    if (request.call === 'app.state') return { id: request.id, result: stateOf(service.open) };
    if (request.project !== service.open) return { id: request.id, fault: refused };
    return {
      id: request.id,
      result: request.call === 'desk.item' ? itemOf(service.open) : { at: 1, eventId: 1, rows: [] },
    };
  },
  on(listener) {
    hear = listener;
    return () => {};
  },
};
const { useProjectService } = await import('#renderer/api.ts');
const { useApp } = await import('#renderer/stores/app.ts');
const { useDesk } = await import('#renderer/stores/desk.ts');
const { useToasts } = await import('#renderer/stores/toasts.ts');

const settle = () => new Promise((done) => setTimeout(done, 20));
function open(project: string): void {
  service.open = project;
  const { project: summary, settings, labelers } = stateOf(project);
  hear({ event: 'project.changed', project: null, data: { project: summary, settings, labelers } });
}
const drafts = () =>
  service.asked
    .filter(({ call }) => call === 'desk.draft')
    .map(({ project, args }) => [project, (args as { changes: { note: string } }).changes.note]);

beforeEach(async () => {
  setActivePinia(createPinia());
  localStorage.clear();
  Object.assign(service, { open: 'amber', asked: [], held: [], hold: '' });
  await useApp().load();
});
afterEach(() => useApp().$dispose()); // a window has one

test('with another project every store is a new one, and the desk shows nothing of the one before', async () => {
  const before = useDesk();
  await before.load();
  expect(before.item?.prompt.text).toBe('amber question');
  useToasts().show({ sentence: 'Deleted.', action: { label: 'Undo', run: () => {} } });
  open('blue');
  expect(useDesk()).not.toBe(before);
  expect(useDesk().item).toBeNull();
  expect(useToasts().toasts).toEqual([]);
  await useDesk().load();
  expect(useDesk().item?.prompt.text).toBe('blue question');
});

test('what the desk before still writes is meant for its own project; where that is refused, it is said', async () => {
  const before = useDesk();
  await before.load();
  open('blue');
  before.setNote('half a thought');
  await settle();
  expect(drafts()).toEqual([['amber', 'half a thought']]);
  expect(useToasts().toasts.map(({ sentence }) => sentence)).toEqual([
    expect.stringContaining('is not saved: its project had been closed'),
  ]);
});

test('an answer that comes after the project was closed leads to nothing, and no complaint', async () => {
  const { call } = useProjectService();
  service.hold = 'prompts.page';
  const asked = call('prompts.page', { offset: 0, limit: 1 }).then(
    () => 'went on',
    (error: { code: string }) => error.code,
  );
  open('blue');
  for (const go of service.held.splice(0)) go();
  expect(await asked).toBe('wrong-project');
  service.open = 'amber';
  open('amber');
  service.held = [];
  const again = useProjectService()
    .call('prompts.page', { offset: 0, limit: 1 })
    .then(
      () => 'went on',
      (error: { code: string }) => error.code,
    );
  service.hold = '';
  open('blue');
  service.open = 'amber';
  for (const go of service.held.splice(0)) go();
  expect(await again).not.toBe('went on');
});

test('events of another project are not heard, those of this one and of the program are', () => {
  const heard: string[] = [];
  const { on } = useProjectService();
  on('labels.changed', ({ itemId }) => void heard.push(`labels ${itemId}`));
  on('preferences.changed', () => void heard.push('preferences'));
  hear({ event: 'labels.changed', project: 'blue', data: { labelerId: 1, itemId: 1 } });
  hear({ event: 'labels.changed', project: 'amber', data: { labelerId: 1, itemId: 2 } });
  hear({ event: 'preferences.changed', project: null, data: { preferences: stateOf('amber').preferences } });
  open('blue');
  hear({ event: 'labels.changed', project: 'blue', data: { labelerId: 1, itemId: 3 } }); // the listener was of amber
  expect(heard).toEqual(['labels 2', 'preferences']);
});

test('before the project is closed the desk writes everything, and only then says so', async () => {
  const desk = useDesk();
  await desk.load();
  desk.setNote('first');
  desk.setFlag(true);
  desk.setNote('last');
  hear({ event: 'project.leaving', project: 'amber', data: {} });
  await vi.waitFor(() => expect(service.asked.at(-1)).toMatchObject({ call: 'project.left', project: 'amber' }));
  expect(
    service.asked.map(({ call }) => call).filter((name) => ['desk.draft', 'desk.flag', 'project.left'].includes(name)),
  ).toEqual(['desk.draft', 'desk.flag', 'desk.draft', 'project.left']);
  expect(desk.unsaved()).toBe(false);
});

test('a window that missed the change hears of it when it is refused', async () => {
  service.open = 'blue'; // while its connection was lost
  await useProjectService()
    .call('runs.list', {})
    .catch(() => undefined);
  await vi.waitFor(() => expect(useApp().project?.name).toBe('blue'));
});
