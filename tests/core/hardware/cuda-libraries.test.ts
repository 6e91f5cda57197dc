// Finding CUDA's libraries wherever they lie, and saying what is missing and where to get it.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CUDA_LIBRARIES, cudaMajorOf, findLibraries, libraryPath } from '#core/hardware/cuda-libraries.ts';
import { elf, providerNeeds } from './elf-writer.ts';
import { fakeMachine } from './fake-machine.ts';
import type { FakeMachine } from './fake-machine.ts';

const WITHOUT_DRIVER = (major: number) => [
  `libcudart.so.${major}`,
  `libcublas.so.${major}`,
  `libcublasLt.so.${major}`,
  'libcurand.so.10',
  'libcudnn.so.9',
];
/** Puts the driver where the loader finds it. */
function withDriver(machine: FakeMachine): FakeMachine {
  const folder = machine.libraries('system', 'libcuda.so.1');
  machine.program(
    'ldconfig',
    `echo '2 libs found'; printf '\\tlibcuda.so.1 (libc6,x86-64) => ${folder}/libcuda.so.1\\n\\tlibcurl.so.4 (libc6,x86-64) => /usr/lib/libcurl.so.4\\n'`,
  );
  return machine;
}
const find = (machine: FakeMachine, major: 12 | 13 = 13, more: Parameters<typeof findLibraries>[1] = {}) =>
  findLibraries(major, { env: machine.env, toolkits: path.join(machine.root, 'opt'), ...more });
const missing = async (...args: Parameters<typeof find>) => (await find(...args)).missing.map(({ soname }) => soname);

describe('places', () => {
  const places: Record<string, (machine: FakeMachine) => Parameters<typeof findLibraries>[1]> = {
    'a folder that was named': ({ libraries }) => ({ folders: [libraries('mine', ...WITHOUT_DRIVER(13))] }),
    'site-packages that were named': ({ root, libraries }) => {
      libraries('site-packages/nvidia/cu13/lib', ...WITHOUT_DRIVER(13).slice(0, 4));
      libraries('site-packages/nvidia/cudnn/lib', 'libcudnn.so.9');
      return { folders: [path.join(root, 'site-packages')] };
    },
    LD_LIBRARY_PATH: ({ env, libraries }) => ({
      env: { ...env, LD_LIBRARY_PATH: `/nowhere:${libraries('ld', ...WITHOUT_DRIVER(13))}` },
    }),
    CUDA_PATH: ({ env, root, libraries }) => {
      libraries('kit/lib64', ...WITHOUT_DRIVER(13));
      return { env: { ...env, CUDA_PATH: path.join(root, 'kit') } };
    },
    'a toolkit': ({ libraries }) => {
      libraries('opt/cuda-13.0/targets/x86_64-linux/lib', ...WITHOUT_DRIVER(13));
      return {};
    },
    VIRTUAL_ENV: ({ env, root, libraries }) => {
      libraries('venv/lib/python3.12/site-packages/nvidia/cu13/lib', ...WITHOUT_DRIVER(13));
      return { env: { ...env, VIRTUAL_ENV: path.join(root, 'venv') } };
    },
    CONDA_PREFIX: ({ env, root, libraries }) => {
      libraries('conda/lib', ...WITHOUT_DRIVER(13));
      return { env: { ...env, CONDA_PREFIX: path.join(root, 'conda') } };
    },
    'a Python on the PATH': ({ root, libraries, program }) => {
      libraries('py/nvidia/cublas/lib', ...WITHOUT_DRIVER(13));
      program('python3', `[ "$1" = -c ] && echo '["${root}/py/nvidia"]'`);
      return {};
    },
  };
  test.each(Object.keys(places))('%s', async (place) => {
    const machine = withDriver(fakeMachine());
    expect(await missing(machine, 13)).toEqual(
      WITHOUT_DRIVER(13).toSorted(
        (a, b) =>
          CUDA_LIBRARIES.findIndex(({ soname }) => soname === a) -
          CUDA_LIBRARIES.findIndex(({ soname }) => soname === b),
      ),
    );
    const result = await find(machine, 13, places[place]!(machine));
    expect(result.missing).toEqual([]);
    expect(Object.keys(result.found).toSorted()).toEqual(['libcuda.so.1', ...WITHOUT_DRIVER(13)].toSorted());
    expect(result.folders, "and not the system's, which the loader knows").toEqual(
      [...new Set(Object.values(result.found).map((file) => path.dirname(file)))].filter(
        (folder) => !folder.endsWith('/system'),
      ),
    );
    expect(libraryPath(result, { LD_LIBRARY_PATH: '/theirs' })).toEqual({
      LD_LIBRARY_PATH: [...result.folders, '/theirs'].join(':'),
    });
  });

  test('what the loader knows needs no path', async () => {
    const machine = fakeMachine();
    const folder = machine.libraries('lib', 'libcuda.so.1', ...WITHOUT_DRIVER(12));
    machine.program('ldconfig', `printf '\\tlibcuda.so.1 (libc6,x86-64) => ${folder}/libcuda.so.1\\n'`);
    const result = await find(machine, 12);
    expect([result.missing, result.folders, libraryPath(result, {})]).toEqual([[], [], {}]);
  });
});

describe('which one', () => {
  test('cuDNN has one name for both CUDAs: the one beside this CUDA is taken', async () => {
    const machine = withDriver(fakeMachine());
    const twelve = machine.libraries('twelve', ...WITHOUT_DRIVER(12));
    const thirteen = machine.libraries('opt/cuda-13.1/lib64', ...WITHOUT_DRIVER(13));
    const more = { env: { ...machine.env, LD_LIBRARY_PATH: twelve } };
    expect((await find(machine, 13, more)).found['libcudnn.so.9']).toBe(`${thirteen}/libcudnn.so.9`);
    expect((await find(machine, 12, more)).found['libcudnn.so.9']).toBe(`${twelve}/libcudnn.so.9`);
    const mine = machine.libraries('mine', 'libcudnn.so.9');
    expect(
      (await find(machine, 13, { ...more, folders: [mine] })).found['libcudnn.so.9'],
      'but what was named comes first',
    ).toBe(`${mine}/libcudnn.so.9`);
  });

  test('a library that is cut short, for another processor, or a link to nothing is passed over', async () => {
    const machine = withDriver(fakeMachine());
    const bad = machine.libraries('bad', ...WITHOUT_DRIVER(13));
    const good = machine.libraries('good', ...WITHOUT_DRIVER(13));
    machine.put('bad/libcudart.so.13', elf({ machine: 183 }));
    machine.put('bad/libcublas.so.13', elf().subarray(0, 200));
    expect((await find(machine, 13, { folders: [bad, good] })).found).toMatchObject({
      'libcudart.so.13': `${good}/libcudart.so.13`,
      'libcublas.so.13': `${good}/libcublas.so.13`,
      'libcurand.so.10': `${bad}/libcurand.so.10`,
    });
    const lacking = await find(machine, 13, { folders: [bad] });
    expect(lacking.missing.map(({ sentence }) => sentence)).toEqual([
      `libcudart.so.13 (the CUDA 13 runtime) is damaged: ${bad}/libcudart.so.13 is no whole library for this processor.`,
      `libcublas.so.13 (cuBLAS of CUDA 13) is damaged: ${bad}/libcublas.so.13 is no whole library for this processor.`,
    ]);
  });

  test("the provider's file decides, not the table; the C library is none of ours", async () => {
    const machine = withDriver(fakeMachine());
    machine.libraries('opt/cuda/lib64', ...WITHOUT_DRIVER(12));
    expect(cudaMajorOf(providerNeeds(12))).toBe(12);
    expect(cudaMajorOf(['libc.so.6', 'libcublas.so.11'])).toBeNull();
    expect(await missing(machine, 12, { needs: providerNeeds(12) })).toEqual([]);
    expect(await missing(machine, 12, { needs: [...providerNeeds(12), 'libcufft.so.11', 'libcunew.so.1'] })).toEqual([
      'libcufft.so.11',
      'libcunew.so.1',
    ]);
  });
});

test('each missing library has a sentence of its own and says where to get it', async () => {
  const machine = fakeMachine();
  const of = async (major: 12 | 13) =>
    Object.fromEntries((await find(machine, major)).missing.map((row) => [row.soname, row]));
  const thirteen = await of(13);
  const twelve = await of(12);
  expect(thirteen['libcudnn.so.9']).toEqual({
    soname: 'libcudnn.so.9',
    when: 'compute',
    pip: 'nvidia-cudnn-cu13',
    sentence: 'libcudnn.so.9 (cuDNN 9) was not found: CUDA starts without it, but attention and some reductions fail.',
    hint: "Install cudnn9-cuda-13 from NVIDIA's packages for your Linux, or `python3 -m pip install nvidia-cudnn-cu13`.",
  });
  expect(twelve['libcudnn.so.9']).toMatchObject({
    pip: 'nvidia-cudnn-cu12',
    hint: expect.stringContaining('cudnn9-cuda-12'),
  });
  expect(twelve['libcublasLt.so.12']!.hint).toBe(
    "Install NVIDIA's CUDA Toolkit 12, or `python3 -m pip install nvidia-cublas-cu12`.",
  );
  expect(thirteen['libcuda.so.1']).toMatchObject({ pip: null, hint: expect.stringContaining('install the driver') });
  const sentences = [...Object.values(thirteen), ...Object.values(twelve)].map(({ sentence, soname }) => [
    soname,
    sentence,
  ]);
  expect(new Set(sentences.map(([, sentence]) => sentence)).size).toBe(
    new Set(sentences.map(([soname]) => soname)).size,
  );
  for (const { soname, pip, needed } of CUDA_LIBRARIES)
    for (const major of needed) expect(pip === null || pip[major] !== '', `${soname} for CUDA ${major}`).toBe(true);
});
