// Which CUDA libraries a provider needs, where they lie on this machine, and where to get the ones that are missing.

import fs from 'node:fs';
import path from 'node:path';
import { askProgram } from './ask-program.ts';
import { readElfNeeds } from './elf-needs.ts';

export type CudaMajor = 12 | 13;

/** One shared library. `when`: without it the provider does not load, or it loads and some operators fail. */
export interface CudaLibrary {
  soname: string;
  /** what it is, for a sentence */
  title: string;
  when: 'load' | 'compute';
  /** the Python package that brings it, by CUDA version; null where none does */
  pip: Readonly<Record<CudaMajor, string>> | null;
  /**
   * the CUDA versions whose ONNX Runtime 1.30 needs it; an older provider may need one more, which its file then says
   */
  needed: readonly CudaMajor[];
}

const both = [12, 13] as const;
const pip = (cu12: string, cu13: string) => ({ 12: cu12, 13: cu13 });

/**
 * Source: the dynamic section of `libonnxruntime_providers_cuda.so` in onnxruntime-gpu 1.30.0 (CUDA 13) and 1.26.0
 * (CUDA 12).
 * Between the two, cuDNN and cuFFT came to be loaded when the first operator wants them (onnxruntime PR 29252, 29808),
 * so the newer file
 * names neither; some reductions want cuDNN, and only Fourier transforms, which we do not compute, want cuFFT. The
 * packages' versions
 * are those that the wheel's extras "cuda" and "cudnn" ask for.
 */
export const CUDA_LIBRARIES: readonly CudaLibrary[] = [
  { soname: 'libcuda.so.1', title: "NVIDIA's driver", when: 'load', pip: null, needed: both },
  {
    soname: 'libcudart.so.12',
    title: 'the CUDA 12 runtime',
    when: 'load',
    pip: pip('nvidia-cuda-runtime-cu12', ''),
    needed: [12],
  },
  {
    soname: 'libcublas.so.12',
    title: 'cuBLAS of CUDA 12',
    when: 'load',
    pip: pip('nvidia-cublas-cu12', ''),
    needed: [12],
  },
  {
    soname: 'libcublasLt.so.12',
    title: 'cuBLASLt of CUDA 12',
    when: 'load',
    pip: pip('nvidia-cublas-cu12', ''),
    needed: [12],
  },
  {
    soname: 'libcudart.so.13',
    title: 'the CUDA 13 runtime',
    when: 'load',
    pip: pip('', 'nvidia-cuda-runtime~=13.0'),
    needed: [13],
  },
  {
    soname: 'libcublas.so.13',
    title: 'cuBLAS of CUDA 13',
    when: 'load',
    pip: pip('', 'nvidia-cublas~=13.0'),
    needed: [13],
  },
  {
    soname: 'libcublasLt.so.13',
    title: 'cuBLASLt of CUDA 13',
    when: 'load',
    pip: pip('', 'nvidia-cublas~=13.0'),
    needed: [13],
  },
  {
    soname: 'libcurand.so.10',
    title: 'cuRAND',
    when: 'load',
    pip: pip('nvidia-curand-cu12', 'nvidia-curand~=10.0'),
    needed: both,
  },
  {
    soname: 'libcudnn.so.9',
    title: 'cuDNN 9',
    when: 'compute',
    pip: pip('nvidia-cudnn-cu12', 'nvidia-cudnn-cu13'),
    needed: both,
  },
  { soname: 'libcufft.so.11', title: 'cuFFT of CUDA 12', when: 'load', pip: pip('nvidia-cufft-cu12', ''), needed: [] },
  { soname: 'libcufft.so.12', title: 'cuFFT of CUDA 13', when: 'load', pip: pip('', 'nvidia-cufft~=12.0'), needed: [] },
  {
    soname: 'libnvrtc.so.12',
    title: 'the CUDA 12 compiler',
    when: 'load',
    pip: pip('nvidia-cuda-nvrtc-cu12', ''),
    needed: [],
  },
  {
    soname: 'libnvrtc.so.13',
    title: 'the CUDA 13 compiler',
    when: 'load',
    pip: pip('', 'nvidia-cuda-nvrtc~=13.0'),
    needed: [],
  },
];

export interface MissingLibrary {
  soname: string;
  when: CudaLibrary['when'];
  /** the Python package that brings it; null where none does */
  pip: string | null;
  sentence: string;
  hint: string;
}

export interface FoundLibraries {
  major: CudaMajor;
  /** what goes into a job's LD_LIBRARY_PATH, best first; without those that the system's loader finds anyway */
  folders: readonly string[];
  /** library -> file */
  found: Readonly<Record<string, string>>;
  missing: readonly MissingLibrary[];
}

export interface FindOptions {
  /** folders that the person named: of libraries, of a CUDA toolkit, of a Python environment, or its site-packages */
  folders?: readonly string[];
  /** DT_NEEDED of the provider's file, which then counts instead of the table */
  needs?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** where CUDA toolkits are installed; another folder in tests */
  toolkits?: string;
}

/** A place that brings libraries: its folders belong together. `loader`: the system's loader looks there by itself. */
interface Origin {
  folders: string[];
  kind: 'named' | 'other' | 'loader';
}

/** Of what a provider's file needs, what CUDA brings (the rest is the C library's). */
export const cudaNeeds = (needs: readonly string[]): string[] => needs.filter((name) => /^lib(cu|nv)/.test(name));

/** 12 or 13, from what a provider's file needs; null where it needs no cuBLAS. */
export function cudaMajorOf(needs: readonly string[]): CudaMajor | null {
  const major = Number(needs.flatMap((name) => /^libcublas\.so\.(\d+)$/.exec(name)?.[1] ?? [])[0]);
  return major === 12 || major === 13 ? major : null;
}

/**
 * Looks through the named folders, LD_LIBRARY_PATH, the Python environments of VIRTUAL_ENV, CONDA_PREFIX and the PATH,
 * CUDA_PATH, CUDA_HOME,
 * the toolkits below /usr/local, and what the system's loader knows. Places with this CUDA's own runtime come first:
 * cuDNN and cuRAND
 * have the same file name for CUDA 12 and 13, and only those beside it are sure to fit. Never throws.
 */
export async function findLibraries(
  major: CudaMajor,
  { folders = [], needs, env = process.env, toolkits = '/usr/local' }: FindOptions = {},
): Promise<FoundLibraries> {
  const wanted = new Set(
    needs
      ? [...cudaNeeds(needs), 'libcudnn.so.9']
      : CUDA_LIBRARIES.filter(({ needed }) => needed.includes(major)).map(({ soname }) => soname),
  );
  const origins = await originsOf(folders, env, toolkits);
  const runtime = `libcudart.so.${major}`;
  const rank = (origin: Origin) => (origin.kind === 'named' ? 0 : holds(origin, runtime) ? 1 : 2);
  const inOrder = origins
    .map((origin, i) => ({ origin, i }))
    .sort((a, b) => rank(a.origin) - rank(b.origin) || a.i - b.i)
    .map(({ origin }) => origin);

  const found: Record<string, string> = {};
  const broken: Record<string, string> = {};
  const used = new Set<Origin>();
  const direct = new Set<string>();
  for (const soname of wanted) {
    for (const origin of inOrder) {
      const file = holds(origin, soname);
      if (!file) continue;
      if (!isSound(file)) {
        broken[soname] ??= file;
        continue;
      }
      found[soname] = file;
      if (origin.kind !== 'loader') {
        used.add(origin);
        direct.add(path.dirname(file));
      }
      break;
    }
  }
  // the other folders of a place too: cuDNN opens further libraries by name when it computes
  const paths = inOrder
    .filter((origin) => used.has(origin))
    .flatMap((origin) => [...origin.folders.filter((folder) => direct.has(folder)), ...origin.folders]);
  const missing = [...wanted]
    .filter((soname) => !found[soname])
    .map((soname) => missingLibrary(soname, major, broken[soname] ?? null));
  return { major, folders: [...new Set(paths)], found, missing };
}

/** The environment that a job on CUDA needs besides its own; nothing where the system's loader finds everything. */
export function libraryPath(
  { folders }: FoundLibraries,
  env: NodeJS.ProcessEnv = process.env,
): { LD_LIBRARY_PATH?: string } {
  const all = [...folders, ...(env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean)];
  return folders.length ? { LD_LIBRARY_PATH: [...new Set(all)].join(':') } : {};
}

function missingLibrary(soname: string, major: CudaMajor, broken: string | null): MissingLibrary {
  const library = CUDA_LIBRARIES.find((row) => row.soname === soname);
  const name = library ? `${soname} (${library.title})` : soname;
  const when = library?.when ?? 'load';
  const pipName = library?.pip?.[major] || null;
  const effect =
    when === 'load'
      ? 'without it CUDA does not start'
      : 'CUDA starts without it, but attention and some reductions fail';
  const sentence = broken
    ? `${name} is damaged: ${broken} is no whole library for this processor.`
    : `${name} was not found: ${effect}.`;
  if (soname === 'libcuda.so.1')
    return {
      soname,
      when,
      pip: null,
      sentence,
      hint: "It comes with NVIDIA's driver, by no other way: install the driver for your Linux.",
    };
  const packages =
    soname === 'libcudnn.so.9'
      ? `cudnn9-cuda-${major} from NVIDIA's packages for your Linux`
      : `NVIDIA's CUDA Toolkit ${major}`;
  return {
    soname,
    when,
    pip: pipName,
    sentence,
    hint: `Install ${packages}${pipName ? `, or \`python3 -m pip install ${pipName}\`` : ''}.`,
  };
}

/** The file of that name in one of the place's folders, or null. */
function holds({ folders }: Origin, soname: string): string | null {
  return folders.map((folder) => path.join(folder, soname)).find((file) => fs.existsSync(file)) ?? null;
}

function isSound(file: string): boolean {
  try {
    return readElfNeeds(file).machine === 'x86_64';
  } catch {
    return false;
  }
}

async function originsOf(named: readonly string[], env: NodeJS.ProcessEnv, toolkits: string): Promise<Origin[]> {
  const [pythons, loader] = await Promise.all([pythonFolders(env), loaderFolders(env)]);
  const environments = [env.VIRTUAL_ENV, env.CONDA_PREFIX].flatMap((folder) => (folder ? [expand(folder)] : []));
  const installed = [
    env.CUDA_PATH,
    env.CUDA_HOME,
    ...list(toolkits)
      .filter((name) => /^cuda(-[\d.]+)?$/.test(name))
      .sort()
      .map((name) => path.join(toolkits, name)),
  ];
  const paths = (env.LD_LIBRARY_PATH ?? '')
    .split(':')
    .filter(Boolean)
    .map((folder) => [folder]);
  const others = [
    ...paths,
    ...environments,
    ...pythons,
    ...installed.flatMap((folder) => (folder ? [expand(folder)] : [])),
  ];
  return [
    ...named.map((folder): Origin => ({ kind: 'named', folders: expand(folder) })),
    ...others.map((folders): Origin => ({ kind: 'other', folders })),
    { kind: 'loader', folders: loader },
  ];
}

/**
 * Where libraries may lie below a folder: it may be one of libraries itself, a toolkit, a Python environment, or its
 * site-packages.
 */
function expand(folder: string): string[] {
  const packages = [
    folder,
    path.join(folder, 'nvidia'),
    ...list(path.join(folder, 'lib'))
      .filter((name) => name.startsWith('python'))
      .map((name) => path.join(folder, 'lib', name, 'site-packages', 'nvidia')),
  ];
  const candidates = [
    folder,
    ...['lib64', 'lib', 'targets/x86_64-linux/lib'].map((name) => path.join(folder, name)),
    ...packages.flatMap(nvidiaFolders),
  ];
  return [...new Set(candidates)].filter((candidate) => list(candidate).some((name) => name.includes('.so')));
}

/** nvidia/cublas/lib, nvidia/cudnn/lib, …; with CUDA 13, nvidia/cu13/lib. */
const nvidiaFolders = (nvidia: string): string[] =>
  list(nvidia)
    .sort()
    .map((name) => path.join(nvidia, name, 'lib'))
    .filter((folder) => fs.existsSync(folder));

function list(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

const WHERE_NVIDIA = 'import nvidia, json; print(json.dumps(list(nvidia.__path__)))';

/** The NVIDIA packages of the Pythons on the PATH, one place a Python. */
async function pythonFolders(env: NodeJS.ProcessEnv): Promise<string[][]> {
  const answers = await Promise.all(
    ['python3', 'python'].map((python) => askProgram(python, ['-c', WHERE_NVIDIA], { env })),
  );
  const found = answers.flatMap(({ outcome, code, stdout }) => {
    if (outcome !== 'ended' || code !== 0) return [];
    try {
      return [(JSON.parse(stdout.trim()) as string[]).flatMap(nvidiaFolders)];
    } catch {
      return [];
    }
  });
  return found.filter(
    (folders, i) => folders.length && found.findIndex((other) => other.join() === folders.join()) === i,
  );
}

/** Folders of the libraries that the system's loader knows (`ldconfig -p`), CUDA's only. */
async function loaderFolders(env: NodeJS.ProcessEnv): Promise<string[]> {
  for (const program of ['ldconfig', '/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    const { outcome, code, stdout } = await askProgram(program, ['-p'], { env });
    if (outcome === 'ended' && code === 0)
      return [
        ...new Set(
          [...stdout.matchAll(/^[ \t]*lib(?:cu|nv)\S* \(.*x86-64.*\) => (\/.+)$/gm)].map(([, file]) =>
            path.dirname(file!),
          ),
        ),
      ];
  }
  return [];
}
