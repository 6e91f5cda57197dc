// The state that a run is resumed from: the newest checkpoint that is whole; a damaged one is passed over, and said.
//
// checkpoints/<step>.safetensors holds every tensor, and in its metadata the step, the rest of the state and a
// checksum.

import fs from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { TastemakerError } from '#core/errors.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import type { SavedState } from '#core/recipes/recipe.ts';

/** The one that is gone on from, and the one before it, should that be damaged. */
const KEPT = 2;

/** Steps of a run that it has a checkpoint of, the oldest first. */
export function checkpointSteps(folder: string): number[] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names
    .flatMap((name) => (/^\d{1,15}\.safetensors$/.test(name) ? [Number.parseInt(name, 10)] : []))
    .sort((a, b) => a - b);
}
const fileOf = (folder: string, step: number) => path.join(folder, `${String(step).padStart(7, '0')}.safetensors`);

const checksum = (tensors: SavedState['tensors']): string =>
  String(
    Object.values(tensors).reduce(
      (sum, { buffer, byteOffset, byteLength }) => crc32(new Uint8Array(buffer, byteOffset, byteLength), sum),
      0,
    ),
  );

/** Whole or not at all; those before the last two go. */
export function saveCheckpointOf(folder: string, { step, tensors, rest }: SavedState): void {
  const entries = Object.entries(tensors).map(([name, data]) => ({ name, shape: [data.length], data }));
  writeSafetensors(fileOf(folder, step), entries, {
    metadata: { step: String(step), rest: JSON.stringify(rest), checksum: checksum(tensors) },
  });
  for (const old of checkpointSteps(folder).slice(0, -KEPT)) fs.rmSync(fileOf(folder, old));
}

/** Throws where anything of it is not as it was written. Those of 0.1.0 have no checksum. */
function readCheckpoint(file: string, step: number): SavedState {
  const { metadata, tensors: found } = readSafetensors(file);
  const tensors = Object.fromEntries([...found].map(([name, tensor]) => [name, tensor.load()]));
  const damaged = (what: string) => new TastemakerError('bad-file', `${file} ${what}.`, 'It was damaged on the disk.');
  if (Number(metadata.step) !== step) throw damaged('says another step than its name');
  if (metadata.checksum !== undefined && metadata.checksum !== checksum(tensors))
    throw damaged('does not have the checksum that it was written with');
  return { step, rest: JSON.parse(metadata.rest ?? '{}') as Record<string, unknown>, tensors };
}

const DAMAGED = 'is damaged';
/**
 * The newest whole checkpoint, or null where there is none at all. Damaged ones are removed, and `say` is told what
 * that costs; 'bad-file' where all are.
 */
export function newestCheckpoint(id: string, folder: string, say: (line: string) => void): SavedState | null {
  const steps = checkpointSteps(folder);
  const damaged: { step: number; why: string }[] = [];
  for (const step of steps.toReversed()) {
    try {
      const saved = readCheckpoint(fileOf(folder, step), step);
      for (const { step: lost, why } of damaged) {
        say(
          `The checkpoint of step ${lost} ${DAMAGED} (${why}): the run goes on from step ${step} and repeats ${lost - step} ${lost - step === 1 ? 'step' : 'steps'}.`,
        );
        fs.rmSync(fileOf(folder, lost)); // else it would count as one of the two that are kept
      }
      return saved;
    } catch (error) {
      damaged.push({ step, why: error instanceof Error ? error.message.split('\n')[0]! : String(error) });
    }
  }
  if (damaged.length === 0) return null;
  throw new TastemakerError(
    'bad-file',
    `Run ${id} cannot be resumed: ${damaged.length === 1 ? 'its only checkpoint' : `each of its ${damaged.length} checkpoints`} ${DAMAGED} (${damaged[0]!.why})`
      .replace(/\.\)$/, ')')
      .concat('.'),
    'Start a new run with the same settings; what this one wrote stays where it is.',
  );
}
