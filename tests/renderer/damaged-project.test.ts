// A project whose database is damaged: Home says so and offers its backups, where it has any, and opens what is put
// back.
// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMemoryHistory, createRouter } from 'vue-router';
import type { Fault, Reply, Request } from '#core/contract/messages.ts';
import type { BackupRow } from '#core/contract/project.ts';

const damaged: Fault = { code: 'bad-file', message: 'project.db is damaged.', hint: '' };
let asked: Request[] = [];
let answers: Record<string, (args: never) => unknown> = {};
window.workbench = {
  async call(request): Promise<Reply> {
    asked.push(request);
    const result = answers[request.call]?.(request.args as never) as { fault?: Fault } | undefined;
    return result?.fault ? { id: request.id, fault: result.fault } : { id: request.id, result: result ?? {} };
  },
  on: () => () => {},
};
const { connect } = await import('#renderer/api.ts');
const { useProjectDialogs } = await import('#renderer/stores/project-dialogs.ts');
const { useToasts } = await import('#renderer/stores/toasts.ts');
const { default: HomeView } = await import('#renderer/views/HomeView.vue');
await connect();

const backup = (name: string, changes: Partial<BackupRow> = {}): BackupRow => ({
  name,
  at: Date.UTC(2026, 9, 1, 12),
  bytes: 4096,
  prompts: 20,
  completions: 40,
  rankings: 3,
  problem: null,
  ...changes,
});
let home: ReturnType<typeof mount> | null = null;
async function atHome() {
  const router = createRouter({ history: createMemoryHistory(), routes: [{ path: '/:rest(.*)*', component: {} }] });
  const pinia = createPinia();
  home = mount(HomeView, { attachTo: document.body, global: { plugins: [router, pinia] } });
  setActivePinia(pinia);
  const dialogs = useProjectDialogs();
  await flushPromises();
  return dialogs;
}
const page = () => document.body.textContent!.replace(/\s+/g, ' ');
const rows = () => [...document.querySelectorAll('table[aria-label=Backups] tbody tr')];
const button = (words: string, among: ParentNode = document) =>
  [...among.querySelectorAll('button')].find((each) => each.textContent!.trim() === words)!;

beforeEach(() => {
  [asked, answers] = [[], {}];
  answers['project.open'] = () => ({ fault: damaged });
});
afterEach(() => {
  home?.unmount();
  document.body.replaceChildren();
});

test('its backups are offered; what is put back is opened, and where that is refused they stay', async () => {
  answers['project.backupsBeside'] = () => ({
    backups: [backup('a.db', { problem: 'It cannot be read.' }), backup('b.db')],
  });
  answers['project.restoreBeside'] = () => ({ fault: { ...damaged, message: 'The backup is damaged.' } });
  const dialogs = await atHome();
  await dialogs.open('/p.tastemaker');
  await flushPromises();
  expect(page()).toContain('project.db is damaged.');
  expect(rows().map((row) => button('Restore…', row).disabled)).toEqual([true, false]);
  expect(rows()[1]!.textContent).toContain('20 prompts, 40 answers, 3 rankings');
  const restore = async () => {
    button('Restore…', rows()[1]!).click();
    await flushPromises();
    button('Restore').click();
    await flushPromises();
  };
  await restore();
  expect(page()).toContain('The backup is damaged.');
  answers['project.restoreBeside'] = () => ({});
  await restore();
  expect(asked.filter(({ call }) => call === 'project.restoreBeside').map(({ args }) => args)).toEqual(
    Array.from({ length: 2 }, () => ({ folder: '/p.tastemaker', name: 'b.db' })),
  );
  expect(rows()).toEqual([]);
  expect(useToasts().toasts.at(-1)!.sentence).toMatch(/^The project is as it was on /);
});

test('nothing is offered where there is no backup, or another fault', async () => {
  answers['project.backupsBeside'] = () => ({ backups: [] });
  const dialogs = await atHome();
  await dialogs.open('/p.tastemaker');
  await flushPromises();
  expect([page().includes('project.db is damaged.'), rows()]).toEqual([true, []]);
  answers['project.backupsBeside'] = () => ({ backups: [backup('b.db')] });
  answers['project.open'] = () => ({ fault: { ...damaged, code: 'locked' } });
  await dialogs.open('/p.tastemaker');
  await flushPromises();
  expect(rows()).toEqual([]);
});
