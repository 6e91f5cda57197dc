// Where tests run on WebGPU: the device stays set up from one graph of a test file to the next.

import { afterAll } from 'vitest';
import { chosenDevice } from '#core/autodiff/device.ts';
import { holdDevice } from '#core/autodiff/held-device.ts';

const release = await holdDevice(chosenDevice());
afterAll(release);
