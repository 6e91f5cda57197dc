// The account of what can compute: every part that can be missing or wrong shows up as a finding, and nothing else
// does.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeProviders, environmentForCuda } from '#core/hardware/providers.ts';
import type { ProviderSection } from '#core/hardware/providers.ts';
import { readWebgpu } from '#core/hardware/webgpu.ts';
import { provider } from './elf-writer.ts';
import { CARD, fakeMachine, nvidiaSmi } from './fake-machine.ts';
import type { FakeMachine } from './fake-machine.ts';

const platform = 'linux-x64';
const CUDA_13 = [
  'libcudart.so.13',
  'libcublas.so.13',
  'libcublasLt.so.13',
  'libcurand.so.10',
  'libcudnn.so.9',
  'libcuda.so.1',
];

async function cuda({ env }: FakeMachine, folders: string[] = []): Promise<ProviderSection> {
  return (await describeProviders({ env, platform, folders })).find((section) => section.provider === 'cuda')!;
}
const troubles = ({ findings }: ProviderSection) =>
  findings
    .filter(({ level }) => level === 'missing' || level === 'broken')
    .map(({ part, level, sentence }) => `${part} ${level}: ${sentence}`);

describe('CUDA', () => {
  /** A machine on which everything is in order. */
  const complete = (): { machine: FakeMachine; folders: string[] } => {
    const machine = fakeMachine();
    machine.program('nvidia-smi', nvidiaSmi(CARD));
    machine.files();
    return { machine, folders: [machine.libraries('cuda', ...CUDA_13)] };
  };

  test('with everything there is ready, and a job gets the path of its libraries', async () => {
    const { machine, folders } = complete();
    expect(await cuda(machine, folders)).toMatchObject({
      state: 'ready',
      findings: [
        { part: 'driver', level: 'ok' },
        { part: 'files', level: 'ok' },
        {
          part: 'libraries',
          level: 'ok',
          sentence: `The CUDA 13 libraries that the files need are here: ${folders[0]}.`,
        },
      ],
    });
    expect(
      await environmentForCuda({ env: { ...machine.env, LD_LIBRARY_PATH: '/theirs' }, platform, folders }),
    ).toEqual({ LD_LIBRARY_PATH: `${folders[0]}:/theirs` });
    expect(
      await environmentForCuda({ env: fakeMachine().env, platform, folders }),
      'without the files there is nothing to say',
    ).toEqual({});
  });

  test('without cuDNN says so, and only so', async () => {
    const { machine } = complete();
    const section = await cuda(machine, [
      machine.libraries('most', ...CUDA_13.filter((name) => name !== 'libcudnn.so.9')),
    ]);
    expect(section.state).toBe('missing');
    expect(troubles(section)).toEqual([
      'libraries missing: libcudnn.so.9 (cuDNN 9) was not found: CUDA starts without it, but attention and some reductions fail.',
    ]);
    expect(section.findings.at(-1)).toMatchObject({
      level: 'note',
      sentence: "To get them: `python3 -m pip install nvidia-cudnn-cu13`, or NVIDIA's CUDA Toolkit 13 and cuDNN 9.",
    });
  });

  test('with a broken file is broken, and which libraries are here is said all the same', async () => {
    const { machine, folders } = complete();
    machine.files(Buffer.from('half a download'));
    const section = await cuda(machine, folders);
    expect(section.state).toBe('broken');
    expect(troubles(section)).toEqual([
      expect.stringMatching(/^files broken: A CUDA file is broken: .* is not a Linux shared library\.$/),
    ]);
    expect(section.findings.at(-1)!.sentence).toBe(
      'Libraries on this machine: CUDA 13 is complete; CUDA 12 lacks libcudart.so.12, libcublas.so.12, libcublasLt.so.12.',
    );
    machine.files(provider('1.29.0'));
    expect(troubles(await cuda(machine, folders))).toEqual([
      expect.stringMatching(/^files broken: .* is of ONNX Runtime 1\.29\.0, and 1\.30\.0 is needed\.$/),
    ]);
  });

  test('with a driver or a card that is too old for the files says which', async () => {
    const { machine, folders } = complete();
    machine.program(
      'nvidia-smi',
      nvidiaSmi('0, Tesla V100, 16384, 0, 0, 30, 25, 550.54.14, 7.0', 'Driver Version: 550.54.14 CUDA Version: 12.4'),
    );
    expect(troubles(await cuda(machine, folders))).toEqual([
      'driver missing: The driver 550.54.14 runs up to CUDA 12.4, and the CUDA files are for CUDA 13.',
      'card missing: Card 0, Tesla V100, is too old for CUDA 13: it has compute capability 7.0, and 7.5 is the least.',
    ]);
    machine.files(provider('1.30.0', 12));
    const twelve = machine.libraries('twelve', ...CUDA_13.map((name) => name.replace(/13$/, '12')));
    expect(troubles(await cuda(machine, [twelve]))).toEqual([]);
  });

  test("without a card does not name the driver's library as well", async () => {
    const { machine } = complete();
    machine.program('nvidia-smi', 'exit 6');
    const found = troubles(
      await cuda(machine, [machine.libraries('rest', ...CUDA_13.filter((name) => name !== 'libcuda.so.1'))]),
    );
    expect(found).toEqual([expect.stringMatching(/^driver missing: /)]);
  });

  test('is not spoken of at length where it cannot be', async () => {
    const section = (await describeProviders({ env: fakeMachine().env, platform: 'darwin-arm64' })).find(
      ({ provider: name }) => name === 'cuda',
    )!;
    expect(section).toMatchObject({ state: 'unsupported', findings: [{ level: 'note' }] });
  });
});

describe('WebGPU', () => {
  const look = (machine: FakeMachine, more: Parameters<typeof readWebgpu>[0] = {}) =>
    readWebgpu({ env: machine.env, platform, announcements: [path.join(machine.root, 'icd.d')], ...more });
  const withLoader = (): FakeMachine => {
    const machine = fakeMachine();
    machine.program('ldconfig', "printf '\\tlibvulkan.so.1 (libc6,x86-64) => /usr/lib/libvulkan.so.1\\n'");
    return machine;
  };

  test('stands on what the system brings, on Mac and Windows', async () => {
    expect(await look(fakeMachine(), { platform: 'darwin-arm64' })).toMatchObject({
      state: 'possible',
      sentence: 'WebGPU stands on Metal, which the system brings.',
    });
    expect(await look(fakeMachine(), { platform: 'linux-arm64' })).toMatchObject({ state: 'unsupported' });
  });

  test('on Linux needs the Vulkan loader and a driver that is no imitation', async () => {
    expect(await look(fakeMachine())).toMatchObject({
      state: 'missing',
      sentence: expect.stringContaining('libvulkan.so.1'),
    });
    const machine = withLoader();
    expect(await look(machine)).toMatchObject({
      state: 'missing',
      sentence: 'No Vulkan driver was found for a graphics card.',
    });
    machine.put('icd.d/lvp_icd.x86_64.json', '{}');
    expect(await look(machine)).toMatchObject({
      state: 'software',
      sentence: expect.stringContaining('lvp_icd.x86_64'),
    });
    machine.put('icd.d/radeon_icd.x86_64.json', '{}');
    expect(await look(machine)).toMatchObject({
      state: 'possible',
      hint: null,
      sentence: 'Vulkan is here, with 2 drivers: lvp_icd.x86_64, radeon_icd.x86_64.',
    });
    const named = machine.put('elsewhere/vk_swiftshader_icd.json', '{}');
    expect(await look(machine, { env: { ...machine.env, VK_ICD_FILENAMES: named } })).toMatchObject({
      state: 'software',
      drivers: [named],
    });
  });
});
