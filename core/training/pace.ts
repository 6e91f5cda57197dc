// How many optimiser steps one call of the runtime takes.

import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';

const USUAL = 8;
/**
 * Guesses that only decide how often the state crosses the bus: operations and bytes a second of a card that is neither
 * the slowest nor the fastest.
 */
const OPERATIONS = { fp32: 4e13, bf16: 8e13 } as const;
const BUS = 3.3e9; // BUS as seen on an H200, out of and into ordinary memory
const SHORTEST = 0.5;
const LONGEST = 6;
const MOST = 256; // seconds of a call; steps

/**
 * `asked` where it is not 0. A CUDA run brings weights and moments to the card and back, 24 bytes a trained number, so
 * its
 * steps shall take eight times as long as that, but no longer than LONGEST. `numbers` of the model, `trained` of them,
 * `tokens` a step.
 */
export function stepsARun(
  asked: number,
  { numbers, trained, tokens }: { numbers: number; trained: number; tokens: number },
  { provider, precision }: Device = chosenDevice(),
): number {
  if (asked || provider !== 'cuda') return asked || USUAL;
  const step = ((4 * numbers + 2 * trained) * tokens) / OPERATIONS[precision];
  const crossing = (24 * trained) / BUS;
  return Math.max(1, Math.min(MOST, Math.round(Math.min(LONGEST, Math.max(SHORTEST, 8 * crossing)) / step)));
}
