// The two CUDA files beside ONNX Runtime: whether they are there, whole, of the right version, and those that were
// installed.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TastemakerError } from '#core/errors.ts';
import { openRegular, readRegularText } from '#core/regular-file.ts';
import { cudaMajorOf } from './cuda-libraries.ts';
import type { CudaMajor } from './cuda-libraries.ts';
import { readElfNeeds, readVersionStrings } from './elf-needs.ts';

export const SHARED_FILE = 'libonnxruntime_providers_shared.so';
export const CUDA_FILE = 'libonnxruntime_providers_cuda.so';
/** In the order in which they are put in place: the runtime loads the second only where the first is. */
export const PROVIDER_FILES = [SHARED_FILE, CUDA_FILE] as const;
const RUNTIME_FILE = 'libonnxruntime.so.1';
const RECORD_FILE = 'cuda-files.json';
const CUDA_PLATFORM = 'linux-x64';

/** What was installed, kept beside the files. */
export interface CudaFilesRecord {
  version: string;
  cuda: CudaMajor;
  /** in words: a wheel's name, a folder, the installer */
  source: string;
  installed: string;
  files: Readonly<Record<string, { bytes: number; sha256: string }>>;
}

export interface Judged {
  state: 'absent' | 'broken' | 'wrong-version' | 'changed' | 'ready';
  version: string | null;
  major: CudaMajor | null;
  /** DT_NEEDED of the provider */
  needs: readonly string[];
  sentence: string;
  /** how to mend it; null where nothing is wrong */
  hint: string | null;
}

export interface CudaFiles extends Omit<Judged, 'state'> {
  /** `unsupported`: not on this kind of machine; `changed`: not the bytes that were installed */
  state: Judged['state'] | 'unsupported';
  folder: string;
  /** the runtime's own version, which the files must have */
  wanted: string | null;
  record: CudaFilesRecord | null;
}

export interface FilesOptions {
  env?: NodeJS.ProcessEnv;
  /** as in "linux-x64" */
  platform?: string;
}

/**
 * Where the runtime's own libraries lie: TASTEMAKER_RUNTIME_FILES, or inside the package onnxruntime-node. 'runtime'
 * where there is none.
 */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.TASTEMAKER_RUNTIME_FILES) return path.resolve(env.TASTEMAKER_RUNTIME_FILES);
  try {
    const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    return path.join(path.dirname(packageFile), 'bin', 'napi-v6', process.platform, process.arch);
  } catch {
    throw new TastemakerError(
      'runtime',
      'The package onnxruntime-node is not installed.',
      'Start Tastemaker once with `npm start`, which installs its packages, or run `npm ci`.',
    );
  }
}

/** The version that the runtime's library carries, as in "1.30.0"; null where there is none. */
export function runtimeVersion(folder: string): string | null {
  try {
    return (
      readElfNeeds(path.join(folder, RUNTIME_FILE)).versionsDefined.flatMap(
        (name) => /^VERS_(\d+\.\d+\.\d+)$/.exec(name)?.[1] ?? [],
      )[0] ?? null
    );
  } catch {
    return null;
  }
}

/** Why CUDA cannot be used on this kind of machine, or null. */
export const whyUnsupported = (platform: string): string | null =>
  platform === CUDA_PLATFORM
    ? null
    : `CUDA can be used on Linux with an x64 processor; this machine is ${platform}, where WebGPU computes on the graphics card.`;

/**
 * What is there. `hash: false` leaves out the comparison with the SHA-256 that were installed, which reads some 300 MB
 * (half a second).
 * Never throws for what is wrong with the files.
 */
export async function readCudaFiles({
  hash = true,
  env = process.env,
  platform = `${process.platform}-${process.arch}`,
}: FilesOptions & { hash?: boolean } = {}): Promise<CudaFiles> {
  const folder = runtimeFolder(env);
  const unsupported = whyUnsupported(platform);
  const nothing = { version: null, major: null, needs: [], record: null };
  if (unsupported) return { ...nothing, state: 'unsupported', folder, wanted: null, sentence: unsupported, hint: null };
  const wanted = runtimeVersion(folder);
  if (wanted === null)
    return {
      ...nothing,
      state: 'broken',
      folder,
      wanted,
      sentence: `ONNX Runtime's own library is not in ${folder}, or damaged.`,
      hint: 'Install the packages again: remove the folder node_modules/onnxruntime-node and run `npm ci`.',
    };
  const judged = judgeFiles(folder, wanted);
  const record = readRecord(folder);
  const changed = hash && judged.state === 'ready' && record ? await changedFile(folder, record) : null;
  if (changed)
    return {
      ...judged,
      folder,
      wanted,
      record,
      state: 'changed',
      sentence: `${path.join(folder, changed)} is not the file that was installed on ${record!.installed.slice(0, 10)}: its SHA-256 differs.`,
      hint: AGAIN,
    };
  return { ...judged, folder, wanted, record };
}

const AGAIN =
  'Install the CUDA files again with `tastemaker setup cuda`, or take them away with `tastemaker setup cuda --remove`.';

/** Looks at the two files in a folder, without their hashes. */
export function judgeFiles(folder: string, wanted: string): Judged {
  const nothing = { version: null, major: null, needs: [] };
  const there = PROVIDER_FILES.filter((name) => fs.existsSync(path.join(folder, name)));
  if (there.length === 0)
    return {
      ...nothing,
      state: 'absent',
      sentence: 'The CUDA files of ONNX Runtime are not installed.',
      hint: 'Run `tastemaker setup cuda` (or `npm run setup:cuda`).',
    };
  const lacking = PROVIDER_FILES.find((name) => !there.includes(name));
  if (lacking)
    return {
      ...nothing,
      state: 'broken',
      sentence: `Of the two CUDA files, ${lacking} is missing in ${folder}.`,
      hint: AGAIN,
    };
  const file = path.join(folder, CUDA_FILE);
  try {
    for (const name of PROVIDER_FILES) {
      const { machine, soname } = readElfNeeds(path.join(folder, name));
      if (machine !== 'x86_64')
        throw new TastemakerError(
          'bad-file',
          `${path.join(folder, name)} is for ${machine}, not for this x64 processor.`,
          AGAIN,
        );
      if (soname !== null && soname !== name)
        throw new TastemakerError('bad-file', `${path.join(folder, name)} is another library, ${soname}.`, AGAIN);
    }
    const { needs } = readElfNeeds(file);
    const major = cudaMajorOf(needs);
    const versions = readVersionStrings(file);
    const version = versions.includes(wanted) ? wanted : versions.length === 1 ? versions[0]! : null;
    const facts = { version, major, needs };
    if (major === null)
      return {
        ...facts,
        state: 'broken',
        sentence: `${file} is no CUDA provider for CUDA 12 or 13: it does not need their cuBLAS.`,
        hint: AGAIN,
      };
    const other =
      version === null
        ? `${file} does not say of which version of ONNX Runtime it is`
        : `${file} is of ONNX Runtime ${version}`;
    if (version !== wanted)
      return { ...facts, state: 'wrong-version', sentence: `${other}, and ${wanted} is needed.`, hint: AGAIN };
    return {
      ...facts,
      state: 'ready',
      sentence: `The CUDA files of ONNX Runtime ${version} are installed, for CUDA ${major}.`,
      hint: null,
    };
  } catch (error) {
    if (error instanceof TastemakerError)
      return { ...nothing, state: 'broken', sentence: `A CUDA file is broken: ${error.message}`, hint: AGAIN };
    throw error;
  }
}

/** Takes the files away; says which were there. What a running job has loaded stays with it. */
export function removeCudaFiles({ env = process.env }: FilesOptions = {}): string[] {
  const folder = runtimeFolder(env);
  const there = [RECORD_FILE, ...PROVIDER_FILES].filter((name) => fs.existsSync(path.join(folder, name)));
  for (const name of there) writable(folder, () => fs.rmSync(path.join(folder, name)));
  return there.filter((name) => name !== RECORD_FILE);
}

/** SHA-256 in hexadecimal, read as a stream. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(fs.createReadStream('', { fd: openRegular(file).fd, highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** Writes the record beside the files, whole or not at all. */
export function writeRecord(folder: string, record: CudaFilesRecord): void {
  const partial = path.join(folder, `${RECORD_FILE}.${process.pid}`);
  const handle = fs.openSync(partial, 'w');
  try {
    fs.writeFileSync(handle, `${JSON.stringify(record, null, 2)}\n`);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  fs.renameSync(partial, path.join(folder, RECORD_FILE));
}

function readRecord(folder: string): CudaFilesRecord | null {
  try {
    const found = JSON.parse(readRegularText(path.join(folder, RECORD_FILE), 1e6)) as CudaFilesRecord;
    const sound =
      typeof found.installed === 'string' &&
      typeof found.source === 'string' &&
      PROVIDER_FILES.every((name) => typeof found.files[name]?.sha256 === 'string');
    return sound ? found : null;
  } catch {
    return null; // put there by hand: there is nothing to compare with
  }
}

async function changedFile(folder: string, record: CudaFilesRecord): Promise<string | null> {
  for (const name of PROVIDER_FILES) {
    const file = path.join(folder, name);
    const { bytes, sha256 } = record.files[name]!;
    if (fs.statSync(file).size !== bytes || (await sha256Of(file)) !== sha256) return name;
  }
  return null;
}

const REFUSALS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EACCES: [
    'may not be written to',
    'Run the command as the user who installed Tastemaker, or use a copy of it that you own.',
  ],
  EPERM: [
    'may not be written to',
    'Run the command as the user who installed Tastemaker, or use a copy of it that you own.',
  ],
  EROFS: ['is on a disk that is read-only', 'Use a copy of Tastemaker in a folder that can be written to.'],
  ENOSPC: ['is on a disk that is full', 'Free about 600 MB and try again; nothing was changed.'],
  EDQUOT: ['is on a disk on which your quota is used up', 'Free about 600 MB and try again; nothing was changed.'],
};

/** Does something in the runtime's folder; the system's refusals become 'disk' errors that name it. */
export function writable<T>(folder: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw asRefusal(error, folder);
  }
}

export function asRefusal(error: unknown, folder: string): unknown {
  const refusal = REFUSALS[(error as NodeJS.ErrnoException).code ?? ''];
  return refusal && !(error instanceof TastemakerError)
    ? new TastemakerError('disk', `${folder} ${refusal[0]}.`, refusal[1])
    : error;
}
