// `setup cuda` and what `doctor` says of the graphics card, as processes on a machine made of a few files.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CUDA, provider, SHARED, shared, wheel } from '#tests/core/hardware/elf-writer.ts';
import { CARD, fakeMachine, nvidiaSmi } from '#tests/core/hardware/fake-machine.ts';
import type { FakeMachine } from '#tests/core/hardware/fake-machine.ts';
import { startCli } from './command-line.ts';

const LIBRARIES = (major: number) => [
  `libcudart.so.${major}`,
  `libcublas.so.${major}`,
  `libcublasLt.so.${major}`,
  'libcurand.so.10',
  'libcudnn.so.9',
  'libcuda.so.1',
];
/** Nothing of the real machine shines through: not its PATH, nor its Python, nor its CUDA. */
const run = (machine: FakeMachine, ...args: string[]) =>
  startCli(machine.root, args, {
    LD_LIBRARY_PATH: '',
    VIRTUAL_ENV: '',
    CONDA_PREFIX: '',
    CUDA_PATH: '',
    CUDA_HOME: '',
    VK_ICD_FILENAMES: '',
    VK_DRIVER_FILES: '',
    ...machine.env,
  }).ended;
const putWheel = (machine: FakeMachine) =>
  machine.put(
    'onnxruntime_gpu-1.30.0-cp311-cp311-x.whl',
    wheel({ [`onnxruntime/capi/${SHARED}`]: shared(), [`onnxruntime/capi/${CUDA}`]: provider() }),
  );

describe.skipIf(`${process.platform}-${process.arch}` !== 'linux-x64')(
  'setup cuda (on Linux with an x64 processor only)',
  () => {
    test('from a wheel: says what it does, then what is missing; the folders named once are remembered by doctor', async () => {
      const machine = fakeMachine();
      const file = putWheel(machine);
      machine.program('nvidia-smi', nvidiaSmi(CARD));
      const first = await run(machine, 'setup', 'cuda', '--wheel', path.basename(file));
      expect([first.code, first.stderr]).toEqual([0, '']);
      expect(first.stdout.split('\n')[0]).toBe(
        `This puts ${SHARED} and ${CUDA} into ${machine.runtime}; nothing else on this machine changes.`,
      );
      expect(first.stdout).toContain(
        'Installed libonnxruntime_providers_shared.so and libonnxruntime_providers_cuda.so of ONNX Runtime 1.30.0 for CUDA 13.',
      );
      for (const name of LIBRARIES(13)) expect(first.stdout).toContain(`missing: ${name} (`);
      expect(first.stdout).toMatch(
        /python3 -m pip install nvidia-cublas~=13\.0 nvidia-curand~=10\.0 nvidia-cuda-runtime~=13\.0 nvidia-cudnn-cu13[^]*Now run `tastemaker doctor`/,
      );

      machine.libraries('my libraries', ...LIBRARIES(13));
      const second = await run(machine, 'setup', 'cuda', '--libraries', 'my libraries', '--json');
      expect(second.code).toBe(0);
      expect(JSON.parse(second.stdout)).toMatchObject({
        installed: false,
        folders: [path.join(machine.root, 'my libraries')],
        cuda: { state: 'ready' },
      });
      expect(second.stderr).toContain('The CUDA files are installed already');
      const doctor = await run(machine, 'doctor', '--json');
      expect(JSON.parse(doctor.stdout)).toMatchObject({
        providers: [
          { provider: 'cpu', state: 'ready' },
          { provider: 'cuda', state: 'ready' },
          { provider: 'webgpu', state: 'missing' },
        ],
      });

      const removed = await run(machine, 'setup', 'cuda', '--remove');
      expect([removed.code, removed.stdout]).toEqual([0, `Removed ${SHARED} and ${CUDA} from ${machine.runtime}.\n`]);
      expect(fs.readdirSync(machine.runtime)).toEqual(['libonnxruntime.so.1']);
      expect((await run(machine, 'setup', 'cuda', '--remove')).stdout).toBe('There were no CUDA files.\n');
    });

    test('with nothing said it takes what fits the machine', async () => {
      const machine = fakeMachine();
      const old = await run(
        {
          ...machine,
          env: {
            ...machine.env,
            PATH:
              (machine.program('nvidia-smi', nvidiaSmi('0, T4, 15360, 0, 0, 30, 9, 550.1, 7.5', 'CUDA Version: 12.4')),
              machine.env.PATH),
          },
        },
        'setup',
        'cuda',
      );
      expect([old.code, old.stdout]).toEqual([
        2,
        expect.stringContaining('Choosing the files for CUDA 12, through the installer of onnxruntime-node.'),
      ]);
      expect(old.stderr).toMatch(/^Error: onnxruntime-node's install script is not here .*\nHint: Use a wheel: /);
      machine.program('nvidia-smi', nvidiaSmi(CARD));
      const recent = await run(machine, 'setup', 'cuda');
      expect([recent.code, recent.stdout]).toEqual([
        2,
        expect.stringContaining('Choosing the files for CUDA 13, out of the wheel of onnxruntime-gpu.'),
      ]);
      expect(recent.stderr).toMatch(/^Error: There is no pip here/);
      machine.libraries('twelve', ...LIBRARIES(12));
      const noted = await run(machine, 'setup', 'cuda', '--libraries', 'twelve');
      expect([noted.code, noted.stdout]).toEqual([0, expect.stringContaining('Only the folders were noted')]);
      expect((await run(machine, 'setup', 'cuda')).stdout, 'only the libraries of CUDA 12 are here').toContain(
        'Choosing the files for CUDA 12',
      );
    });

    test('refuses two places at once and a folder that is none', async () => {
      const machine = fakeMachine();
      expect(await run(machine, 'setup', 'cuda', '--wheel', 'a.whl', '--installer')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/^Error: --wheel and --installer exclude each other\./),
      });
      expect(await run(machine, 'setup', 'cuda', '--folder', 'nowhere')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/nowhere is not a folder\./),
      });
      expect(await run(machine, 'setup', 'cuda', '--libraries', 'nowhere')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/nowhere is not a folder\./),
      });
      expect(await run(machine, 'setup', 'cuda', '--wheel', 'nowhere.whl')).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/nowhere\.whl cannot be read \(ENOENT\)\./),
      });
      expect(fs.readdirSync(machine.runtime)).toEqual(['libonnxruntime.so.1']);
    });

    test('doctor without a card says in one screen what is missing, and that is no fault', async () => {
      const { code, stdout } = await run(fakeMachine(), 'doctor');
      expect(code).toBe(0);
      expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(24);
      expect(stdout).toMatch(/^Processor: ready$/m);
      expect(stdout).toMatch(
        /^CUDA \(NVIDIA\): not ready\n {2}missing: No NVIDIA card was found: nvidia-smi is not on the PATH\.\n {4}If this machine has one: /m,
      );
      expect(stdout).toContain('missing: The CUDA files of ONNX Runtime are not installed.');
    });

    test.each<[string, number, RegExp, (machine: FakeMachine) => void]>([
      [
        'a broken file',
        1,
        /broken: A CUDA file is broken: .* is cut short/,
        (machine) => machine.files(provider().subarray(0, 300)),
      ],
      [
        'a wrong version',
        1,
        /broken: .* is of ONNX Runtime 1\.29\.1, and 1\.30\.0 is needed\.\n {4}Install the CUDA files again/,
        (machine) => machine.files(provider('1.29.1')),
      ],
      [
        'a missing cuDNN',
        0,
        /missing: libcudnn\.so\.9 \(cuDNN 9\) was not found: CUDA starts without it, but attention and some reductions fail\.\n {2}To get them: /,
        (machine) => {
          machine.files();
          machine.program('python3', `echo '["${machine.root}/packages/nvidia"]'`);
          machine.libraries('packages/nvidia/cu13/lib', ...LIBRARIES(13).filter((name) => name !== 'libcudnn.so.9'));
        },
      ],
    ])('doctor with %s', async (_, expected, sentence, prepare) => {
      const machine = fakeMachine();
      machine.program('nvidia-smi', nvidiaSmi(CARD));
      prepare(machine);
      const { code, stdout } = await run(machine, 'doctor');
      expect([code, stdout]).toEqual([expected, expect.stringMatching(sentence)]);
      expect(stdout.match(/^ {2}(missing|broken): /gm)!.length, 'this, and that WebGPU lacks its loader').toBe(2);
    });
  },
);
