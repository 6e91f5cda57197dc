// A trainer's state as checkpoint tensors and back: weights and both moments, by role.

import type { WeightArrays } from '#core/models/checkpoint.ts';
import type { TrainerState } from '#core/training/trainer.ts';
import type { SavedState } from '#core/recipes/recipe.ts';

const PARTS = ['weights', 'm', 'v'] as const;

export function packState(role: string, state: TrainerState): Record<string, Float32Array> {
  return Object.fromEntries(
    PARTS.flatMap((part) => Object.entries(state[part]).map(([name, data]) => [`${role}/${part}/${name}`, data])),
  );
}

/** `step` counts the optimiser's own steps, which a job keeps in the checkpoint's rest. */
export function unpackState(role: string, saved: SavedState, step: number): TrainerState {
  const part = (which: string): WeightArrays => {
    const prefix = `${role}/${which}/`;
    return Object.fromEntries(
      Object.entries(saved.tensors)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, data]) => [name.slice(prefix.length), data]),
    );
  };
  return { weights: part('weights'), m: part('m'), v: part('v'), step };
}
