// The device that this service's processes compute on: looked for once, tested where it has to be, and told to every
// window.

import os from 'node:os';
import { TastemakerError } from '#core/errors.ts';
import type { Device, Hardware, ProviderReport, WantedDevice } from '#core/contract/hardware.ts';
import { deviceEnvironment, readDevice } from '#core/autodiff/device.ts';
import { processorThreads } from '#core/autodiff/session.ts';
import { installCudaFiles } from '#core/hardware/install-cuda-files.ts';
import type { CudaSource } from '#core/hardware/install-cuda-files.ts';
import { watchCards } from '#core/hardware/nvidia.ts';
import type { Emit, Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { rememberLibraryFolders } from '#core/service/library-folders.ts';
import type { PreferencesFile } from '#core/service/preferences.ts';
import { settleDevice, UNSETTLED } from './choose.ts';
import type { Choice, Settled } from './choose.ts';
import { cardNow, deviceFor, environmentFor, lookAtHardware, PROCESSOR_NAME, testDevice } from './look.ts';
import type { SelfTestOptions } from './self-tests.ts';

const METER_MS = 2000;
const DEVICE_VARIABLE = 'TASTEMAKER_DEVICE';

export type Environment = Readonly<Record<string, string>>;

export interface HardwareDesk {
  /** as far as is known now */
  device(): Device;
  /**
   * For a process that computes: at once where the device is known, later where it is still looked for or tested.
   * Throws where what was asked for cannot be had.
   */
  environment(): Environment | Promise<Environment>;
  look(): Promise<Hardware>;
  test(provider: ProviderReport['provider']): Promise<ProviderReport>;
  choose(wanted: WantedDevice): Promise<Hardware>;
  setup(source: 'installer' | 'wheel' | 'folder', path: string | null): Promise<Hardware>;
  libraries(folders: readonly string[]): Promise<Hardware>;
  /** How many windows look on: the meter runs only for them. */
  watched(windows: number): void;
  /** Begins to look, where nobody has yet; whoever waits hears of it. */
  begin(): void;
  close(): Promise<void>;
}

interface Options {
  home: string;
  preferences: PreferencesFile;
  emit: Emit;
  env?: NodeJS.ProcessEnv;
  selfTest?: SelfTestOptions;
}

/** What was found and chosen, and what is being done about it. */
interface Desk extends Required<Options> {
  ending: AbortController;
  settled: Settled | null;
  environment: Environment;
  now: Choice;
  settling: Promise<Settled> | null;
  isInstalling: boolean;
  windows: number;
  told: string;
  stopMeter: (() => void) | null;
}

export function createHardware({ env = process.env, selfTest = {}, ...options }: Options): HardwareDesk {
  const desk: Desk = {
    ...options,
    env,
    selfTest,
    ending: new AbortController(),
    settled: null,
    environment: {},
    now: UNSETTLED,
    settling: null,
    isInstalling: false,
    windows: 0,
    told: '',
    stopMeter: null,
  };
  return {
    device: () => deviceNow(desk),
    environment: () => environmentNow(desk),
    look: async () => hardwareOf(desk, await resettle(desk, { hash: true })),
    test: (provider) => testProvider(desk, provider),
    choose: (given) => choose(desk, given),
    setup: (source, given) => install(desk, source, given),
    libraries: async (folders) => {
      rememberLibraryFolders(desk.home, folders.map(typedPath));
      return hardwareOf(desk, await resettle(desk));
    },
    watched: (count) => {
      desk.windows = count;
      meter(desk);
    },
    begin: () => {
      if (!desk.settled && !desk.settling) settle(desk).catch(() => {}); // whoever needs it asks again
    },
    close: async () => {
      desk.ending.abort();
      meter(desk);
      await desk.settling?.catch(() => {});
    },
  };
}

// ---- What is wanted, and what is known now

/** What the environment says goes before what was chosen in the window: whoever started this service meant it. */
const forced = ({ env }: Desk): string | null => env[DEVICE_VARIABLE] || null;
function wanted(desk: Desk): WantedDevice {
  const words = forced(desk);
  if (words === null) return desk.preferences.read().device;
  const { provider, precision } = readDevice(words);
  return provider === 'cuda' && precision === 'bf16' ? 'cuda:bf16' : provider;
}

function deviceNow({ now: { device, reason }, settled }: Desk): Device {
  const card = device.provider === 'cuda' ? settled?.look.cards.cards[0] : undefined;
  const limit = process.constrainedMemory();
  const memoryBytes = limit > 0 ? Math.min(os.totalmem(), limit) : os.totalmem();
  const base = { provider: device.provider, precision: device.precision, cores: processorThreads(), reason };
  if (card?.memory)
    return { ...base, name: card.name, memoryBytes: card.memory, freeBytes: card.memory - (card.used ?? 0) };
  return {
    ...base,
    name:
      device.provider === 'webgpu'
        ? 'Graphics card (WebGPU)'
        : device.provider === 'cuda'
          ? 'NVIDIA graphics card'
          : PROCESSOR_NAME,
    memoryBytes,
    freeBytes: Math.min(memoryBytes, process.availableMemory()),
  };
}

const hardwareOf = (desk: Desk, { look }: Settled): Hardware => ({
  device: deviceNow(desk),
  wanted: wanted(desk),
  providers: look.sections.map(({ provider }) => look.found[provider].report),
  cards: look.cards.cards.map(cardNow),
  libraryFolders: look.libraryFolders,
});

function tell(desk: Desk): void {
  const { device, reason } = desk.now;
  const text = JSON.stringify([device, reason]);
  if (text !== desk.told && !desk.ending.signal.aborted) desk.emit('hardware.changed', { device: deviceNow(desk) });
  desk.told = text;
}

function environmentNow(desk: Desk): Environment | Promise<Environment> {
  if (desk.settled && !desk.settling) {
    if (desk.settled.refusal) throw desk.settled.refusal;
    return desk.environment;
  }
  return (desk.settling ?? settle(desk)).then(({ refusal }) => {
    if (refusal) throw refusal;
    return desk.environment;
  });
}

// ---- Looking and choosing

/** Looks and chooses anew; who asks meanwhile gets the same answer. */
function settle(desk: Desk, { hash = false } = {}): Promise<Settled> {
  desk.settling ??= (async () => {
    try {
      const found = await settleDevice(desk.home, wanted(desk), {
        ...desk.selfTest,
        hash,
        env: desk.env,
        signal: desk.ending.signal,
        testing: (so) => {
          desk.now = so;
          tell(desk);
        },
      });
      const words = forced(desk);
      desk.environment = {
        ...(await environmentFor(found.device, found.look.libraryFolders, desk.env)),
        ...(words ? deviceEnvironment(readDevice(words)) : {}),
      };
      desk.settled = desk.now = found;
      tell(desk);
      meter(desk);
      return found;
    } finally {
      desk.settling = null;
    }
  })();
  return desk.settling;
}
async function resettle(desk: Desk, options: { hash?: boolean } = {}): Promise<Settled> {
  await desk.settling?.catch(() => {}); // what it looked at may be what has just changed
  return settle(desk, options);
}

function meter(desk: Desk): void {
  const wants = desk.windows > 0 && desk.settled?.look.cards.state === 'ready' && !desk.ending.signal.aborted;
  if (wants && !desk.stopMeter)
    desk.stopMeter = watchCards(
      METER_MS,
      (cards) => {
        if (cards) desk.emit('hardware.meter', { cards: cards.map(cardNow) });
        else desk.stopMeter = null;
      },
      desk.env,
    );
  if (!wants) {
    desk.stopMeter?.();
    desk.stopMeter = null;
  }
}

// ---- What a person may do

async function testProvider(desk: Desk, provider: ProviderReport['provider']): Promise<ProviderReport> {
  const { home, env, selfTest, ending } = desk;
  await desk.settling?.catch(() => {});
  const look = await lookAtHardware({ home, wanted: wanted(desk), hash: true, env });
  const { report, why } = look.found[provider];
  if (report.state === 'missing' || report.state === 'broken')
    throw new TastemakerError(
      'runtime',
      `${report.title} cannot be tested. ${why ?? ''}`.trim(),
      report.lines.at(-1) ?? 'Mend what is missing first.',
    );
  const device = deviceFor(provider, wanted(desk));
  const tested = await testDevice(look, home, device, { ...selfTest, signal: ending.signal });
  const after = (await resettle(desk)).look.found[provider].report;
  return after.selfTest ? after : { ...report, state: tested.ok ? 'ready' : 'refused', selfTest: tested };
}

async function choose(desk: Desk, given: WantedDevice): Promise<Hardware> {
  const words = forced(desk);
  if (words !== null)
    throw new TastemakerError(
      'bad-argument',
      `This start computes on "${words}", for ${DEVICE_VARIABLE} says so.`,
      `Start Tastemaker without ${DEVICE_VARIABLE} to choose here.`,
    );
  desk.emit('preferences.changed', { preferences: desk.preferences.change({ device: given }) });
  desk.settled = null; // nothing begins on what is not wanted any more
  return hardwareOf(desk, await resettle(desk));
}

async function install(desk: Desk, source: 'installer' | 'wheel' | 'folder', given: string | null): Promise<Hardware> {
  if (desk.isInstalling)
    throw new TastemakerError(
      'bad-argument',
      'The CUDA files are being installed already.',
      'Wait until that is done.',
    );
  if (source === 'folder' && given === null)
    throw new TastemakerError('bad-argument', 'No folder was named.', 'Name the folder that holds the CUDA files.');
  desk.isInstalling = true;
  try {
    const say = (line: string) => desk.emit('hardware.setup', { line });
    await installCudaFiles(sourceOf(source, given), say, { env: desk.env });
  } finally {
    desk.isInstalling = false;
  }
  return hardwareOf(desk, await resettle(desk));
}

const sourceOf = (source: 'installer' | 'wheel' | 'folder', given: string | null): CudaSource =>
  source === 'installer'
    ? { kind: 'installer' }
    : source === 'folder'
      ? { kind: 'folder', folder: typedPath(given!) }
      : { kind: 'wheel', ...(given === null ? {} : { file: typedPath(given) }) };

export const createHardwareHandlers = ({ hardware }: { hardware: HardwareDesk }) =>
  ({
    'hardware.look': () => hardware.look(),
    'hardware.test': (_, { provider }) => hardware.test(provider),
    'hardware.choose': (_, { wanted }) => hardware.choose(wanted),
    'hardware.setup': (_, { source, path }) => hardware.setup(source, path),
    'hardware.libraries': (_, { folders }) => hardware.libraries(folders),
  }) satisfies Partial<Handlers>;
