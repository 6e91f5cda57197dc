// What a run computes on, in words for its manifest: the device, how exactly, and the driver and card where there is
// one.

import os from 'node:os';
import type { Device } from '#core/autodiff/device.ts';
import { readCards } from '#core/hardware/nvidia.ts';
import { readWebgpu } from '#core/hardware/webgpu.ts';

const PRODUCTS: Readonly<Record<Device['provider'], string>> = {
  cpu: 'float32',
  cuda: 'float32, products as TF32',
  webgpu: 'float32',
};

/** Beside the versions of a manifest. */
export async function describeDevice({ provider, precision, sums }: Device): Promise<Record<string, string>> {
  const base = {
    device: provider,
    precision: precision === 'bf16' ? 'bf16 products, float32 weights' : PRODUCTS[provider],
    sums,
  };
  if (provider === 'cpu') return base;
  if (provider === 'webgpu')
    return {
      ...base,
      driver:
        (await readWebgpu()).drivers.map((file) => file.split(/[\\/]/).at(-1)!).join(', ') ||
        `${process.platform} ${os.release()}`,
    };
  const { cards, driver, sentence } = await readCards();
  return { ...base, driver: driver ?? sentence, card: cards.map(({ name }) => name).join(', ') || 'unknown' };
}
