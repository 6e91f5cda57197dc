// Keeps a device set up from one graph to the next: where no session is open the runtime takes a WebGPU device down,
// and with it all that was compiled for it.

import type { Device } from './device.ts';
import { createGraph, input, PLAIN } from './graph.ts';
import { encodeModel } from './onnx.ts';
import { identity } from './ops/movement.ts';
import { openSession } from './session.ts';

/**
 * Opens a graph of one number on the device and leaves it open until the returned function is called; on other than
 * WebGPU nothing is gained, and nothing opened. Throws 'runtime' where the device cannot be had.
 */
export async function holdDevice(device: Device): Promise<() => Promise<void>> {
  if (device.provider !== 'webgpu') return () => Promise.resolve();
  const graph = createGraph(null, PLAIN);
  const held = await openSession(encodeModel(graph, [identity(input(graph, 'x', 'float32', [1]))]), { device });
  return () => held.release();
}
