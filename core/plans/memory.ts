// What a run holds at its peak, by its plan: weights, trainers, evaluators, sampler, and the process itself. Where a
// device computes, its memory is counted beside the machine's.

import { chosenDevice } from '#core/autodiff/device.ts';
import type { Device, Provider } from '#core/autodiff/device.ts';
import { phaseBytes } from './graph-memory.ts';
import type { Memory } from './graph-memory.ts';
import { isLarge } from './large-models.ts';
import { bytesOfShape } from './model-shape.ts';
import type { Plan } from './plan.ts';

const PROCESS = 135e6; // the program, its libraries and a run's bookkeeping
/**
 * What a device holds before any graph is opened. CUDA: its context, its kernels, and what cuBLAS and cuDNN work in; a
 * guess until a card measures it.
 */
const CONTEXT: Readonly<Record<Provider, number>> = { cpu: 0, cuda: 0.5e9, webgpu: 0.1e9 };

/** The machine's memory, and the device's own: 0 where the processor computes. */
export interface RunBytes {
  host: number;
  device: number;
}

/** `weights`: bytes of the arrays of models by their names, what several have in common once. */
export async function bytesOf(
  plan: Plan,
  weights: (models: readonly string[]) => number,
  device: Device = chosenDevice(),
): Promise<RunBytes> {
  const onCard = device.provider !== 'cpu';
  const wholes = plan.wholes.map(bytesOfShape);
  const arrays = weights(plan.models) + sum(wholes) + plan.made;
  // a graph takes its constants over by way of a copy
  const opening = onCard ? Math.max(0, ...wholes, ...plan.models.map((name) => weights([name]))) : 0;
  return {
    host: PROCESS + arrays + (await held(plan, { device, of: 'host' })) + opening,
    device: onCard ? CONTEXT[device.provider] + (await held(plan, { device, of: 'device' })) : 0,
  };
}

/** States stay the whole run; of what else the phases take, only the largest counts where they take turns. */
async function held(plan: Plan, memory: Memory): Promise<number> {
  const inTurn = takeTurns(plan, memory);
  const taken = await Promise.all(
    plan.phases.map((phase) => phaseBytes(memory, plan.rounds && inTurn ? alone(phase) : phase)),
  );
  const pools = taken.map(({ pool }) => pool);
  return sum(taken.map(({ state }) => state)) + (inTurn ? Math.max(0, ...pools) : sum(pools));
}

/** All of WebGPU's graphs have one store, whose buffers are used again. */
const takeTurns = ({ turns }: Plan, { device, of }: Memory): boolean =>
  typeof turns === 'object'
    ? isLarge(turns.large, device) || (of === 'device' && device.provider === 'webgpu')
    : turns === 'always';

/** Of one shape. */
const alone = (phase: Plan['phases'][number]): Plan['phases'][number] =>
  phase.does === 'train' ? { ...phase, varied: 0 } : { ...phase, kept: 1 };

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
