// What this machine can compute on: what is there of each provider, and what its last self-test said.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CardNow, ProviderName, ProviderReport, WantedDevice } from '#core/contract/hardware.ts';
import { deviceEnvironment, PROCESSOR } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { processorThreads, runtimeVersion } from '#core/autodiff/session.ts';
import { CUDA_FILE, readCudaFiles } from '#core/hardware/cuda-files.ts';
import type { CudaFiles } from '#core/hardware/cuda-files.ts';
import { readCards } from '#core/hardware/nvidia.ts';
import type { NvidiaCard, NvidiaCards } from '#core/hardware/nvidia.ts';
import { describeProviders, environmentForCuda } from '#core/hardware/providers.ts';
import type { ProviderSection } from '#core/hardware/providers.ts';
import { readWebgpu } from '#core/hardware/webgpu.ts';
import { readLibraryFolders } from '#core/service/library-folders.ts';
import { keptSelfTests, runSelfTest, selfTestKey } from './self-tests.ts';
import type { SelfTestOptions } from './self-tests.ts';
import { VERSION } from '#core/version.ts';

export const PROCESSOR_NAME = os.cpus()[0]?.model.trim() ?? 'Unknown processor';

/** One provider: how it is shown, and why it cannot be used where it cannot. */
export interface Found {
  report: ProviderReport;
  why: string | null;
  /** a graphics card that the processor imitates: works, and never of its own choice */
  imitated: boolean;
}

export interface Look {
  found: Readonly<Record<ProviderName, Found>>;
  sections: readonly ProviderSection[];
  cards: NvidiaCards;
  libraryFolders: string[];
  env: NodeJS.ProcessEnv;
  /** what a device has to be tested for again when it changes */
  keyOf(device: Device): string;
}

export interface LookAt {
  home: string;
  /** the device that CUDA's report is about: its precision has a self-test of its own */
  wanted?: WantedDevice;
  /** compare the CUDA files with the hashes that were installed (half a second) */
  hash?: boolean;
  env?: NodeJS.ProcessEnv;
}

/** The device of a provider that is meant by a wish. */
export const deviceFor = (provider: ProviderName, wanted: WantedDevice): Device => ({
  ...PROCESSOR,
  provider,
  precision: provider === 'cuda' && wanted === 'cuda:bf16' ? 'bf16' : 'fp32',
});

export async function lookAtHardware({
  home,
  wanted = 'auto',
  hash = false,
  env = process.env,
}: LookAt): Promise<Look> {
  const libraryFolders = readLibraryFolders(home);
  const [sections, cards, files, webgpu] = await Promise.all([
    describeProviders({ folders: libraryFolders, hash, env }),
    readCards({ env }),
    readCudaFiles({ hash: false, env }),
    readWebgpu({ env }),
  ]);
  const facts: Readonly<Record<ProviderName, (string | null)[]>> = {
    cpu: [PROCESSOR_NAME],
    cuda: [cards.driver, ...cards.cards.map(({ name }) => name), hashOf(files)],
    webgpu: [os.release(), ...webgpu.drivers.map(stampOf)],
  };
  const keyOf = (device: Device) => selfTestKey(device, [runtimeVersion(), VERSION, ...facts[device.provider]]);
  const kept = keptSelfTests(home);
  const imitates = webgpu.state === 'software';
  const found = Object.fromEntries(
    sections.map((section): [ProviderName, Found] => {
      const { provider, title, findings } = section;
      const selfTest = kept.read(keyOf(deviceFor(provider, wanted)));
      const imitated = provider === 'webgpu' && imitates;
      const there = section.state === 'ready' || imitated;
      const state = there ? stateOf(provider, selfTest) : section.state === 'broken' ? 'broken' : 'missing';
      const said = findings.flatMap(({ sentence, hint }) => [sentence, ...(hint ? [hint] : [])]);
      const lines = provider === 'cpu' ? [`${PROCESSOR_NAME}, ${processorThreads()} threads.`] : said;
      const lacking =
        findings.find(({ level }) => level === 'broken') ??
        findings.find(({ level }) => level === 'missing') ??
        findings[0];
      return [
        provider,
        {
          report: { provider, title, state, lines, selfTest },
          why: there ? null : (lacking?.sentence ?? null),
          imitated,
        },
      ];
    }),
  ) as Record<ProviderName, Found>;
  return { found, sections, cards, libraryFolders, env, keyOf };
}

/** The processor is what everything else is compared with; it needs no test before it may be used. */
const stateOf = (provider: ProviderName, test: ProviderReport['selfTest']): ProviderReport['state'] =>
  test ? (test.ok ? 'ready' : 'refused') : provider === 'cpu' ? 'ready' : 'untested';

/** Tests a device now and keeps what came out. */
export async function testDevice(
  look: Look,
  home: string,
  device: Device,
  options: SelfTestOptions = {},
): Promise<NonNullable<ProviderReport['selfTest']>> {
  const test = await runSelfTest(device, {
    ...options,
    environment: { ...options.environment, ...(await environmentFor(device, look.libraryFolders, look.env)) },
  });
  if (!options.signal?.aborted) keptSelfTests(home).keep(look.keyOf(device), test);
  return test;
}

/** The environment in which a process computes on `device`. */
export async function environmentFor(
  device: Device,
  libraryFolders: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Record<string, string>> {
  const { LD_LIBRARY_PATH } =
    device.provider === 'cuda' ? await environmentForCuda({ folders: libraryFolders, env }) : {};
  return { ...deviceEnvironment(device), ...(LD_LIBRARY_PATH ? { LD_LIBRARY_PATH } : {}) };
}

export const cardNow = ({ name, memory, used, load, temperature, power }: NvidiaCard): CardNow => ({
  name,
  memoryBytes: memory ?? 0,
  usedBytes: used ?? 0,
  load,
  celsius: temperature,
  watts: power,
});

/** What was installed, by its hash where that is known; and what would be changed by changing the file. */
const hashOf = ({ folder, record }: CudaFiles): string =>
  [record?.files[CUDA_FILE]?.sha256 ?? '', stampOf(path.join(folder, CUDA_FILE))].join(' ');
function stampOf(file: string): string {
  try {
    const { size, mtimeMs } = fs.statSync(file);
    return `${path.basename(file)} ${size} ${Math.round(mtimeMs)}`;
  } catch {
    return 'absent';
  }
}
