// One account of each thing that can compute (processor, CUDA, WebGPU): what is there, what is missing, how to get it.

import path from 'node:path';
import { findLibraries, libraryPath } from './cuda-libraries.ts';
import type { CudaMajor, FoundLibraries } from './cuda-libraries.ts';
import { readCudaFiles } from './cuda-files.ts';
import type { CudaFiles } from './cuda-files.ts';
import { readCards } from './nvidia.ts';
import type { NvidiaCards } from './nvidia.ts';
import { readWebgpu } from './webgpu.ts';
import type { WebgpuState } from './webgpu.ts';

/** `broken`: there and wrong, which `doctor` counts as a fault; `missing`: not there, which is none. */
export type Level = 'ok' | 'note' | 'missing' | 'broken';

export interface Finding {
  level: Level;
  /** "driver", "card", "files", "libraries", "vulkan", … */
  part: string;
  sentence: string;
  hint: string | null;
}

/** `ready`: everything that can be seen without computing is there. */
export interface ProviderSection {
  provider: 'cpu' | 'cuda' | 'webgpu';
  title: string;
  state: 'ready' | 'missing' | 'broken' | 'unsupported';
  findings: readonly Finding[];
}

export interface LookOptions {
  /** folders of CUDA libraries that the person named */
  folders?: readonly string[];
  env?: NodeJS.ProcessEnv;
  platform?: string;
  /** compare the CUDA files with the hashes that were installed (half a second) */
  hash?: boolean;
}

export interface CudaLook {
  cards: NvidiaCards;
  files: CudaFiles;
  /** for the CUDA of the installed files; null where there are none that could be used */
  libraries: FoundLibraries | null;
}

/** The first GPUs that CUDA 13 supports are of compute capability 7.5 (Turing), those of CUDA 12 of 5.0. */
const OLDEST_CARD: Readonly<Record<CudaMajor, number>> = { 12: 5.0, 13: 7.5 };
/** The oldest Linux driver for each, from the release notes of CUDA. */
const OLDEST_DRIVER: Readonly<Record<CudaMajor, string>> = { 12: '525', 13: '580' };

/** Asks driver, files and libraries at once. */
export async function lookAtCuda({
  folders = [],
  env = process.env,
  platform,
  hash,
}: LookOptions = {}): Promise<CudaLook> {
  const [cards, files] = await Promise.all([readCards({ env }), readCudaFiles({ env, platform, hash })]);
  const major = usableMajor(files);
  const libraries = major === null ? null : await findLibraries(major, { folders, needs: files.needs, env });
  return { cards, files, libraries };
}

/** The CUDA that the files are for; null where they cannot be used whatever else is there. */
const usableMajor = ({ state, major }: CudaFiles): CudaMajor | null =>
  state === 'ready' || state === 'changed' ? major : null;

/** Sections in the order in which they are shown. */
export async function describeProviders(options: LookOptions = {}): Promise<ProviderSection[]> {
  const [cuda, webgpu] = await Promise.all([lookAtCuda(options), readWebgpu(options)]);
  return [processorSection(), await cudaSection(cuda, options), webgpuSection(webgpu)];
}

/**
 * LD_LIBRARY_PATH for the environment of a job that computes on CUDA, and of no other process; nothing where CUDA
 * cannot be used.
 */
export async function environmentForCuda(options: LookOptions = {}): Promise<{ LD_LIBRARY_PATH?: string }> {
  const env = options.env ?? process.env;
  const files = await readCudaFiles({ env, platform: options.platform, hash: false });
  const major = usableMajor(files);
  return major === null
    ? {}
    : libraryPath(await findLibraries(major, { folders: options.folders, needs: files.needs, env }), env);
}

const processorSection = (): ProviderSection => ({ provider: 'cpu', title: 'Processor', state: 'ready', findings: [] });

async function cudaSection(
  { cards, files, libraries }: CudaLook,
  { folders, env }: LookOptions,
): Promise<ProviderSection> {
  const section = { provider: 'cuda', title: 'CUDA (NVIDIA)' } as const;
  if (files.state === 'unsupported')
    return {
      ...section,
      state: 'unsupported',
      findings: [{ part: 'files', level: 'note', sentence: files.sentence, hint: files.hint }],
    };
  const filesLevel = files.state === 'ready' ? 'ok' : files.state === 'absent' ? 'missing' : 'broken';
  const findings: Finding[] = [
    { part: 'driver', level: cards.state === 'ready' ? 'ok' : 'missing', sentence: cards.sentence, hint: cards.hint },
    { part: 'files', level: filesLevel, sentence: files.sentence, hint: files.hint },
    ...(libraries ? fitFindings(cards, libraries.major) : []),
    ...(libraries ? libraryFindings(libraries, cards.state === 'ready') : [await libraryOutlook(folders, env)]),
  ];
  const state = findings.some(({ level }) => level === 'broken')
    ? 'broken'
    : findings.some(({ level }) => level === 'missing')
      ? 'missing'
      : 'ready';
  return { ...section, state, findings };
}

/** Whether driver and cards are recent enough for the CUDA of the files. */
function fitFindings({ cards, cuda, driver }: NvidiaCards, major: CudaMajor): Finding[] {
  const findings: Finding[] = [];
  if (cuda !== null && Number(cuda.split('.')[0]) < major) {
    findings.push({
      part: 'driver',
      level: 'missing',
      sentence: `The driver${driver ? ` ${driver}` : ''} runs up to CUDA ${cuda}, and the CUDA files are for CUDA ${major}.`,
      hint: `Update the driver to ${OLDEST_DRIVER[major]} or newer${major === 13 ? ', or install the files for CUDA 12: `tastemaker setup cuda --installer`' : ''}.`,
    });
  }
  for (const { index, name, computeCapability } of cards) {
    if (computeCapability === null || Number(computeCapability) >= OLDEST_CARD[major]) continue;
    findings.push({
      part: 'card',
      level: 'missing',
      sentence: `Card ${index}, ${name}, is too old for CUDA ${major}: it has compute capability ${computeCapability}, and ${OLDEST_CARD[major].toFixed(1)} is the least.`,
      hint: major === 13 ? 'Install the files for CUDA 12: `tastemaker setup cuda --installer`.' : null,
    });
  }
  return findings;
}

/**
 * One finding a missing library, and one that says how to get them all. Where the driver is missing, it need not be
 * named twice.
 */
function libraryFindings({ major, found, missing }: FoundLibraries, hasDriver: boolean): Finding[] {
  const folders = [...new Set(Object.values(found).map((file) => path.dirname(file)))];
  const lacking = missing.filter(({ soname }) => hasDriver || soname !== 'libcuda.so.1');
  if (lacking.length === 0)
    return missing.length
      ? []
      : [
          {
            part: 'libraries',
            level: 'ok',
            sentence: `The CUDA ${major} libraries that the files need are here: ${folders.join(', ')}.`,
            hint: null,
          },
        ];
  const packages = [...new Set(lacking.flatMap(({ pip }) => pip ?? []))];
  const all: Finding = {
    part: 'libraries',
    level: 'note',
    sentence: `To get them: \`python3 -m pip install ${packages.join(' ')}\`, or NVIDIA's CUDA Toolkit ${major} and cuDNN 9.`,
    hint: 'Where they lie in an unusual place, name it once: `tastemaker setup cuda --libraries DIR`.',
  };
  return [
    ...lacking.map(({ sentence, hint, pip }): Finding => ({
      part: 'libraries',
      level: 'missing',
      sentence,
      hint: pip ? null : hint,
    })),
    ...(packages.length ? [all] : []),
  ];
}

/** Before the files are here, which CUDA they should be for depends on which libraries are. */
async function libraryOutlook(
  folders: readonly string[] | undefined,
  env: NodeJS.ProcessEnv | undefined,
): Promise<Finding> {
  const outlook = await Promise.all(
    ([13, 12] as const).map(async (major) => {
      const { missing } = await findLibraries(major, { folders, env });
      return `CUDA ${major} ${missing.length ? `lacks ${missing.map(({ soname }) => soname).join(', ')}` : 'is complete'}`;
    }),
  );
  return {
    part: 'libraries',
    level: 'note',
    sentence: `Libraries on this machine: ${outlook.join('; ')}.`,
    hint: null,
  };
}

function webgpuSection({ state, sentence, hint }: WebgpuState): ProviderSection {
  const level = state === 'possible' ? 'ok' : state === 'unsupported' ? 'note' : 'missing';
  return {
    provider: 'webgpu',
    title: 'WebGPU',
    state: state === 'possible' ? 'ready' : state === 'unsupported' ? 'unsupported' : 'missing',
    findings: [{ part: 'graphics', level, sentence, hint }],
  };
}
