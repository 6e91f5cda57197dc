// Adapters written into folders of their own, and changed as other programs would.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import { saveCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { ADAPTER_CONFIG } from '#core/formats/adapter-base.ts';
import { ADAPTER_WEIGHTS } from '#core/models/peft.ts';
import { readJson } from './reference-numbers.ts';

export const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'peft-')));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
export const fresh = () => path.join(scratch, `model-${++folders}`);
export function saved(checkpoint: Checkpoint, folder = fresh()): string {
  saveCheckpoint(folder, checkpoint);
  return folder;
}

export interface Change {
  config?: object;
  /** null drops the tensor */
  tensor?: (name: string, shape: number[]) => { name?: string; shape?: number[] } | null;
}
/** A copy of an adapter folder as another program, or an accident, might have made it. */
export function changed(from: string, { config = {}, tensor = () => ({}) }: Change): string {
  const folder = fresh();
  fs.mkdirSync(folder);
  fs.writeFileSync(
    path.join(folder, ADAPTER_CONFIG),
    JSON.stringify({ ...readJson<object>(path.join(from, ADAPTER_CONFIG)), ...config }),
  );
  const tensors = [...readSafetensors(path.join(from, ADAPTER_WEIGHTS)).tensors].flatMap(([name, { shape, load }]) => {
    const change = tensor(name, shape);
    if (!change) return [];
    const data = load();
    const size = (change.shape ?? shape).reduce((a, b) => a * b, 1);
    return [{ name, shape, ...change, data: data.length === size ? data : new Float32Array(size) }];
  });
  writeSafetensors(path.join(folder, ADAPTER_WEIGHTS), tensors);
  return folder;
}
export const config = (folder: string) => readJson<Record<string, unknown>>(path.join(folder, ADAPTER_CONFIG));
