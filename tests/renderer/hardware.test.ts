// The hardware page, the badge and the meter against a service that answers, refuses and reports: what a person reads
// and can reach.
// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import type { VueWrapper } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createMemoryHistory, createRouter } from 'vue-router';
import type { AppState } from '#core/contract/app.ts';
import type { CardNow, Device, Hardware, ProviderReport, SelfTest } from '#core/contract/hardware.ts';
import type { Fault, Notice, Reply, Request } from '#core/contract/messages.ts';

const GB = 2 ** 30;
const processor: Device = {
  provider: 'cpu',
  precision: 'fp32',
  name: 'A processor',
  cores: 8,
  memoryBytes: 32e9,
  freeBytes: 20e9,
  reason: 'The processor, as you asked.',
};
const card: CardNow = {
  name: 'NVIDIA H100',
  memoryBytes: 81559 * 2 ** 20,
  usedBytes: 12.3 * GB,
  load: 87,
  celsius: 61,
  watts: 310,
};
const passed = (changes: Partial<SelfTest> = {}): SelfTest => ({
  at: Date.now() - 190_000,
  ok: true,
  sentence: 'All agree.',
  seconds: 4.2,
  checks: [
    { name: 'Mul', ok: true, worst: 4e-4, tolerance: 2e-3 },
    { name: 'Softmax', ok: true, worst: 1e-5, tolerance: 2e-3 },
  ],
  ...changes,
});
const failing = passed({
  ok: false,
  sentence: 'MatMul is off by 0.31, and 0.002 is allowed.',
  checks: [
    { name: 'Mul', ok: true, worst: 0, tolerance: 2e-3 },
    { name: 'Erf', ok: false, worst: 1e9, tolerance: 2e-3 },
    { name: 'MatMul', ok: false, worst: 0.31, tolerance: 2e-3 },
  ],
});
const report = (
  provider: ProviderReport['provider'],
  state: ProviderReport['state'],
  lines: string[] = [],
  selfTest: SelfTest | null = null,
): ProviderReport => ({
  provider,
  title: { cpu: 'Processor', cuda: 'CUDA (NVIDIA)', webgpu: 'WebGPU' }[provider],
  state,
  lines,
  selfTest,
});
const hardware = (changes: Partial<Hardware> = {}): Hardware => ({
  device: processor,
  wanted: 'auto',
  cards: [],
  libraryFolders: [],
  providers: [
    report('cpu', 'ready', ['A processor, 8 threads.']),
    report('cuda', 'missing', ['No NVIDIA card was found.', 'Run `tastemaker setup cuda`.']),
    report('webgpu', 'missing', ['No Vulkan loader was found.']),
  ],
  ...changes,
});
const withCard = (
  state: ProviderReport['state'],
  selfTest: SelfTest | null = null,
  changes: Partial<Hardware> = {},
): Hardware =>
  hardware({
    cards: [card],
    providers: [
      report('cpu', 'ready'),
      report('cuda', state, ['NVIDIA H100, driver 580.', 'libcudnn.so.9 was not found.'], selfTest),
      report('webgpu', 'untested'),
    ],
    ...changes,
  });

/** What it answers where a test says nothing, other than an empty record. */
const NOTHING: Readonly<Record<string, unknown>> = { 'models.list': [] };
/** What the service answers, and what it was asked. */
const service = { answers: {} as Record<string, unknown>, asked: [] as Request[], held: null as Promise<void> | null };
let hear: (notice: Notice) => void = () => {};
window.workbench = {
  async call(request): Promise<Reply> {
    service.asked.push(request);
    if (request.call !== 'hardware.look') await service.held;
    const result = (service.answers[request.call] ?? NOTHING[request.call]) as { fault?: Fault } | undefined;
    return result?.fault ? { id: request.id, fault: result.fault } : { id: request.id, result: result ?? {} };
  },
  on(listener) {
    hear = listener;
    return () => {};
  },
};
const { connect } = await import('#renderer/api.ts');
const { useApp } = await import('#renderer/stores/app.ts');
const { useHardware } = await import('#renderer/stores/hardware.ts');
const { default: DeviceBadge } = await import('#renderer/components/frame/DeviceBadge.vue');
const { default: CardMeter } = await import('#renderer/components/frame/CardMeter.vue');
const { default: HardwareSection } = await import('#renderer/components/hardware/HardwareSection.vue');
const { default: RunHead } = await import('#renderer/components/train/RunHead.vue');
const { ago, cardText, computesOn } = await import('#renderer/components/hardware/hardware-words.ts');
await connect();

const router = createRouter({
  history: createMemoryHistory(),
  routes: [{ path: '/:rest(.*)*', component: { template: '<i />' } }],
});
let mounted: VueWrapper[] = [];
function show(component: Parameters<typeof mount>[0], props: Record<string, unknown> = {}): VueWrapper {
  const wrapper = mount(component, { attachTo: document.body, props, global: { plugins: [router] } });
  mounted.push(wrapper);
  return wrapper;
}
async function page(found: Hardware): Promise<VueWrapper> {
  service.answers['hardware.look'] = found;
  const wrapper = show(HardwareSection);
  await flushPromises();
  return wrapper;
}
const text = (element: Element | null | undefined) => element?.textContent?.replaceAll(/\s+/g, ' ').trim() ?? '';
const radio = (value: string) => document.querySelector<HTMLInputElement>(`input[value="${value}"]`)!;
/** what is said with a choice, as assistive technology finds it */
const saidOf = (value: string) => text(document.getElementById(radio(value).getAttribute('aria-describedby')!));
const region = (title: string) => document.querySelector<HTMLElement>(`section[aria-label="${title}"]`)!;
const button = (words: string) =>
  [...document.querySelectorAll<HTMLButtonElement>('button')].find((each) =>
    (each.getAttribute('aria-label') ?? text(each)).startsWith(words),
  )!;
async function press(element: HTMLElement): Promise<void> {
  element.click();
  await flushPromises();
}
const argsOf = (call: string) => service.asked.filter((each) => each.call === call).map(({ args }) => args);
/** Hands it out when `go` is called. */
function hold(): () => void {
  let go = () => {};
  service.held = new Promise<void>((done) => (go = done));
  return go;
}

beforeEach(() => {
  setActivePinia(createPinia());
  Object.assign(service, { answers: { 'runs.facts': [] }, asked: [], held: null });
});
afterEach(() => {
  vi.useRealTimers();
  useHardware().hardware = null; // a store listens on after its test: with nothing shown it asks for nothing
  mounted.forEach((each) => each.unmount());
  mounted = [];
  document.body.innerHTML = '';
});

test('the badge has a word for each device, follows changes, and opens with the reason and the way to the settings', async () => {
  useApp().state = { device: processor } as AppState;
  const badge = show(DeviceBadge);
  expect(text(badge.element)).toContain('CPU8 cores');
  for (const [provider, precision, word] of [
    ['cuda', 'fp32', 'CUDA'],
    ['cuda', 'bf16', 'CUDA bf16'],
    ['webgpu', 'fp32', 'WebGPU'],
  ] as const) {
    hear({ event: 'hardware.changed', project: null, data: { device: { ...processor, provider, precision } } });
    await flushPromises();
    expect(text(document.querySelector('.item'))).toBe(`Device: ${word}`);
  }
  await press(document.querySelector<HTMLElement>('button.item')!);
  expect(text(document.querySelector('.pop'))).toContain('The processor, as you asked.');
  expect(document.querySelector('.pop a')!.getAttribute('href')).toBe('/settings?section=hardware');
});

test('without a card one calm sentence stands first, what is missing is folded away, and disabled choices say why', async () => {
  await page(hardware());
  expect(text(region('Computed on now'))).toContain('everything works on it');
  expect(document.querySelectorAll('.badge.bad, .badge.warn, [role=alert]')).toHaveLength(0);
  const folded = document.querySelector<HTMLDetailsElement>('details.others')!;
  expect(folded.open).toBe(false);
  expect(text(folded)).toContain('No NVIDIA card was found.');
  expect(folded.querySelector('code')!.textContent).toBe('tastemaker setup cuda');
  expect(['auto', 'cpu', 'cuda', 'cuda:bf16', 'webgpu'].map((value) => radio(value).disabled)).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
  expect(saidOf('cuda')).toBe('No NVIDIA card was found.');
  expect(saidOf('webgpu')).toBe('No Vulkan loader was found.');
  expect(button('Test now: CUDA')).toBeUndefined();
});

test('a failed self-test names the operator first, and is no choice any more; of the other precision nothing is known', async () => {
  await page(
    withCard('refused', failing, {
      wanted: 'cuda:bf16',
      device: {
        ...processor,
        provider: 'cuda',
        precision: 'bf16',
        reason: 'Nothing runs: CUDA was asked for and failed.',
      },
    }),
  );
  expect(text(region('CUDA (NVIDIA)').querySelector('.failed'))).toMatch(/^MatMul is off by 0\.31/);
  expect(text(region('CUDA (NVIDIA)').querySelector('.operator'))).toBe('MatMul');
  expect(text(region('CUDA (NVIDIA)'))).toContain('Failed 3 minutes ago: 2 of 3 checks.');
  const rows = [...region('CUDA (NVIDIA)').querySelectorAll('[aria-label^="Checks"] tbody tr')].map(text);
  expect(rows).toEqual(['Erfno result2e-3failed', 'MatMul3.1e-12e-3failed', 'Mul02e-3passed']);
  expect(saidOf('cuda:bf16')).toContain('MatMul is off');
  expect(radio('cuda').disabled).toBe(false);
  expect(region('Computed on now').className).toContain('stands');
});

test('a passed self-test says when, how many and how near', async () => {
  await page(withCard('ready', passed()));
  expect(text(region('CUDA (NVIDIA)'))).toContain(
    'Passed 3 minutes ago: 2 checks in 4.2 s, the worst at 0.2 × its tolerance.',
  );
  const now = Date.now();
  expect([0, 60e3, 59 * 60e3, 3600e3, 47 * 3600e3, 72 * 3600e3].map((before) => ago(now - before, now))).toEqual([
    'just now',
    '1 minute ago',
    '59 minutes ago',
    '1 hour ago',
    '1 day ago',
    '3 days ago',
  ]);
});

test('a test keeps the focus on its button while it works, and its end is announced', async () => {
  await page(withCard('untested'));
  service.answers['hardware.test'] = report('cuda', 'refused', [], failing);
  const go = hold();
  const start = button('Test now: CUDA');
  start.focus();
  await press(start);
  expect([text(start), start.disabled, document.activeElement === start]).toEqual(['Testing…', false, true]);
  await press(start); // once more does nothing
  go();
  await flushPromises();
  expect(argsOf('hardware.test')).toEqual([{ provider: 'cuda' }]);
  expect(text(region('CUDA (NVIDIA)').querySelector('[aria-live]'))).toBe(
    'CUDA (NVIDIA): failed. MatMul is off by 0.31, and 0.002 is allowed.',
  );
  expect(text(region('CUDA (NVIDIA)').querySelector('.badge'))).toContain('refused');
});

test('a choice is asked for once and shown at once; a refusal puts it back with its sentence and hint', async () => {
  await page(withCard('ready', passed()));
  service.answers['hardware.choose'] = {
    fault: { code: 'bad-argument', message: 'This start computes on "cpu".', hint: 'Start without it.' },
  };
  const go = hold();
  await press(radio('cuda:bf16'));
  expect(radio('cuda:bf16').checked).toBe(true);
  expect(text(document.querySelector('fieldset [role=status]'))).toContain('up to a minute');
  go();
  await flushPromises();
  expect(argsOf('hardware.choose')).toEqual([{ wanted: 'cuda:bf16' }]);
  expect(radio('auto').checked).toBe(true);
  expect(text(document.querySelector('fieldset [role=alert]'))).toBe('This start computes on "cpu".Start without it.');
});

test('steps of an installation appear while it works; an error shows its sentence and hint, success what is still missing', async () => {
  await page(withCard('missing'));
  expect(saidOf('cuda')).toContain('CUDA (NVIDIA)');
  expect(document.querySelector<HTMLDetailsElement>('details.setup')!.open).toBe(true);
  service.answers['hardware.setup'] = {
    fault: { code: 'bad-file', message: 'The wheel is cut short.', hint: 'Download it again.' },
  };
  const go = hold();
  await press(button('Download the wheel'));
  for (const line of ['Fetching the wheel with pip …', 'Checking …'])
    hear({ event: 'hardware.setup', project: null, data: { line } });
  await flushPromises();
  expect([...document.querySelectorAll('[role=log] li')].map(text)).toEqual([
    'Fetching the wheel with pip …',
    'Checking …',
  ]);
  await press(button('Download for CUDA 12')); // one at a time
  go();
  await flushPromises();
  expect(argsOf('hardware.setup')).toEqual([{ source: 'wheel', path: null }]);
  expect(text(document.querySelector('.setup [role=alert]'))).toBe('The wheel is cut short.Download it again.');
  service.answers['hardware.setup'] = withCard('missing');
  await press(button('Download for CUDA 12'));
  expect(document.querySelector('.setup [role=alert]')).toBeNull();
  expect(document.querySelector('[role=log]')).toBeNull();
  expect(text(document.querySelector('.outcome'))).toContain('still missing');
  service.answers['hardware.setup'] = withCard('untested');
  await press(button('Download for CUDA 12'));
  expect(text(document.querySelector('.outcome'))).toContain('nothing is missing');
});

test('a wheel is picked among files that end so, and its path is what is installed from', async () => {
  await page(withCard('missing'));
  service.answers['files.list'] = {
    folder: '/h',
    parent: '/',
    entries: [
      {
        name: 'onnxruntime_gpu-1.30.0.WHL',
        path: '/h/onnxruntime_gpu-1.30.0.WHL',
        folder: false,
        bytes: 247e6,
        kind: null,
      },
      { name: 'notes.txt', path: '/h/notes.txt', folder: false, bytes: 1, kind: 'data' },
    ],
  };
  service.answers['hardware.setup'] = withCard('untested');
  await press(button('Choose the wheel'));
  const entries = [...document.querySelectorAll<HTMLElement>('[role=option]')];
  expect(entries.map((entry) => text(entry.querySelector('.clip')))).toEqual(['onnxruntime_gpu-1.30.0.WHL']);
  await press(entries[0]!);
  await press(button('Choose onnx'));
  expect(argsOf('hardware.setup')).toEqual([{ source: 'wheel', path: '/h/onnxruntime_gpu-1.30.0.WHL' }]);
});

test('folders of libraries are removed by name, and the focus goes on', async () => {
  await page(withCard('missing', null, { libraryFolders: ['/a', '/b'] }));
  service.answers['hardware.libraries'] = withCard('missing', null, { libraryFolders: ['/b'] });
  await press(button('Remove /a'));
  expect(argsOf('hardware.libraries')).toEqual([{ folders: ['/b'] }]);
  expect(button('Remove /a')).toBeUndefined();
  expect(text(document.activeElement)).toBe('Add a folder…');
});

test('what can be done can be reached by Tab: radio buttons of one group, buttons, disclosures; nothing else takes the focus', async () => {
  await page(withCard('missing', null, { libraryFolders: ['/a'] }));
  const names = [...document.querySelectorAll<HTMLElement>('input, button, summary, a[href], [tabindex]')]
    .filter((each) => (each.tabIndex >= 0 || each.tagName === 'SUMMARY') && !each.hasAttribute('disabled'))
    .map(
      (each) =>
        each.getAttribute('aria-label') ??
        (each instanceof HTMLInputElement ? `${each.name} ${each.value}` : text(each)),
    );
  expect(names).toEqual([
    'Look again',
    'device auto',
    'device cpu',
    'device webgpu',
    'Test now: Processor',
    'Get the CUDA files',
    'Download for CUDA 12',
    'Choose the wheel…',
    'Download the wheel for CUDA 13',
    'Choose the folder…',
    'Folders with CUDA and cuDNN libraries',
    'Remove /a',
    'Add a folder…',
    'Test now: WebGPU',
  ]);
  for (const each of document.querySelectorAll<HTMLInputElement>('input')) expect(each.labels!.length).toBe(1);
  expect([...document.querySelectorAll('h3:not([aria-hidden])')].map(text)).toEqual([
    'Processor',
    'CUDA (NVIDIA)',
    'WebGPU',
  ]);
});

test('another window that changes the device makes this one look again, but not while it is asking itself', async () => {
  await page(withCard('ready', passed()));
  expect(argsOf('hardware.look')).toHaveLength(1);
  const go = hold();
  await press(button('Test now: CUDA'));
  hear({
    event: 'hardware.changed',
    project: null,
    data: { device: { ...processor, reason: 'CUDA is being tested.' } },
  });
  await flushPromises();
  expect(text(region('Computed on now'))).toContain('CUDA is being tested.');
  expect(argsOf('hardware.look')).toHaveLength(1);
  service.answers['hardware.test'] = report('cuda', 'ready', [], passed());
  go();
  await flushPromises();
  hear({ event: 'hardware.changed', project: null, data: { device: processor } });
  await flushPromises();
  expect(argsOf('hardware.look')).toHaveLength(2);
});

test('the meter shows what the driver says and nothing else, a line a card, and is gone after ten silent seconds', async () => {
  expect(cardText(card)).toBe('12.3 / 80 GB · 87 % · 61 °C · 310 W');
  expect(cardText({ ...card, memoryBytes: 24564 * 2 ** 20, usedBytes: 0, load: null, watts: null })).toBe(
    '0 / 24 GB · 61 °C',
  );
  expect(cardText({ ...card, memoryBytes: 0, usedBytes: 0, celsius: null })).toBe('87 % · 310 W');
  vi.useFakeTimers();
  show(CardMeter);
  expect(document.querySelector('.meter')).toBeNull();
  hear({
    event: 'hardware.meter',
    project: null,
    data: { cards: [card, { ...card, name: 'Quiet', load: null, celsius: null, watts: null }, card, card] },
  });
  await flushPromises();
  const [first, second, ...others] = [...document.querySelectorAll<HTMLElement>('a.item')];
  expect(text(first)).toBe('NVIDIA H100: 12.3 / 80 GB· 87 %· 61 °C· 310 W');
  expect(first!.title).toBe('NVIDIA H100: 12.3 / 80 GB · 87 % · 61 °C · 310 W');
  expect(first!.querySelector('progress')!.value / first!.querySelector('progress')!.max).toBeCloseTo(0.154, 3);
  expect(text(second)).toBe('Quiet: 12.3 / 80 GB');
  expect(others.map(text)).toEqual(['+2 more cards']);
  await vi.advanceTimersByTimeAsync(9_000);
  hear({ event: 'hardware.meter', project: null, data: { cards: [{ ...card, load: 3 }] } });
  await vi.advanceTimersByTimeAsync(9_900);
  expect(text(document.querySelector('.load'))).toContain('3 %');
  await vi.advanceTimersByTimeAsync(200);
  expect(document.querySelector('a.item')).toBeNull();
});

test("a run's head says what it computes on where its manifest does", () => {
  const manifest = { versions: { device: 'cuda', precision: 'bf16 products, float32 weights', card: 'NVIDIA H100' } };
  expect(computesOn(manifest)).toBe('on CUDA (NVIDIA H100), bf16 products, float32 weights');
  expect(computesOn({ versions: { device: 'cpu', precision: 'float32' } })).toBe('on the processor, float32');
  expect([computesOn(null), computesOn({ versions: { node: 'v24' } })]).toEqual(['', '']);
  const run = {
    id: '0001-ppo',
    kind: 'ppo',
    words: { run: 'PPO', step: 'update', shows: 'samples', charts: [], startsFromNothing: false },
    name: 'p',
    status: 'done',
    createdAt: Date.now(),
    endedAt: Date.now(),
    error: null,
    step: 1,
    total: 1,
    secondsLeft: null,
    phase: '',
    modelId: null,
    summary: null,
    resumable: false,
    atRest: false,
  };
  expect(text(show(RunHead, { run, notices: [], best: null, on: computesOn(manifest) }).element)).toContain(
    'on CUDA (NVIDIA H100)',
  );
});
