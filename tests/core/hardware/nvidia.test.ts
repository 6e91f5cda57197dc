// What nvidia-smi says and how it fails, each with a program of that name that says just that.

import fs from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { memoryOfProcess, readCards, watchCards, watchPeakMemory } from '#core/hardware/nvidia.ts';
import type { NvidiaCard } from '#core/hardware/nvidia.ts';
import { CARD, fakeMachine, nvidiaSmi } from './fake-machine.ts';

const MIB = 2 ** 20;
const none = '/nowhere';

describe('the cards', () => {
  test('one card, with everything it tells', async () => {
    const { env, program } = fakeMachine();
    program('nvidia-smi', nvidiaSmi(CARD));
    expect(await readCards({ env, devices: none })).toEqual({
      state: 'ready',
      driver: '580.65.06',
      cuda: '13.0',
      hint: null,
      sentence: 'NVIDIA H100 80GB HBM3 (80 GiB), driver 580.65.06, up to CUDA 13.0.',
      cards: [
        {
          index: 0,
          name: 'NVIDIA H100 80GB HBM3',
          memory: 81559 * MIB,
          used: 1234 * MIB,
          load: 42,
          temperature: 35,
          power: 118.34,
          driver: '580.65.06',
          computeCapability: '9.0',
        },
      ],
    });
  });

  test('two cards; what one does not tell is null; a name with a comma stays whole', async () => {
    const { env, program } = fakeMachine();
    program(
      'nvidia-smi',
      nvidiaSmi(
        '0, Quadro, the old one, 2048, [N/A], [Not Supported], 61, [N/A], 470.10, [N/A]\n1, GRID T4, 15360, 0, 0, 30, 9.9, 470.10, 7.5',
        '| Driver Version: 470.10  CUDA Version: N/A |',
      ),
    );
    const { cards, cuda } = await readCards({ env, devices: none });
    expect(cuda).toBeNull();
    expect(
      cards.map(({ name, used, load, temperature, power, computeCapability }) => ({
        name,
        used,
        load,
        temperature,
        power,
        computeCapability,
      })),
    ).toEqual([
      { name: 'Quadro, the old one', used: null, load: null, temperature: 61, power: null, computeCapability: null },
      { name: 'GRID T4', used: 0, load: 0, temperature: 30, power: 9.9, computeCapability: '7.5' },
    ]);
  });

  test('an old driver that does not know the compute capability is asked without it', async () => {
    const { env, program } = fakeMachine();
    program(
      'nvidia-smi',
      `case "$1" in *compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; exit 2;; --query-gpu=*) echo '0, Tesla K80, 11441, 0, 0, 30, 26.1, 440.33';; *) echo 'CUDA Version: 10.2';; esac`,
    );
    expect(await readCards({ env, devices: none })).toMatchObject({
      state: 'ready',
      cuda: '10.2',
      cards: [{ name: 'Tesla K80', memory: 11441 * MIB, driver: '440.33', computeCapability: null }],
    });
  });
});

describe('no cards, each for its own reason', () => {
  const failing = (said: string, code: number, stream = '') => {
    const { env, program } = fakeMachine();
    program('nvidia-smi', `echo '${said}' ${stream}; exit ${code}`);
    return readCards({ env, devices: none, timeout: 4000 });
  };

  test('no nvidia-smi and no NVIDIA device', async () => {
    const { state, sentence, hint, cards } = await readCards({ env: fakeMachine().env, devices: none });
    expect({ state, sentence, cards }).toEqual({
      state: 'no-tool',
      sentence: 'No NVIDIA card was found: nvidia-smi is not on the PATH.',
      cards: [],
    });
    expect(hint).toMatch(/^If this machine has one: Install NVIDIA's driver/);
  });

  test('no nvidia-smi, but an NVIDIA card in the machine (and a sound device of the same maker, which is none)', async () => {
    const { root, put, env } = fakeMachine();
    for (const [device, vendor, kind] of [
      ['00:01', '0x10de', '0x030200'],
      ['00:02', '0x10de', '0x040300'],
      ['00:03', '0x8086', '0x030000'],
    ]) {
      put(`devices/${device}/vendor`, `${vendor}\n`);
      put(`devices/${device}/class`, `${kind}\n`);
    }
    expect((await readCards({ env, devices: `${root}/devices` })).sentence).toBe(
      "There is an NVIDIA card here, but no nvidia-smi: NVIDIA's driver is not installed, or its tools are not on the PATH.",
    );
  });

  test('a driver that is not loaded, one that was updated, and one that sees no card', async () => {
    expect(
      await failing(
        "NVIDIA-SMI has failed because it couldn'\\''t communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
        9,
      ),
    ).toMatchObject({
      state: 'no-driver',
      sentence: expect.stringContaining('the NVIDIA driver is not loaded or cannot be reached'),
    });
    expect(await failing('Failed to initialize NVML: Driver/library version mismatch', 18)).toMatchObject({
      state: 'no-driver',
      sentence: "NVIDIA's driver was updated while the old one is still loaded.",
      hint: 'Restart the machine.',
    });
    expect(await failing('Failed to initialize NVML: Unknown Error', 255, '>&2')).toMatchObject({
      state: 'no-driver',
      sentence: expect.stringContaining('"Failed to initialize NVML: Unknown Error"'),
    });
    expect(await failing('No devices were found', 6)).toMatchObject({
      state: 'no-cards',
      sentence: "NVIDIA's driver is here, but it sees no card.",
    });
    expect(await failing('Segmentation fault', 139)).toMatchObject({
      state: 'failed',
      sentence: 'nvidia-smi failed (139): "Segmentation fault"',
    });
  });

  test('an nvidia-smi that hangs does not hold us up', async () => {
    const { env, program } = fakeMachine();
    program('nvidia-smi', 'while :; do /bin/sleep 5; done');
    const begun = performance.now();
    expect(await readCards({ env, devices: none, timeout: 300 })).toMatchObject({
      state: 'failed',
      sentence: 'nvidia-smi did not answer in time.',
    });
    expect(performance.now() - begun).toBeLessThan(3000);
  });
});

describe('the meter', () => {
  test('tells all cards at every beat, and nothing once stopped', async () => {
    const { env, program } = fakeMachine();
    program(
      'nvidia-smi',
      `[ "$3 $4" = '-lms 50' ] || exit 3\ni=0; while :; do i=$((i+1)); printf '0, A, 1000, %d, 5, 30, 50, 580.1\\n1, B, 1000, 7, [N/A], 31, 51, 580.1\\n' $i; /bin/sleep 0.05; done`,
    );
    const beats: (readonly NvidiaCard[] | null)[] = [];
    const stop = watchCards(50, (cards) => beats.push(cards), env);
    await vi.waitFor(() => expect(beats.length).toBeGreaterThan(2), 5000);
    stop();
    const heard = beats.length;
    expect(beats.map((cards) => cards?.map(({ name }) => name).join())).toEqual(beats.map(() => 'A,B'));
    expect(beats[2]![0]!.used! - beats[0]![0]!.used!).toBeGreaterThanOrEqual(2 * MIB);
    expect(beats[0]![1]).toMatchObject({ used: 7 * MIB, load: null, computeCapability: null });
    await wait(200);
    expect(beats.length).toBe(heard);
  });

  test('says once that it has ended, and is not started again; without nvidia-smi it ends at once', async () => {
    const { env, program, root } = fakeMachine();
    const ends: unknown[] = [];
    watchCards(50, (cards) => ends.push(cards), env);
    await vi.waitFor(() => expect(ends).toEqual([null]), 5000);
    program('nvidia-smi', `echo x >> ${root}/starts; echo '0, A, 1000, 1, 5, 30, 50, 580.1'`);
    const beats: (readonly NvidiaCard[] | null)[] = [];
    watchCards(50, (cards) => beats.push(cards), env);
    await vi.waitFor(() => expect(beats.at(-1)).toBeNull(), 5000);
    await wait(200);
    expect(beats.map((cards) => cards?.length ?? null)).toEqual([1, null]);
    expect(fs.readFileSync(`${root}/starts`, 'utf8')).toBe('x\n');
  });
});

describe('what a process takes', () => {
  test('is summed over cards; a process that is not listed has no number', async () => {
    const { env, program } = fakeMachine();
    program('nvidia-smi', `echo '77, 100'; echo '770, 5000'; echo '77, 24'; echo '78, [N/A]'`);
    expect(await memoryOfProcess(77, { env })).toBe(124 * MIB);
    expect(await memoryOfProcess(78, { env })).toBeNull();
    expect(await memoryOfProcess(7, { env })).toBeNull();
    expect(await memoryOfProcess(77, { env: fakeMachine().env })).toBeNull();
  });

  test('the peak is the most that was seen', async () => {
    const { env, program } = fakeMachine();
    program(
      'nvidia-smi',
      `for m in 100 900 300; do echo "77, $m"; /bin/sleep 0.05; done; while :; do /bin/sleep 1; done`,
    );
    const watch = watchPeakMemory(77, 50, env);
    const other = watchPeakMemory(78, 50, env);
    await vi.waitFor(() => expect(watch.peak()).toBe(900 * MIB), 5000);
    await wait(150);
    watch.stop();
    other.stop();
    expect([watch.peak(), other.peak()]).toEqual([900 * MIB, null]);
  });
});
