// Brings the two CUDA files beside ONNX Runtime, from its installer, a Python wheel or a folder; checked first, then
// put in place.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';
import { askProgram } from './ask-program.ts';
import {
  asRefusal,
  judgeFiles,
  PROVIDER_FILES,
  readCudaFiles,
  runtimeFolder,
  runtimeVersion,
  sha256Of,
  whyUnsupported,
  writable,
  writeRecord,
} from './cuda-files.ts';
import type { CudaFiles, CudaFilesRecord, FilesOptions } from './cuda-files.ts';
import { extractFromWheel, openWheel } from './wheel.ts';

/**
 * Where the files come from: onnxruntime-node's own install script (CUDA 12, network), the wheel of onnxruntime-gpu
 * (CUDA 13; without `file` pip fetches it), or a folder that holds them.
 */
export type CudaSource = { kind: 'installer' } | { kind: 'wheel'; file?: string } | { kind: 'folder'; folder: string };

const IN_WHEEL = 'onnxruntime/capi';
/**
 * Where a folder may hold the files: itself, an unpacked wheel or a Python's site-packages, an unpacked kit, an
 * unpacked NuGet package.
 */
const IN_FOLDER = [
  '',
  IN_WHEEL,
  'node_modules/onnxruntime-node/bin/napi-v6/linux/x64',
  'bin/napi-v6/linux/x64',
  'runtimes/linux-x64/native',
];
const STAGING = '.cuda-';
const STALE_MS = 3_600_000;
const DOWNLOAD_BYTES = 6e8; // a wheel of 247 MB and what comes out of it
const WITHOUT_NETWORK =
  'Without network, fetch the wheel on another machine (docs/guide/gpu.md says how), carry it here and run `tastemaker setup cuda --wheel FILE`.';

/**
 * The files arrive whole or not at all: they are gathered and checked (ELF, version, CUDA, SHA-256 where one is
 * promised) in a folder
 * beside the old ones, made durable, and renamed. `tell` gets a line a step. @returns what is there then.
 */
export async function installCudaFiles(
  source: CudaSource,
  tell: (line: string) => void,
  { env = process.env, platform = `${process.platform}-${process.arch}` }: FilesOptions = {},
): Promise<CudaFiles> {
  const unsupported = whyUnsupported(platform);
  if (unsupported)
    throw new TastemakerError(
      'bad-argument',
      unsupported,
      'There is nothing to set up here: `tastemaker doctor` says what this machine can compute on.',
    );
  const folder = runtimeFolder(env);
  const version = runtimeVersion(folder);
  if (version === null)
    throw new TastemakerError(
      'runtime',
      `ONNX Runtime's own library is not in ${folder}, or damaged.`,
      'Install the packages again: remove the folder node_modules/onnxruntime-node and run `npm ci`.',
    );
  sweep(folder);
  const staging = writable(folder, () => fs.mkdtempSync(path.join(folder, STAGING)));
  try {
    const where = { folder, version, staging, env, tell };
    const name =
      source.kind === 'installer'
        ? await fromInstaller(where)
        : source.kind === 'wheel'
          ? await fromWheel(where, source.file)
          : await fromFolder(where, source.folder);
    const { state, sentence, hint, major } = judgeFiles(staging, version);
    if (state !== 'ready')
      throw new TastemakerError(
        'bad-file',
        sentence.replaceAll(`${staging}${path.sep}`, ''),
        state === 'wrong-version'
          ? `Take the files of onnxruntime-gpu ${version}: they must be of the runtime's own version.`
          : (hint ?? ''),
      );
    const files: Record<string, { bytes: number; sha256: string }> = {};
    for (const file of PROVIDER_FILES) {
      const whole = path.join(staging, file);
      fs.chmodSync(whole, 0o644);
      makeDurable(whole);
      files[file] = { bytes: fs.statSync(whole).size, sha256: await sha256Of(whole) };
    }
    const record: CudaFilesRecord = { version, cuda: major!, source: name, installed: new Date().toISOString(), files };
    for (const file of PROVIDER_FILES) fs.renameSync(path.join(staging, file), path.join(folder, file));
    writeRecord(folder, record);
    makeDurable(folder);
    tell(`Installed ${PROVIDER_FILES.join(' and ')} of ONNX Runtime ${version} for CUDA ${major}.`);
  } catch (error) {
    throw asRefusal(error, folder);
  } finally {
    fs.rmSync(staging, { recursive: true, force: true });
  }
  return readCudaFiles({ env, platform, hash: false });
}

interface Installation {
  /** the runtime's */
  folder: string;
  /** the runtime's */
  version: string;
  /** gets the files */
  staging: string;
  env: NodeJS.ProcessEnv;
  tell(line: string): void;
}

async function fromWheel(where: Installation, given: string | undefined): Promise<string> {
  const file = given ?? (await downloadWheel(where));
  const wheel = openWheel(file);
  if (wheel.name !== 'onnxruntime_gpu')
    throw new TastemakerError(
      'bad-file',
      `${file} is a wheel of ${wheel.name.replaceAll('_', '-')}, not of onnxruntime-gpu.`,
      `Take onnxruntime-gpu ${where.version}; the CUDA files are in no other.`,
    );
  if (wheel.version !== where.version)
    throw new TastemakerError(
      'bad-file',
      `${file} is of onnxruntime-gpu ${wheel.version}, and ${where.version} is needed.`,
      `Take the wheel of onnxruntime-gpu ${where.version}: the files must be of the runtime's own version.`,
    );
  needSpace(
    where.folder,
    PROVIDER_FILES.reduce((sum, name) => sum + (wheel.entries.get(`${IN_WHEEL}/${name}`)?.size ?? 0), 0),
  );
  for (const name of PROVIDER_FILES) {
    where.tell(`Unpacking ${name} from ${path.basename(file)}`);
    await extractFromWheel(wheel, `${IN_WHEEL}/${name}`, path.join(where.staging, name));
  }
  return `wheel ${path.basename(file)}`;
}

/** Any Python's pip will do: the files do not depend on the Python that the wheel is for. */
async function downloadWheel({ folder, version, staging, env, tell }: Installation): Promise<string> {
  needSpace(folder, DOWNLOAD_BYTES);
  const target = path.join(staging, 'wheel');
  const args = [
    'download',
    `onnxruntime-gpu==${version}`,
    '--no-deps',
    '--only-binary=:all:',
    '--platform',
    'manylinux_2_28_x86_64',
    '--python-version',
    '3.11',
    '--dest',
    target,
  ];
  tell(`Fetching onnxruntime-gpu ${version} with pip (about 250 MB)`);
  for (const [program, ...first] of [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const) {
    const { outcome, code, stdout, stderr } = await askProgram(program, [...first, ...args], {
      env,
      timeout: null,
      onLine: tell,
    });
    if (outcome === 'absent' || (code !== 0 && /No module named pip/.test(stderr))) continue;
    if (code !== 0)
      throw new TastemakerError(
        'runtime',
        `pip could not fetch onnxruntime-gpu ${version}: ${lastError(stdout, stderr)}`,
        WITHOUT_NETWORK,
      );
    const wheel = fs.existsSync(target) ? fs.readdirSync(target).find((name) => name.endsWith('.whl')) : undefined;
    if (!wheel)
      throw new TastemakerError('runtime', `pip fetched no wheel of onnxruntime-gpu ${version}.`, WITHOUT_NETWORK);
    return path.join(target, wheel);
  }
  throw new TastemakerError(
    'runtime',
    'There is no pip here, neither with python3 nor by itself, to fetch the wheel with.',
    `Install Python's pip. ${WITHOUT_NETWORK}`,
  );
}

/**
 * The install script writes beside itself, file by file; so a copy of it does, in our folder. It is told by
 * ONNXRUNTIME_NODE_INSTALL_CUDA:
 * the newer ONNXRUNTIME_NODE_INSTALL=cuda12, which its comments recommend, falls through its switch in 1.30.0 and does
 * nothing.
 */
async function fromInstaller({ folder, staging, env, tell }: Installation): Promise<string> {
  const root = path.resolve(folder, '..', '..', '..', '..');
  const scripts = path.join(root, 'script');
  if (!fs.existsSync(path.join(scripts, 'install.js')))
    throw new TastemakerError(
      'runtime',
      `onnxruntime-node's install script is not here (${scripts}); the packaged app does not have it.`,
      'Use a wheel: `tastemaker setup cuda --download`, or --wheel FILE.',
    );
  needSpace(folder, DOWNLOAD_BYTES * 2);
  const copy = path.join(staging, 'onnxruntime-node');
  fs.cpSync(scripts, path.join(copy, 'script'), { recursive: true });
  fs.copyFileSync(path.join(root, 'package.json'), path.join(copy, 'package.json'));
  // either would say "skip"
  const { ONNXRUNTIME_NODE_INSTALL: _one, npm_config_onnxruntime_node_install: _two, ...rest } = env;
  const told = {
    ...rest,
    ONNXRUNTIME_NODE_INSTALL_CUDA: 'v12',
    NODE_PATH: [path.join(root, 'node_modules'), path.dirname(root)].join(path.delimiter),
  };
  tell("Running onnxruntime-node's own installer for CUDA 12 (it fetches some hundred MB)");
  const { code, stdout, stderr } = await askProgram(process.execPath, [path.join(copy, 'script', 'install.js')], {
    cwd: copy,
    env: told,
    timeout: null,
    onLine: tell,
  });
  if (code !== 0)
    throw new TastemakerError(
      'runtime',
      `onnxruntime-node's installer failed: ${lastError(stdout, stderr)}`,
      `It needs the network, and fetches from NuGet; \`tastemaker setup cuda --download\` fetches with pip instead. ${WITHOUT_NETWORK}`,
    );
  for (const name of PROVIDER_FILES) {
    const file = path.join(copy, 'bin', 'napi-v6', 'linux', 'x64', name);
    if (!fs.existsSync(file))
      throw new TastemakerError(
        'runtime',
        `onnxruntime-node's installer ended well and did not bring ${name}.`,
        'Use a wheel: `tastemaker setup cuda --download`, or --wheel FILE.',
      );
    fs.renameSync(file, path.join(staging, name));
  }
  return "onnxruntime-node's installer, CUDA 12";
}

async function fromFolder({ folder, staging, tell }: Installation, given: string): Promise<string> {
  const source = path.resolve(given);
  if (!fs.existsSync(source) || !fs.statSync(source).isDirectory())
    throw new TastemakerError('bad-file', `${source} is not a folder.`, 'Name the folder that holds the CUDA files.');
  const place = IN_FOLDER.map((name) => path.join(source, name)).find((candidate) =>
    PROVIDER_FILES.every((name) => fs.existsSync(path.join(candidate, name))),
  );
  if (!place) throw notThere(source);
  needSpace(
    folder,
    PROVIDER_FILES.reduce((sum, name) => sum + fs.statSync(path.join(place, name)).size, 0),
  );
  const sums = readSums(path.join(place, 'SHA256SUMS'));
  for (const name of PROVIDER_FILES) {
    tell(`Copying ${name} from ${place}`);
    const copy = path.join(staging, name);
    const promised = sums.get(name);
    await fs.promises.copyFile(path.join(place, name), copy);
    if (promised && (await sha256Of(copy)) !== promised)
      throw new TastemakerError(
        'bad-file',
        `${path.join(place, name)} does not have the SHA-256 that SHA256SUMS beside it promises.`,
        'Copy the file again from where it came; it was changed or cut short on its way.',
      );
  }
  return `folder ${place}`;
}

/** What the folder holds instead, where that says what to do. */
function notThere(folder: string): TastemakerError {
  const names = fs.readdirSync(folder);
  const parts = names.filter((name) => /^kit\.[a-z]{2}$/.test(name));
  if (parts.length)
    return new TastemakerError(
      'bad-argument',
      `${folder} holds a kit in ${parts.length} packed parts (kit.aa, …), which must be unpacked first.`,
      `Run \`mkdir kit && cat ${folder}/kit.?? | xz -dc | tar -C kit -xf -\`, then \`tastemaker setup cuda --folder kit\`.`,
    );
  const wheel = names.find((name) => /^onnxruntime_gpu-.*\.whl$/.test(name));
  if (wheel)
    return new TastemakerError(
      'bad-argument',
      `${folder} holds a wheel, not the files themselves.`,
      `Run \`tastemaker setup cuda --wheel ${path.join(folder, wheel)}\`.`,
    );
  const lacking = PROVIDER_FILES.filter((name) => !names.includes(name));
  return new TastemakerError(
    'bad-file',
    `${folder} does not hold ${lacking.join(' and ')}.`,
    'Name the folder that holds both files: unpacked from a wheel of onnxruntime-gpu, or the site-packages of a Python that has it.',
  );
}

/** Lines "hash  name", as sha256sum writes them; nothing where there is no such file. */
function readSums(file: string): Map<string, string> {
  if (!fs.existsSync(file)) return new Map();
  return new Map(
    [...readRegularText(file, 1e6).matchAll(/^([0-9a-f]{64}) [ *](?:\.\/)?(.+?)\r?$/gim)].map(([, hash, name]) => [
      name!,
      hash!.toLowerCase(),
    ]),
  );
}

function needSpace(folder: string, bytes: number): void {
  const { bavail, bsize } = fs.statfsSync(folder);
  if (bavail * bsize < bytes)
    throw new TastemakerError(
      'disk',
      `${folder} is on a disk with ${Math.floor((bavail * bsize) / 1e6)} MB left, and ${Math.ceil(bytes / 1e6)} MB are needed.`,
      'Free some space and try again; nothing was changed.',
    );
}

/** What an interrupted installation left behind. */
function sweep(folder: string): void {
  for (const name of fs.readdirSync(folder).filter((entry) => entry.startsWith(STAGING))) {
    const left = path.join(folder, name);
    if (Date.now() - fs.statSync(left).mtimeMs > STALE_MS)
      writable(folder, () => fs.rmSync(left, { recursive: true, force: true }));
  }
}

function makeDurable(file: string): void {
  const handle = fs.openSync(file, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** The last line of a program's complaint that says something. */
function lastError(stdout: string, stderr: string): string {
  const lines = `${stdout}\n${stderr}`
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean);
  return (
    lines.findLast((line) => /error|failed|cannot|could not/i.test(line) && !line.startsWith('at ')) ??
    lines.at(-1) ??
    'it said nothing'
  ).slice(0, 300);
}
