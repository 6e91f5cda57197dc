// What a service computes on: self-tests in real processes, kept and asked for again; the choice; refusals that nothing
// takes the place of.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Hardware, ProviderName, SelfTest, WantedDevice } from '#core/contract/hardware.ts';
import type { Notice } from '#core/contract/messages.ts';
import { chosenDevice, PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { TastemakerError } from '#core/errors.ts';
import { choose } from '#core/service/hardware/choose.ts';
import { createHardware } from '#core/service/hardware/hardware.ts';
import type { HardwareDesk } from '#core/service/hardware/hardware.ts';
import { deviceFor, lookAtHardware } from '#core/service/hardware/look.ts';
import type { Found } from '#core/service/hardware/look.ts';
import { keptSelfTests, runSelfTest, selfTestKey } from '#core/service/hardware/self-tests.ts';
import { openPreferences } from '#core/service/preferences.ts';
import type { Project } from '#core/store/project.ts';
import { CARD, fakeMachine, nvidiaSmi } from '#tests/core/hardware/fake-machine.ts';
import type { FakeMachine } from '#tests/core/hardware/fake-machine.ts';
import { openQueue, QUICK } from '#tests/core/runs/run-queue.ts';
import { makeTinyProject, runFile, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const { softwareDevice } = (await import(path.join(process.cwd(), 'build/swiftshader.mjs'))) as {
  softwareDevice(): Record<string, string> | null;
};
const software = chosenDevice().provider === 'cpu' ? softwareDevice() : null;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'hardware-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
let files = 0;
const freshHome = () => path.join(folder, `home-${++files}`);
/** A process in the place of the self-test's own. */
function script(text: string): string {
  const file = path.join(folder, `process-${++files}.mjs`);
  fs.writeFileSync(file, text);
  return file;
}
const PASSES = `process.send({ at: 'Identity' }, () => process.send({ checks: [{ name: 'Identity', ok: true, worst: 1e-7, tolerance: 1e-5, problem: null }] }, () => process.exit()));`;
const FAILS = `process.send({ checks: [{ name: 'Softmax', ok: false, worst: 0.5, tolerance: 2e-3, problem: 'Softmax is off by 0.50, and 0.0020 is allowed.' }] }, () => process.exit());`;

describe('a self-test in a process of its own', () => {
  test('of the processor passes, operators, training and sampling', async () => {
    const result = await runSelfTest(PROCESSOR);
    expect(result).toMatchObject({
      ok: true,
      sentence: expect.stringMatching(/^All \d\d checks agree with the processor \(\d+\.\d s\)\.$/),
    });
    expect(result.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Gemm', 'Softmax', 'gpt2: weights', 'llama: greedy tokens']),
    );
    expect(Object.keys(result.checks[0]!)).toEqual(['name', 'ok', 'worst', 'tolerance']);
  });

  test.skipIf(!software)(
    "of WebGPU passes on a card that the processor imitates (needs the software Vulkan driver of Debian's Chromium)",
    async () => {
      const result = await runSelfTest(readDevice('webgpu'), { environment: software as Record<string, string> });
      expect(result).toMatchObject({ ok: true, sentence: expect.stringMatching(/^All \d\d checks agree/) });
      expect(Math.max(...result.checks.map(({ worst }) => worst))).toBeGreaterThan(0); // another device computed it
      expect(result.checks.every(({ worst, tolerance }) => worst < tolerance)).toBe(true);
    },
    240_000,
  );

  test("of a provider that is not there fails with the runtime's own words", async () => {
    const result = await runSelfTest(readDevice('cuda'));
    expect(result.ok).toBe(false);
    expect(result.sentence).toMatch(/^Identity was refused: The runtime stopped while opening a graph: /);
    expect(result.checks.every(({ ok }) => !ok)).toBe(true);
  });

  test.each([
    [
      'a crash names what was computed',
      `process.send({ at: 'Softmax' }, () => process.kill(process.pid, 'SIGSEGV'));`,
      /^Its process was ended by SIGSEGV while it computed Softmax\.$/,
    ],
    [
      'an early end says what was said last',
      `console.error('nothing'); console.error('cudnn: no such file'); process.exit(3);`,
      /^Its process ended with 3 before it computed anything\. Its last line: cudnn: no such file$/,
    ],
    [
      'silence is ended',
      `process.send({ at: 'Gemm' }); setInterval(() => {}, 1000);`,
      /^It said nothing for 1 s while it computed Gemm and was ended\.$/,
    ],
    ['an operator that is off is named', FAILS, /^Softmax is off by 0\.50, and 0\.0020 is allowed\.$/],
  ])('%s', async (_, text, says) => {
    const result = await runSelfTest(PROCESSOR, {
      processFile: script(text),
      silentMs: text.includes('setInterval') ? 1000 : 20_000,
    });
    expect(result).toMatchObject({ ok: false, sentence: expect.stringMatching(says) });
  });

  test('a process that goes on saying something is not ended, and knows its device', async () => {
    const text = `let n = 0; const timer = setInterval(() => { process.send({ at: 'step ' + n }); if (++n === 8) { clearInterval(timer); process.send({ checks: [{ name: process.env.TASTEMAKER_DEVICE + process.env.LD_LIBRARY_PATH, ok: true, worst: 0, tolerance: 1, problem: null }] }, () => process.exit()); } }, 200);`;
    const result = await runSelfTest(readDevice('cuda:bf16'), {
      processFile: script(text),
      silentMs: 1200,
      environment: { LD_LIBRARY_PATH: '/cuda' },
    });
    expect(result.checks.map(({ name }) => name)).toEqual(['cuda:bf16/cuda']);
    expect(result.seconds).toBeGreaterThan(1.3);
  });
});

describe('what is kept', () => {
  const passed: SelfTest = { at: 5, ok: true, sentence: 'x', seconds: 1, checks: [] };
  test('holds for the same device and the same facts only, and a damaged file is as none', () => {
    const home = freshHome();
    const kept = keptSelfTests(home);
    const key = (words: string, ...facts: (string | null)[]) => selfTestKey(readDevice(words), facts);
    kept.keep(key('cuda', '580.65', 'hash'), passed);
    expect(keptSelfTests(home).read(key('cuda', '580.65', 'hash'))).toEqual(passed);
    for (const other of [
      key('cuda:bf16', '580.65', 'hash'),
      key('cuda', '581', 'hash'),
      key('cuda', '580.65', 'other'),
      key('cuda', null, 'hash'),
    ])
      expect(kept.read(other)).toBeNull();
    fs.writeFileSync(path.join(home, 'self-tests.json'), '{"a": 7');
    expect(kept.read(key('cuda', '580.65', 'hash'))).toBeNull();
    kept.keep(key('cpu'), passed);
    expect(kept.read(key('cpu'))).toEqual(passed);
  });
  test('no more than twelve, the newest', () => {
    const kept = keptSelfTests(freshHome());
    for (let at = 0; at < 20; at++) kept.keep(`k${at}`, { ...passed, at });
    expect(Array.from({ length: 20 }, (_, at) => kept.read(`k${at}`) !== null)).toEqual(
      Array.from({ length: 20 }, (_, at) => at >= 8),
    );
  });
});

describe('the choice', () => {
  const found = (
    states: Partial<Record<ProviderName, Found['report']['state'] | 'imitated'>>,
  ): Record<ProviderName, Found> =>
    Object.fromEntries(
      (['cpu', 'cuda', 'webgpu'] as const).map((provider): [ProviderName, Found] => {
        const given = states[provider] ?? (provider === 'cpu' ? 'ready' : 'missing');
        const state = given === 'imitated' ? 'ready' : given;
        const selfTest =
          state === 'refused'
            ? { at: 1, ok: false, sentence: 'Softmax is off by 0.50, and 0.0020 is allowed.', seconds: 1, checks: [] }
            : null;
        return [
          provider,
          {
            report: { provider, title: provider, state, lines: [], selfTest },
            why:
              state === 'missing'
                ? 'No NVIDIA card was found.'
                : state === 'broken'
                  ? 'The CUDA files are of ONNX Runtime 1.29.0.'
                  : null,
            imitated: given === 'imitated',
          },
        ];
      }),
    ) as Record<ProviderName, Found>;

  test.each<[WantedDevice, string, Parameters<typeof found>[0], string, string]>([
    ['auto', 'linux', { cuda: 'ready' }, 'cuda', 'CUDA on H100: it passed its self-test.'],
    ['auto', 'linux', {}, 'cpu', 'The processor: no NVIDIA card was found.'],
    ['auto', 'linux', { cuda: 'broken' }, 'cpu', 'The processor: the CUDA files are of ONNX Runtime 1.29.0.'],
    [
      'auto',
      'linux',
      { cuda: 'refused' },
      'cpu',
      'The processor: CUDA failed its self-test. Softmax is off by 0.50, and 0.0020 is allowed.',
    ],
    ['auto', 'linux', { webgpu: 'ready' }, 'cpu', 'The processor: no NVIDIA card was found.'],
    ['auto', 'darwin', { webgpu: 'ready' }, 'webgpu', 'WebGPU: it passed its self-test.'],
    ['auto', 'win32', { webgpu: 'imitated' }, 'cpu', 'The processor: the only graphics card is one that it imitates.'],
    ['cpu', 'linux', { cuda: 'ready' }, 'cpu', 'The processor, as you asked.'],
    ['cuda:bf16', 'linux', { cuda: 'ready' }, 'cuda:bf16', 'CUDA on H100, as you asked; it passed its self-test.'],
    [
      'webgpu',
      'linux',
      { webgpu: 'imitated' },
      'webgpu',
      'WebGPU on a card that the processor imitates, as you asked; it passed its self-test.',
    ],
  ])('%s on %s with %o is %s', (wanted, platform, states, device, reason) => {
    expect(choose(wanted, found(states), { platform, cardName: 'H100' })).toEqual({
      device: readDevice(device),
      reason,
      refusal: null,
      untested: null,
    });
  });

  test.each<[WantedDevice, Parameters<typeof found>[0], string]>([
    [
      'cuda',
      { cuda: 'refused' },
      'CUDA was asked for and failed its self-test. Softmax is off by 0.50, and 0.0020 is allowed.',
    ],
    ['cuda:bf16', {}, 'CUDA was asked for and cannot be used. No NVIDIA card was found.'],
    [
      'webgpu',
      { webgpu: 'broken', cuda: 'ready' },
      'WebGPU was asked for and cannot be used. The CUDA files are of ONNX Runtime 1.29.0.',
    ],
  ])('%s with %o is refused, and nothing takes its place', (wanted, states, message) => {
    const { device, refusal, reason } = choose(wanted, found(states), { platform: 'linux' });
    expect(device).toEqual(deviceFor(readDevice(wanted).provider, wanted));
    expect(refusal).toMatchObject({ code: 'runtime', message });
    expect(reason).toBe(`Nothing runs: ${message}`);
  });

  test('what is there and was never tested is tested first', () => {
    expect(choose('auto', found({ cuda: 'untested' }), { platform: 'linux' })).toMatchObject({
      untested: 'cuda',
      device: PROCESSOR,
      refusal: null,
    });
    expect(choose('webgpu', found({ webgpu: 'untested' }), { platform: 'linux' })).toMatchObject({
      untested: 'webgpu',
      refusal: null,
    });
  });
});

describe('a desk of hardware', () => {
  const CUDA_13 = [
    'libcudart.so.13',
    'libcublas.so.13',
    'libcublasLt.so.13',
    'libcurand.so.10',
    'libcudnn.so.9',
    'libcuda.so.1',
  ];
  const desks: HardwareDesk[] = [];
  afterAll(() => Promise.all(desks.map((desk) => desk.close())));
  function desk({ env }: Pick<FakeMachine, 'env'>, processText = PASSES, home = freshHome()) {
    const heard: Notice[] = [];
    const preferences = openPreferences(home);
    const hardware = createHardware({
      home,
      preferences,
      env,
      emit: (event, data) => void heard.push({ event, data } as Notice),
      selfTest: { processFile: script(processText) },
    });
    desks.push(hardware);
    return { hardware, heard, preferences, home };
  }
  const report = ({ providers }: Hardware, name: ProviderName) => providers.find(({ provider }) => provider === name)!;
  /** A machine with a card, the files and the libraries. */
  function withCard(): { machine: FakeMachine; libraries: string } {
    const machine = fakeMachine();
    machine.program('nvidia-smi', nvidiaSmi(CARD));
    machine.files();
    return { machine, libraries: machine.libraries('cuda', ...CUDA_13) };
  }
  const onLinux = process.platform === 'linux' && process.arch === 'x64';

  test('without a card computes on the processor, and says why', async () => {
    const { hardware, heard } = desk(fakeMachine());
    const seen = await hardware.look();
    expect(seen).toMatchObject({
      wanted: 'auto',
      device: { provider: 'cpu', precision: 'fp32' },
      cards: [],
      libraryFolders: [],
    });
    expect(seen.device.reason).toMatch(
      onLinux ? /^The processor: no NVIDIA card was found: nvidia-smi is not on the PATH\.$/ : /^The processor: /,
    );
    expect(seen.providers.map(({ provider }) => provider)).toEqual(['cpu', 'cuda', 'webgpu']);
    expect(report(seen, 'cpu')).toMatchObject({ state: 'ready', selfTest: null });
    expect(report(seen, 'cuda')).toMatchObject({ state: 'missing', selfTest: null });
    expect(await hardware.environment()).toEqual({ TASTEMAKER_DEVICE: 'cpu' });
    expect(heard.filter(({ event }) => event === 'hardware.changed').length).toBe(1);
  });

  test.runIf(onLinux)(
    'with a card tests it once, takes it, and gives jobs its libraries; a new driver is tested anew',
    async () => {
      const { machine, libraries } = withCard();
      const { hardware, home, heard } = desk(machine);
      const seen = await hardware.libraries([libraries]);
      expect(report(seen, 'cuda')).toMatchObject({ state: 'ready', selfTest: { ok: true } });
      expect(seen.device).toMatchObject({
        provider: 'cuda',
        precision: 'fp32',
        name: 'NVIDIA H100 80GB HBM3',
        memoryBytes: 81559 * 2 ** 20,
        freeBytes: (81559 - 1234) * 2 ** 20,
        reason: 'CUDA on NVIDIA H100 80GB HBM3: it passed its self-test.',
      });
      expect(await hardware.environment()).toEqual({
        TASTEMAKER_DEVICE: 'cuda',
        CUBLAS_WORKSPACE_CONFIG: ':4096:8',
        LD_LIBRARY_PATH: libraries,
      });
      expect(
        heard.flatMap(({ event, data }) => (event === 'hardware.changed' ? [data.device.provider] : [])).at(-1),
      ).toBe('cuda');

      const again = desk(machine, 'process.exit(9);', home); // it would fail now: it is not asked again
      expect((await again.hardware.look()).device.provider).toBe('cuda');
      machine.program('nvidia-smi', nvidiaSmi(CARD.replace('580.65.06', '590.10')));
      const third = await again.hardware.look();
      expect(third.device.reason).toBe(
        'The processor: CUDA failed its self-test. Its process ended with 9 before it computed anything.',
      );
      expect(report(third, 'cuda')).toMatchObject({ state: 'refused', selfTest: { ok: false } });
    },
  );

  test.runIf(onLinux)('a precision has a test of its own', async () => {
    const { machine, libraries } = withCard();
    const home = freshHome();
    await desk(machine, PASSES, home).hardware.libraries([libraries]);
    const { hardware } = desk(machine, FAILS, home);
    expect((await hardware.look()).device.provider).toBe('cuda');
    const asked = await hardware.choose('cuda:bf16');
    expect(report(asked, 'cuda')).toMatchObject({
      state: 'refused',
      selfTest: { sentence: 'Softmax is off by 0.50, and 0.0020 is allowed.' },
    });
    expect(asked.device).toMatchObject({
      provider: 'cuda',
      precision: 'bf16',
      reason: expect.stringMatching(/^Nothing runs: CUDA was asked for and failed its self-test\. Softmax/),
    });
    expect(() => hardware.environment()).toThrow(/Softmax is off/);
    expect((await hardware.choose('auto')).device).toMatchObject({ provider: 'cuda', precision: 'fp32' });
  });

  test('a choice is kept with the preferences, and told; what cannot be had is refused from then on', async () => {
    const { hardware, preferences, heard, home } = desk(fakeMachine());
    await hardware.choose('cpu');
    expect(openPreferences(home).read().device).toBe('cpu');
    expect(hardware.device().reason).toBe('The processor, as you asked.');
    await hardware.choose('cuda');
    expect(preferences.read().device).toBe('cuda');
    expect(heard.some(({ event, data }) => event === 'preferences.changed' && data.preferences.device === 'cuda')).toBe(
      true,
    );
    expect(() => hardware.environment()).toThrow(/^CUDA was asked for and cannot be used\./);
    await expect(hardware.test('cuda')).rejects.toMatchObject({
      code: 'runtime',
      message: expect.stringMatching(/cannot be tested/),
    });
  });

  test('what the environment says goes before what was chosen, and cannot be changed from the window', async () => {
    const { hardware } = desk({ env: { ...fakeMachine().env, TASTEMAKER_DEVICE: 'cpu' } });
    expect(await hardware.look()).toMatchObject({ wanted: 'cpu' });
    await expect(hardware.choose('auto')).rejects.toThrow(
      /^This start computes on "cpu", for TASTEMAKER_DEVICE says so\.$/,
    );
  });

  test('a test that is asked for is done and kept', async () => {
    const { hardware } = desk(fakeMachine(), FAILS);
    expect(await hardware.test('cpu')).toMatchObject({
      provider: 'cpu',
      state: 'refused',
      selfTest: { ok: false, sentence: 'Softmax is off by 0.50, and 0.0020 is allowed.' },
    });
    expect(report(await hardware.look(), 'cpu').selfTest?.ok).toBe(false);
  });

  test('folders and files that are not there are refused in a sentence', async () => {
    const { hardware } = desk(fakeMachine());
    await expect(hardware.libraries([path.join(folder, 'nowhere')])).rejects.toMatchObject({ code: 'bad-file' });
    await expect(hardware.setup('folder', null)).rejects.toMatchObject({ code: 'bad-argument' });
  });

  test.runIf(onLinux)('a folder to install from that is not there is refused', async () => {
    const { hardware } = desk(fakeMachine());
    await expect(hardware.setup('folder', path.join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'bad-file' });
  });

  test.runIf(onLinux)('files from a folder are installed, step by step, and tested', async () => {
    const machine = fakeMachine();
    const { libraries } = withCard();
    machine.program('nvidia-smi', nvidiaSmi(CARD));
    const other = fakeMachine();
    other.files();
    const { hardware, heard } = desk(machine);
    await hardware.libraries([libraries]);
    expect(report(await hardware.look(), 'cuda').state).toBe('missing');
    const after = await hardware.setup('folder', other.runtime);
    expect(after.device.provider).toBe('cuda');
    expect(heard.flatMap(({ event, data }) => (event === 'hardware.setup' ? [data.line] : []))).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Installed libonnxruntime_providers_shared\.so and/)]),
    );
  });

  test('the meter runs while a window looks on, and not before or after', async () => {
    const machine = fakeMachine();
    // the watch asks with -lms and is not ended by itself
    machine.program(
      'nvidia-smi',
      `case "$*" in *-lms*) while :; do echo '${CARD.slice(0, CARD.lastIndexOf(','))}'; /bin/sleep 0.05; done;; --query-gpu=*) echo '${CARD}';; *) echo 'CUDA Version: 13.0';; esac`,
    );
    const { hardware, heard } = desk(machine);
    const meters = () => heard.filter(({ event }) => event === 'hardware.meter');
    await hardware.look();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(meters()).toEqual([]);
    hardware.watched(1);
    await vi.waitFor(() => expect(meters().length).toBeGreaterThan(1), 5000);
    expect(meters()[0]!.data).toEqual({
      cards: [
        {
          name: 'NVIDIA H100 80GB HBM3',
          memoryBytes: 81559 * 2 ** 20,
          usedBytes: 1234 * 2 ** 20,
          load: 42,
          celsius: 35,
          watts: 118.34,
        },
      ],
    });
    hardware.watched(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { length } = meters();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(meters().length).toBe(length);
  });
});

test('the facts of this machine make a key that is the same twice', async () => {
  const home = freshHome();
  const [a, b] = [await lookAtHardware({ home }), await lookAtHardware({ home })];
  for (const words of ['cpu', 'cuda', 'webgpu']) expect(a.keyOf(readDevice(words))).toBe(b.keyOf(readDevice(words)));
});

describe('runs', () => {
  const fresh = temporaryProjects();
  const settings = { policy: 'base', k: 5, max_new: 4, prompts: 2 };
  let project: Project;
  beforeAll(async () => void (project = await makeTinyProject(fresh())));
  afterAll(() => project.close());

  test('begin when the device is known, in its environment', async () => {
    let known: Record<string, string> | null = null;
    let found!: () => void;
    const looking = new Promise<Record<string, string>>(
      (resolve) => void (found = () => resolve((known = { TASTEMAKER_DEVICE: 'cpu', TASTEMAKER_THREADS: '1' }))),
    );
    const { queue, reaches } = openQueue(project, { ...QUICK, environment: () => known ?? looking });
    const { id } = await queue.start('sample', settings, null);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(queue.get(id).run.status).toBe('queued');
    found();
    expect(await reaches(id, 'done', 'failed')).toMatchObject({ status: 'done' });
    expect(readManifest(path.dirname(runFile(project, id, 'manifest.json'))).versions).toMatchObject({ device: 'cpu' });
    expect(fs.readFileSync(runFile(project, id, 'log.txt'), 'utf8')).toMatch(/At work \(process \d+, on cpu\)\./);
    await queue.close();
  });

  test('do not begin on another device than was asked for: they are refused, or fail with the sentence', async () => {
    const refusal = new TastemakerError(
      'runtime',
      'CUDA was asked for and failed its self-test. Softmax is off by 0.50.',
      'x',
    );
    let refused = false;
    let tested!: () => void;
    const testing = new Promise<never>(
      (_, reject) =>
        void (tested = () => {
          refused = true;
          reject(refusal);
        }),
    );
    const { queue, reaches } = openQueue(project, {
      ...QUICK,
      environment: () => {
        if (refused) throw refusal;
        return testing;
      },
    });
    const { id } = await queue.start('sample', { ...settings, k: 6 }, null);
    tested();
    expect(await reaches(id, 'failed')).toMatchObject({
      error: expect.stringContaining('CUDA was asked for and failed its self-test. Softmax is off by 0.50.'),
      resumable: true,
    });
    expect(fs.existsSync(runFile(project, id, 'heartbeat.json'))).toBe(false);
    await expect(queue.start('sample', { ...settings, k: 7 }, null)).rejects.toBe(refusal);
    await queue.close();
  });
});
