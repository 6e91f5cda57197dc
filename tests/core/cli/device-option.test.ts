// On what a command computes: --device, what it refuses, the process that is started anew for CUDA, and doctor's
// self-test.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CARD, fakeMachine, nvidiaSmi } from '#tests/core/hardware/fake-machine.ts';
import { startCli, writeLines, writeTinyModel } from './command-line.ts';

const QUIET = {
  LD_LIBRARY_PATH: '',
  VIRTUAL_ENV: '',
  CONDA_PREFIX: '',
  CUDA_PATH: '',
  CUDA_HOME: '',
  VK_ICD_FILENAMES: '',
  VK_DRIVER_FILES: '',
  TASTEMAKER_DEVICE: '',
};
const CUDA_13 = [
  'libcudart.so.13',
  'libcublas.so.13',
  'libcublasLt.so.13',
  'libcurand.so.10',
  'libcudnn.so.9',
  'libcuda.so.1',
];

describe('--device', () => {
  const machine = fakeMachine();
  const run = (args: string[], changes: NodeJS.ProcessEnv = {}) =>
    startCli(machine.root, args, { ...QUIET, ...machine.env, ...changes }).ended;
  const generate = [
    'generate',
    '--policy',
    './model',
    '--in',
    'prompts.jsonl',
    '--out',
    'out.jsonl',
    '--max-new',
    '2',
    '--greedy',
  ];
  test('on the processor, and by itself where nothing else can be used', async () => {
    await writeTinyModel(path.join(machine.root, 'model'));
    writeLines(path.join(machine.root, 'prompts.jsonl'), [{ prompt: 'The ship' }]);
    const usage = await run(['generate', '--help']);
    expect(usage.stdout).toContain('--device NAME');
    for (const [device, said] of [
      ['cpu', /^$/],
      ['auto', /^Computing on cpu\. The processor: /],
    ] as const) {
      const { code, stderr } = await run([...generate, '--device', device]);
      expect([code, stderr]).toEqual([0, expect.stringMatching(said)]);
    }
  });

  test('what cannot be had is refused, and nothing is computed elsewhere', async () => {
    const { code, stderr } = await run([...generate, '--out', 'never.jsonl', '--device', 'cuda']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /^Error: CUDA was asked for and cannot be used\. .*\nHint: .*Nothing runs elsewhere in its place\. On the command line that is --device, .*\n$/,
      ),
    ]);
    expect((await run([...generate, '--device', 'abacus'])).stderr).toContain(
      'none of auto, cpu, cuda, cuda:bf16, webgpu',
    );
    expect((await run(['runs', '--device', 'cpu'])).stderr).toContain('"runs" has no option --device');
  });
});

test.skipIf(`${process.platform}-${process.arch}` !== 'linux-x64')(
  'for CUDA the command is started anew once, where the loader finds its libraries, and ends as that one does',
  async () => {
    const machine = fakeMachine();
    machine.program('nvidia-smi', nvidiaSmi(CARD));
    machine.files();
    const libraries = machine.libraries('cuda', ...CUDA_13);
    machine.put('home/gpu.json', JSON.stringify({ libraryFolders: [libraries] }));
    const tell = machine.put(
      'tell.mjs',
      'process.stderr.write(`started: ${process.env.LD_LIBRARY_PATH} ${process.env.CUBLAS_WORKSPACE_CONFIG}\\n`);',
    );
    const { code, stderr } = await startCli(machine.root, ['sample', '--policy', 'base', '--project', 'nowhere'], {
      ...QUIET,
      ...machine.env,
      TASTEMAKER_DEVICE: 'cuda',
      NODE_OPTIONS: `--import ${tell}`,
    }).ended;
    expect(stderr.match(/^started: .*$/gm)).toEqual(['started:  undefined', `started: ${libraries} :4096:8`]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Error: ')]);
  },
);

test('doctor --test tests what is here, and says later what it said', async () => {
  const machine = fakeMachine();
  const run = (...args: string[]) => startCli(machine.root, args, { ...QUIET, ...machine.env }).ended;
  const before = await run('doctor');
  expect(before.stdout).not.toContain('self-test');
  const tested = await run('doctor', '--test', '--json');
  const { providers } = JSON.parse(tested.stdout) as {
    providers: { provider: string; self_test: { ok: boolean } | null }[];
  };
  expect(tested.code).toBe(0);
  expect(providers.map(({ provider, self_test }) => [provider, self_test?.ok ?? null])).toEqual([
    ['cpu', true],
    ['cuda', null],
    ['webgpu', null],
  ]);
  expect((await run('doctor')).stdout).toMatch(
    /^Processor: ready\n {2}self-test of \d{4}-\d\d-\d\d, passed: All \d\d checks agree with the processor/m,
  );
});
