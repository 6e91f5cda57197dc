// What three parts of the window ask and say: a long run before it starts, the stop rules of a run at work, models that
// lie outside the project; and a file that cannot be read.
// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import { createPinia, getActivePinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { Fault, Reply, Request } from '#core/contract/messages.ts';
import type { ModelRow } from '#core/contract/models.ts';
import type { Estimate, Field, RecipeCard } from '#core/contract/recipes.ts';

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
const { useApp } = await import('#renderer/stores/app.ts');
const { useToasts } = await import('#renderer/stores/toasts.ts');
const { emptyCurves } = await import('#renderer/components/charts/curves.ts');
const { default: ImportDialog } = await import('#renderer/components/data/ImportDialog.vue');
const { default: DataSection } = await import('#renderer/components/settings/DataSection.vue');
const { default: LongRun } = await import('#renderer/components/train/LongRun.vue');
const { default: StrayedBanner } = await import('#renderer/components/frame/StrayedBanner.vue');
const { useDesk } = await import('#renderer/stores/desk.ts');
const { default: StopRules } = await import('#renderer/components/train/StopRules.vue');
await connect();

let shown: ReturnType<typeof mount> | null = null;
beforeEach(() => {
  setActivePinia(createPinia());
  [asked, answers] = [[], {}];
});
afterEach(() => {
  shown?.unmount();
  document.body.replaceChildren();
});
const fault = (message: string) => ({ fault: { code: 'bad-file', message, hint: '' } });
const page = () => document.body.textContent!.replace(/\s+/g, ' ');
const press = async (words: string) => {
  const button = [...document.querySelectorAll('button')].find((each) => each.textContent!.trim() === words)!;
  button.click();
  await flushPromises();
};
const asksOf = (call: string) => asked.filter((request) => request.call === call).map(({ args }) => args);

test('a long run says how long it takes and what would make it shorter, and waits for the person', async () => {
  const card = { title: 'PPO' } as RecipeCard;
  const estimate = { seconds: 10_400, shorter: ['fewer episodes: about 1.2 h.'] } as Estimate;
  shown = mount(LongRun, { attachTo: document.body, props: { asked: { card, estimate } } });
  await flushPromises();
  expect(document.querySelector('[role=dialog]')!.textContent).toContain('PPO: about 2.9 h');
  expect(page()).toContain('fewer episodes: about 1.2 h.');
  expect(shown.emitted()).toEqual({});
  for (const words of ['Settings…', 'Not now', 'Start it']) await press(words);
  expect(Object.keys(shown.emitted())).toEqual(['settings', 'close', 'start']);
  await shown.setProps({ asked: { card, estimate: { ...estimate, shorter: [] } } });
  expect(page()).not.toContain('It would be shorter');
  await shown.setProps({ asked: null });
  await flushPromises();
  expect(document.querySelector('[role=dialog]')).toBe(null);
});

test('stop rules are changed by what was typed alone, a wrong number is refused, a refusal is shown', async () => {
  const field = (name: string): Field => ({
    name,
    kind: 'number',
    default: 0,
    range: [0, 100],
    choices: null,
    sentence: `What ${name} does.`,
    group: 'Stopping',
    main: false,
    when: null,
  });
  const rules = { stop_kl: 20, stop_drop: 0 };
  const props = {
    rules,
    fields: [field('stop_kl'), field('stop_drop')],
    open: { id: '1', curves: emptyCurves(), tick: 0, loaded: true, damaged: 0 },
    samples: [],
    runId: '0001-ppo',
    alive: true,
  };
  shown = mount(StopRules, { attachTo: document.body, props });
  const [kl, drop] = shown.findAll('input');
  expect([page().includes('Stop rules: 1 of 2 on'), kl!.element.value, drop!.element.value]).toEqual([true, '20', '0']);
  const save = async () => {
    await shown!.find('form').trigger('submit');
    await flushPromises();
  };
  await save(); // nothing was changed
  await kl!.setValue('500');
  expect(kl!.attributes('aria-invalid')).toBe('true');
  await drop!.setValue('0.4');
  await save(); // one of them is wrong
  expect(asked).toEqual([]);

  await kl!.setValue('20');
  answers['runs.rules'] = () => fault('The run is over.');
  await save();
  expect(asksOf('runs.rules')).toEqual([{ runId: '0001-ppo', rules: { stop_drop: 0.4 } }]);
  expect(shown.text()).toContain('The run is over.');
  answers['runs.rules'] = () => ({ ...rules, stop_drop: 0.4 });
  await save();
  expect(shown.text()).not.toContain('The run is over.');
  expect(useToasts().toasts.map(({ sentence }) => sentence)).toEqual([
    'The run goes by these rules from its next step on.',
  ]);
  await drop!.setValue('0.7'); // while the run goes on reporting, what is typed stays
  await shown.setProps({ rules: { ...rules } });
  expect(drop!.element.value).toBe('0.7');
  await shown.setProps({ alive: false });
  expect([shown.findAll('input').length, shown.text().includes('off')]).toEqual([0, true]);
});

test('models that lie outside the project are listed with their places, those inside are not', async () => {
  const model = (name: string, path: string) => ({ id: path.length, name, path, folder: `/seen/${name}` }) as ModelRow;
  answers['project.backups'] = () => ({ backups: [] });
  answers['models.list'] = () => [
    model('inside', 'models/inside'),
    model('left', '/elsewhere/left'),
    model('windows', 'D:\\models'),
  ];
  useApp().state = { project: { id: 'one', folder: '/p' } } as AppState;
  shown = mount(DataSection, { attachTo: document.body });
  await flushPromises();
  expect(shown.findAll('[aria-label="Not in the folder"] li').map((row) => row.text())).toEqual([
    'left, /seen/left',
    'windows, /seen/windows',
  ]);
});

test('a file that cannot be read is said to be so, and is not taken for prompts', async () => {
  answers['imports.preview'] = () => fault('rows.parquet is not a Parquet file that can be read.');
  shown = mount(ImportDialog, { attachTo: document.body, props: { open: false, path: '/data/rows.parquet' } });
  await shown.setProps({ open: true });
  await flushPromises();
  expect(asksOf('imports.preview')).toEqual([{ path: '/data/rows.parquet', kind: 'rankings', map: {} }]);
  expect(page()).toContain('rows.parquet is not a Parquet file that can be read.');
});

test('what the desk could not save is said to stay behind, before another place is opened', async () => {
  const strayed = { sentence: 'It was moved.', hint: 'Nothing is saved.', found: '/there', canCopy: true };
  useApp().state = { project: { id: 'p', folder: '/here', strayed } } as AppState;
  shown = mount(StrayedBanner, { attachTo: document.body, global: { plugins: [getActivePinia()!] } });
  expect(page()).toContain('It was moved.');
  expect(page()).not.toContain('stays behind');
  useDesk().saved = { kind: 'failed', error: new Error('moved') };
  await flushPromises();
  expect(page()).toContain('What the desk could not save stays behind');
});
