// Memory that runs out in the middle of a run: explained in a sentence, tried once more with half the rows at once,
// from the last checkpoint.

import { RECIPES } from '#core/recipes/table.ts';
import fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { TastemakerError } from '#core/errors.ts';
import { explainOutOfMemory, halved, isOutOfMemory, rowsAtOnce } from '#core/runs/retry.ts';
import { startRun } from '#core/runs/start.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import {
  errorFrom,
  makeTinyProject,
  metricsOf,
  QUICK_SFT,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

/** What the providers have been seen to say. */
const SAID = [
  'The runtime stopped while running a graph: Non-zero status code returned while running FusedMatMul node. Status Message: /onnxruntime/core/framework/bfc_arena.cc:376 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 1073741824',
  'The runtime stopped while opening a graph: CUDA failure 2: out of memory ; GPU=0 ; hostname=box ; file=cuda_call.cc ; line=129 ; expr=cudaMalloc((void**)&p, size);',
  'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0',
  'Validation error: Out of memory. - While calling [Device].CreateBuffer',
  'WebGPU: OOM',
  'std::bad_alloc',
  'Array buffer allocation failed',
];
const saying = (text: string) => new TastemakerError('runtime', text, '');

describe('what counts as running out', () => {
  test.each(SAID)('%s', (text) => expect(isOutOfMemory(saying(text))).toBe(true));
  test.each([
    'The loss is NaN at step 3.',
    'CUDA failure 700: an illegal memory access was encountered',
    'CUDA failure 209: no kernel image',
    'the room was full',
    'No ROOM',
  ])('not: %s', (text) => expect(isOutOfMemory(saying(text))).toBe(false));
});

describe('half the rows', () => {
  test.each([
    ['sft', { batch: 8, micro_batch: 0 }, 8, 4],
    ['sft', { batch: 8, micro_batch: 3 }, 3, 1],
    ['pretrain', { batch: 7, micro_batch: 64 }, 7, 3],
    ['reward', { batch: 2, micro_batch: 0 }, 2, 1],
    ['ppo', { episodes: 64, samples_per_prompt: 4, minibatches: 2, micro_batch: 0 }, 8, 4],
    ['sft', { batch: 8, micro_batch: 1 }, 1, null],
    ['sample', { k: 4 }, null, null],
    ['pretrain', { batch: 8 }, null, null],
  ] as const)('%s %o', (kind, config, rows, after) => {
    const recipe = RECIPES[kind];
    expect(rowsAtOnce(recipe, config)).toBe(rows);
    expect(halved(recipe, config)).toEqual(after ? { ...config, micro_batch: after } : null);
  });

  test('the sentence says what ran out, what it took, and three ways out that apply', () => {
    const error = explainOutOfMemory(
      saying(SAID[0]!),
      RECIPES.sft,
      { batch: 8, micro_batch: 0, tune: 'full' },
      readDevice('cuda:bf16'),
      3.2e9,
    );
    expect(error.message).toBe(
      "The graphics card's memory ran out (cuda:bf16, 8 rows at once, 3.2 GB taken, 1.1 GB more asked for): set micro_batch to 4, set tune to lora or use a smaller model.",
    );
    expect(error.hint).toBe(SAID[0]);
    const small = explainOutOfMemory(
      saying('std::bad_alloc'),
      RECIPES.reward,
      { batch: 8, micro_batch: 1, tune: 'lora' },
      PROCESSOR,
      5e8,
    );
    expect(small.message).toBe(
      'The memory ran out (cpu, 1 row at once, 500 MB taken): use a smaller model, close other programs or use a machine with more memory.',
    );
  });
});

describe('a run', () => {
  let project: Project;
  const fresh = temporaryProjects();
  beforeAll(async () => void (project = await makeTinyProject(fresh(), { family: 'llama' })));
  afterAll(() => project.close());

  const settings = {
    ...QUICK_SFT,
    batch: 4,
    steps_a_run: 1,
    checkpoint_every: 1,
    policy: 'base',
    show_prompts: 0,
    seed: 3,
  };
  const losses = (id: string) =>
    metricsOf(project, id).flatMap(({ step, loss }) => (loss === undefined ? [] : [[step, loss] as const]));

  test('goes on from its last checkpoint with half the rows, and learns what it would have learnt', async () => {
    const plain = await startRun(project, 'sft', settings, 'plain');
    const lines: string[] = [];
    const seen: number[] = [];
    const less = await startRun(project, 'sft', settings, 'less', {
      onLog: (line) => void lines.push(line),
      onReport: (step) => {
        seen.push(step);
        if (seen.length === 3) throw saying(SAID[0]!);
      },
    });
    expect(less.status).toBe('done');
    expect(seen.slice(0, 5)).toEqual([1, 2, 3, 3, 4]); // the third step was not saved yet
    const [first] = lines.filter((line) => line.includes('ran out'));
    expect(first).toMatch(
      /^The memory ran out \(cpu, 4 rows at once, \d.* taken, 1\.1 GB more asked for\): set micro_batch to 2, set tune to lora or use a smaller model\. It goes on from its last checkpoint with 2 rows at once; the steps stay the same\.$/,
    );
    expect(fs.readFileSync(runFile(project, less.id, 'log.txt'), 'utf8')).toContain(first);
    const [expected, got] = [losses(plain.id), losses(less.id)];
    expect(got.map(([step]) => step)).toEqual(expected.map(([step]) => step));
    got.forEach(([step, loss], i) =>
      expect(Math.abs(loss - expected[i]![1]), `step ${step}`).toBeLessThan(1e-4 * (1 + loss)),
    );
    expect(got.slice(0, 2)).toEqual(expected.slice(0, 2)); // before it ran out: the same bits
  });

  test('that runs out again fails with the sentence, and says how many rows it had come down to', async () => {
    let attempts = 0;
    const error = await errorFrom(() =>
      startRun(project, 'sft', settings, 'never', {
        onReport: () => {
          attempts++;
          throw saying(SAID[1]!);
        },
      }),
    );
    expect(attempts).toBe(2);
    expect(error.message).toMatch(/^The memory ran out \(cpu, 2 rows at once, .*\): set micro_batch to 1, /);
    expect(listRuns(project)[0]).toMatchObject({ name: 'never', status: 'failed', error: error.message });
  });

  test('another failure is not tried again', async () => {
    let attempts = 0;
    const error = await errorFrom(() =>
      startRun(project, 'sft', settings, 'other', {
        onReport: () => {
          attempts++;
          throw saying('The runtime stopped while running a graph: CUDA failure 700');
        },
      }),
    );
    expect([attempts, error.message]).toEqual([1, 'The runtime stopped while running a graph: CUDA failure 700']);
  });

  test('its manifest says what it computes on', () => {
    const { id } = listRuns(project).at(-1)!;
    const { versions } = JSON.parse(fs.readFileSync(runFile(project, id, 'manifest.json'), 'utf8')) as {
      versions: Record<string, string>;
    };
    expect(versions).toMatchObject({
      device: 'cpu',
      precision: 'float32',
      sums: 'exact',
      onnxruntime: expect.stringMatching(/^\d+\.\d+\.\d+$/),
    });
  });
});
