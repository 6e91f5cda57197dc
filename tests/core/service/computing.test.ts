// What estimates are told about the device: read off the environment that a run would get, and off the card.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { deviceEnvironment, PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { computingIn, computingOn } from '#core/service/hardware/computing.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'computing-'));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test('the device of the environment; the processor where that is refused, or not known soon', async () => {
  const webgpu = readDevice('webgpu');
  expect(await computingIn(() => deviceEnvironment(webgpu), false)).toEqual({ device: webgpu, cardFreeBytes: null });
  expect(await computingIn(() => Promise.resolve(deviceEnvironment(webgpu)), false)).toEqual({
    device: webgpu,
    cardFreeBytes: null,
  });
  expect((await computingIn(() => Promise.reject(new Error('refused')), false)).device).toEqual(PROCESSOR);
  expect(
    (
      await computingIn(() => {
        throw new Error('refused');
      }, false)
    ).device,
  ).toEqual(PROCESSOR);
  const begun = performance.now();
  expect((await computingIn(() => new Promise(() => {}), false)).device).toEqual(PROCESSOR);
  expect(performance.now() - begun).toBeLessThan(5000);
});

test.skipIf(process.platform === 'win32')(
  'what is free on the card; all of it where a run of ours is at work and will have ended',
  async () => {
    fs.writeFileSync(
      path.join(folder, 'nvidia-smi'),
      '#!/bin/sh\ncase "$1" in --query-gpu*) echo "0, Card, 24576, 4096, 0, 40, 30.0, 570.10, 8.9";; esac\n',
      { mode: 0o755 },
    );
    vi.stubEnv('PATH', `${folder}${path.delimiter}${process.env.PATH}`);
    try {
      const cuda = readDevice('cuda');
      const GIB = 2 ** 30;
      expect(await computingOn(cuda)).toEqual({ device: cuda, cardFreeBytes: 20 * GIB });
      expect(await computingOn(cuda, true)).toEqual({ device: cuda, cardFreeBytes: 24 * GIB });
    } finally {
      vi.unstubAllEnvs();
    }
  },
);
