// How much work a run is, by its plan: tokens times the numbers that each of them meets.

import type { Phase, Plan } from './plan.ts';

/** A pass of training counts as three; a token that is sampled alone costs about as much as three read together. */
const COSTS: Readonly<Record<Phase['does'], number>> = { read: 1, train: 3, write: 3 };

export const workOf = ({ phases }: Plan): number =>
  phases.reduce((sum, phase) => {
    const prefill = phase.does === 'write' ? COSTS.read * phase.prefill : 0;
    return sum + (COSTS[phase.does] * phase.tokens + prefill) * phase.numbers;
  }, 0);
