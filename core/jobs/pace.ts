// How many optimiser steps one call of the runtime takes.

import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { count } from './config.ts';

export const STEPS_A_RUN = count(0, [0, 1000], 'Optimiser steps in one call of the runtime; checkpoints and Ctrl-C act between calls. 0 = eight, on an NVIDIA card as many as take about a second.');

const USUAL = 8;
/** Guesses that only decide how often the state crosses the bus: operations and bytes a second of a card that is neither the slowest nor the fastest. */
const OPERATIONS = { fp32: 2e13, bf16: 5e13 } as const, BUS = 5e9;
const SHORTEST = 0.5, LONGEST = 2, MOST = 256; // seconds of a call; steps

/**
 * `asked` where it is not 0. A CUDA run brings weights and moments to the card and back, 24 bytes a trained number, so its
 * steps shall take four times as long as that, but no longer than LONGEST. `numbers` of the model, `trained` of them, `tokens` a step.
 */
export function stepsARun(asked: number, { numbers, trained, tokens }: { numbers: number; trained: number; tokens: number }, { provider, precision }: Device = chosenDevice()): number {
  if (asked || provider !== 'cuda') return asked || USUAL;
  const step = ((4 * numbers + 2 * trained) * tokens) / OPERATIONS[precision], crossing = (24 * trained) / BUS;
  return Math.max(1, Math.min(MOST, Math.round(Math.min(LONGEST, Math.max(SHORTEST, 4 * crossing)) / step)));
}
