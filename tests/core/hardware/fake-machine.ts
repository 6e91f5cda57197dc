// A machine made of a few files: programs on a PATH of its own, a runtime's folder, folders of CUDA libraries.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { CUDA, elf, provider, runtime, SHARED, shared } from './elf-writer.ts';

export interface FakeMachine {
  root: string;
  /** the runtime's folder, deep inside a package as in the real one */
  runtime: string;
  env: NodeJS.ProcessEnv;
  /** a program of that name on the PATH, as the body of a shell script */
  program(name: string, body: string): void;
  put(name: string, bytes: Buffer | string): string;
  /** puts the CUDA files beside the runtime */
  files(cuda?: Buffer, other?: Buffer): void;
  /** a folder with these libraries */
  libraries(folder: string, ...names: string[]): string;
}

/** Its PATH has nothing but what the test puts there, so that it does not matter what the real machine has. */
export function fakeMachine(): FakeMachine {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'machine-'));
  afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
  const put = (name: string, bytes: Buffer | string): string => {
    const file = path.resolve(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, bytes);
    return file;
  };
  const folder = path.join(root, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64');
  const bin = path.join(root, 'bin');
  fs.mkdirSync(bin);
  put(path.join(folder, 'libonnxruntime.so.1'), runtime());
  const program = (name: string, body: string) =>
    fs.chmodSync(put(path.join('bin', name), `#!/bin/sh\n${body}\n`), 0o755);
  program('ldconfig', 'exit 0');
  return {
    root,
    runtime: folder,
    put,
    program,
    env: { PATH: bin, HOME: root, TASTEMAKER_HOME: path.join(root, 'home'), TASTEMAKER_RUNTIME_FILES: folder },
    files: (cuda = provider(), other = shared()) => {
      put(path.join(folder, SHARED), other);
      put(path.join(folder, CUDA), cuda);
    },
    libraries: (name, ...sonames) => {
      for (const soname of sonames) put(path.join(name, soname), elf({ soname }));
      return path.join(root, name);
    },
  };
}

/** What nvidia-smi prints for a query and as its header. */
export const CARD = '0, NVIDIA H100 80GB HBM3, 81559, 1234, 42, 35, 118.34, 580.65.06, 9.0';
export const HEADER = '| NVIDIA-SMI 580.65.06              Driver Version: 580.65.06      CUDA Version: 13.0     |';
export const nvidiaSmi = (lines: string, header = HEADER): string =>
  `case "$1" in --query-gpu=*) echo '${lines}';; *) echo '${header}';; esac`;
