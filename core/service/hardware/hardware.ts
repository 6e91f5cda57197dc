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

export function createHardware({ home, preferences, emit, env = process.env, selfTest = {} }: Options): HardwareDesk {
  const ending = new AbortController();
  let settled: Settled | null = null;
  let environment: Environment = {};
  let now: Choice = UNSETTLED;
  let settling: Promise<Settled> | null = null;
  let setting = false;
  let windows = 0;
  let told = '';
  let stopMeter: (() => void) | null = null;

  /** What the environment says goes before what was chosen in the window: whoever started this service meant it. */
  const forced = (): string | null => env[DEVICE_VARIABLE] || null;
  const wanted = (): WantedDevice => {
    const words = forced();
    if (words === null) return preferences.read().device;
    const { provider, precision } = readDevice(words);
    return provider === 'cuda' && precision === 'bf16' ? 'cuda:bf16' : provider;
  };

  function deviceNow(): Device {
    const { device, reason } = now;
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
  function tell(): void {
    const { device, reason } = now;
    const text = JSON.stringify([device, reason]);
    if (text !== told && !ending.signal.aborted) emit('hardware.changed', { device: deviceNow() });
    told = text;
  }

  /** Looks and chooses anew; who asks meanwhile gets the same answer. */
  function settle({ hash = false } = {}): Promise<Settled> {
    settling ??= (async () => {
      try {
        const found = await settleDevice(home, wanted(), {
          ...selfTest,
          hash,
          env,
          signal: ending.signal,
          testing: (so) => {
            now = so;
            tell();
          },
        });
        environment = {
          ...(await environmentFor(found.device, found.look.libraryFolders, env)),
          ...(forced() ? deviceEnvironment(readDevice(forced()!)) : {}),
        };
        settled = now = found;
        tell();
        meter();
        return found;
      } finally {
        settling = null;
      }
    })();
    return settling;
  }
  async function resettle(options: { hash?: boolean } = {}): Promise<Settled> {
    await settling?.catch(() => {}); // what it looked at may be what has just changed
    return settle(options);
  }

  function meter(): void {
    const wants = windows > 0 && settled?.look.cards.state === 'ready' && !ending.signal.aborted;
    if (wants && !stopMeter)
      stopMeter = watchCards(
        METER_MS,
        (cards) => {
          if (cards) emit('hardware.meter', { cards: cards.map(cardNow) });
          else stopMeter = null;
        },
        env,
      );
    if (!wants) {
      stopMeter?.();
      stopMeter = null;
    }
  }

  const hardwareOf = ({ look }: Settled): Hardware => ({
    device: deviceNow(),
    wanted: wanted(),
    providers: look.sections.map(({ provider }) => look.found[provider].report),
    cards: look.cards.cards.map(cardNow),
    libraryFolders: look.libraryFolders,
  });

  return {
    device: deviceNow,
    environment: () => {
      if (settled && !settling) {
        if (settled.refusal) throw settled.refusal;
        return environment;
      }
      return (settling ?? settle()).then(({ refusal }) => {
        if (refusal) throw refusal;
        return environment;
      });
    },
    look: async () => hardwareOf(await resettle({ hash: true })),
    test: async (provider) => {
      await settling?.catch(() => {});
      const look = await lookAtHardware({ home, wanted: wanted(), hash: true, env });
      const { report, why } = look.found[provider];
      if (report.state === 'missing' || report.state === 'broken')
        throw new TastemakerError(
          'runtime',
          `${report.title} cannot be tested. ${why ?? ''}`.trim(),
          report.lines.at(-1) ?? 'Mend what is missing first.',
        );
      const tested = await testDevice(look, home, deviceFor(provider, wanted()), {
        ...selfTest,
        signal: ending.signal,
      });
      const after = (await resettle()).look.found[provider].report;
      return after.selfTest ? after : { ...report, state: tested.ok ? 'ready' : 'refused', selfTest: tested };
    },
    choose: async (given) => {
      const words = forced();
      if (words !== null)
        throw new TastemakerError(
          'bad-argument',
          `This start computes on "${words}", for ${DEVICE_VARIABLE} says so.`,
          `Start Tastemaker without ${DEVICE_VARIABLE} to choose here.`,
        );
      emit('preferences.changed', { preferences: preferences.change({ device: given }) });
      settled = null; // nothing begins on what is not wanted any more
      return hardwareOf(await resettle());
    },
    setup: async (source, given) => {
      if (setting)
        throw new TastemakerError(
          'bad-argument',
          'The CUDA files are being installed already.',
          'Wait until that is done.',
        );
      if (source === 'folder' && given === null)
        throw new TastemakerError('bad-argument', 'No folder was named.', 'Name the folder that holds the CUDA files.');
      setting = true;
      try {
        await installCudaFiles(sourceOf(source, given), (line) => emit('hardware.setup', { line }), { env });
      } finally {
        setting = false;
      }
      return hardwareOf(await resettle());
    },
    libraries: async (folders) => {
      rememberLibraryFolders(home, folders.map(typedPath));
      return hardwareOf(await resettle());
    },
    watched: (count) => {
      windows = count;
      meter();
    },
    begin: () => {
      if (!settled && !settling) settle().catch(() => {}); // whoever needs it asks again
    },
    close: async () => {
      ending.abort();
      meter();
      await settling?.catch(() => {});
    },
  };
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
