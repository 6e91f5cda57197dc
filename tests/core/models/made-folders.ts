// Model folders made tensor by tensor, as other programs write them.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import type { FloatDtype } from '#core/formats/safetensors.ts';
import { writeWeights } from '#core/formats/sharded-safetensors.ts';
import { checkpointParameters, openCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { modelConfig } from '#core/models/config-json.ts';
import { refusalOf } from './refusal.ts';

export const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'accounts-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
export const fresh = () => path.join(scratch, `model-${++folders}`);

export interface Tensor {
  name: string;
  shape: readonly number[];
  data: Float32Array;
}
export interface Made {
  more?: readonly Tensor[];
  without?: readonly string[];
  config?: object;
  dtype?: FloatDtype;
  maxShardBytes?: number;
  architectures?: readonly string[] | null;
}

/** The folder of a model as another program might leave it. */
export function made(
  model: Checkpoint,
  { more = [], without = [], config = {}, dtype = 'F32', maxShardBytes }: Made = {},
): string {
  const folder = fresh();
  fs.mkdirSync(folder);
  fs.writeFileSync(
    path.join(folder, 'config.json'),
    JSON.stringify({ ...modelConfig(model.architecture, model.head, 'F32'), ...config }),
  );
  const own = checkpointParameters(model)
    .filter(({ name }) => !without.includes(name))
    .map(({ name, shape }) => ({ name, shape, data: model.weights[name]! }));
  writeWeights(folder, [...own, ...more], { dtype, maxShardBytes });
  return folder;
}
export const refusal = (folder: string) => refusalOf(() => openCheckpoint(folder));
