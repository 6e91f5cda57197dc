// The sections of the check, in the order in which they are worth the time: what each is, on what, and how long it may
// take.

import type { Precision } from '#core/autodiff/device.ts';
import type { SectionWork } from './context.ts';

export interface SectionPlan {
  name: string;
  title: string;
  precision: Precision;
  load(): Promise<SectionWork>;
  /** seconds without which it is not begun, and a guess of how long it takes, which is its share of what is left */
  least: number;
  usual: number;
  /** products of float32 as they are, not as TF32: what our arithmetic alone is off by */
  exact?: boolean;
  /**
   * part of a trial on a processor, in float32: the others would say what these say, or compare the processor with
   * itself
   */
  trial?: boolean;
  /** looks at graphs only and needs no card to compute */
  looks?: boolean;
}

const machine = async () => (await import('./machine.ts')).machine;
const placement = async () => (await import('./placement.ts')).placement;
const selfTest = async () => (await import('./self-test.ts')).selfTest;
const reference = async () => (await import('./reference.ts')).reference;
const referenceExact = async () => (await import('./reference.ts')).referenceExact;
const train = async () => (await import('./train.ts')).train;
const sample = async () => (await import('./sample.ts')).sample;
const ppo = async () => (await import('./ppo.ts')).ppo;
const lora = async () => (await import('./ppo.ts')).lora;

export const SECTIONS: readonly SectionPlan[] = [
  {
    name: 'machine',
    title: 'Machine',
    precision: 'fp32',
    load: machine,
    least: 1,
    usual: 10,
    looks: true,
    trial: true,
  },
  {
    name: 'placement',
    title: 'Where the nodes of our graphs run',
    precision: 'fp32',
    load: placement,
    least: 10,
    usual: 20,
    looks: true,
  },
  { name: 'self-test', title: 'Self-test, fp32', precision: 'fp32', load: selfTest, least: 5, usual: 12 },
  { name: 'self-test-bf16', title: 'Self-test, bf16', precision: 'bf16', load: selfTest, least: 5, usual: 12 },
  {
    name: 'reference',
    title: 'Agreement with PyTorch, fp32',
    precision: 'fp32',
    load: reference,
    least: 5,
    usual: 20,
    trial: true,
  },
  {
    name: 'reference-exact',
    title: 'Agreement with PyTorch, fp32 without TF32',
    precision: 'fp32',
    exact: true,
    load: referenceExact,
    least: 5,
    usual: 20,
  },
  {
    name: 'reference-bf16',
    title: 'Agreement with PyTorch, bf16',
    precision: 'bf16',
    load: reference,
    least: 5,
    usual: 20,
  },
  { name: 'train-bf16', title: 'Training, bf16', precision: 'bf16', load: train, least: 15, usual: 45 },
  { name: 'train', title: 'Training, fp32 (TF32)', precision: 'fp32', load: train, least: 15, usual: 45, trial: true },
  { name: 'sample-bf16', title: 'Sampling, bf16', precision: 'bf16', load: sample, least: 10, usual: 30 },
  {
    name: 'sample',
    title: 'Sampling, fp32 (TF32)',
    precision: 'fp32',
    load: sample,
    least: 10,
    usual: 30,
    trial: true,
  },
  { name: 'ppo-bf16', title: 'A PPO update, bf16', precision: 'bf16', load: ppo, least: 20, usual: 65 },
  {
    name: 'lora-bf16',
    title: 'A LoRA PPO update of a billion parameters, bf16',
    precision: 'bf16',
    load: lora,
    least: 30,
    usual: 70,
    trial: true,
  },
  { name: 'ppo', title: 'A PPO update, fp32 (TF32)', precision: 'fp32', load: ppo, least: 20, usual: 65, trial: true },
];

/** Most sections end before their time, so one may take more than its share. */
const GENEROUS = 2.5;

/**
 * How long the next section may take, in seconds: a generous share of what is left, but for the least that those after
 * it need; null where it would not fit.
 */
export function timeFor({ least, usual }: SectionPlan, after: readonly SectionPlan[], left: number): number | null {
  if (left < least) return null;
  const share = (left * usual) / after.reduce((sum, plan) => sum + plan.usual, usual);
  const kept = after.reduce((sum, plan) => sum + plan.least, 0);
  return Math.min(left, Math.max(least, Math.min(left - kept, GENEROUS * share)));
}
