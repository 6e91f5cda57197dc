// The words and figures of the hardware pages: devices, providers, self-tests, what a card is doing.

import type {
  CardNow,
  Device,
  Hardware,
  ProviderName,
  ProviderReport,
  SelfTest,
  WantedDevice,
} from '#core/contract/hardware.ts';
import { number } from '#renderer/components/train/run-words.ts';

/** The badge: one word a device. */
export const deviceWord = ({ provider, precision }: Pick<Device, 'provider' | 'precision'>): string =>
  `${{ cpu: 'CPU', cuda: 'CUDA', webgpu: 'WebGPU' }[provider]}${precision === 'bf16' ? ' bf16' : ''}`;

export const PROVIDER_NAMES: Readonly<Record<ProviderName, string>> = {
  cpu: 'Processor',
  cuda: 'NVIDIA card (CUDA)',
  webgpu: 'Graphics card (WebGPU)',
};

export const STATES: Readonly<Record<ProviderReport['state'], { word: string; tone: '' | 'good' | 'warn' | 'bad' }>> = {
  ready: { word: 'ready', tone: 'good' },
  untested: { word: 'not tested yet', tone: 'warn' },
  refused: { word: 'refused: it failed its self-test', tone: 'bad' },
  missing: { word: 'something is missing', tone: '' },
  broken: { word: 'broken', tone: 'bad' },
};
/** Whether it may be chosen, and tested where it has to be. */
export const canRun = ({ state }: ProviderReport): boolean => state === 'ready' || state === 'untested';
export const canBeTested = (report: ProviderReport): boolean => canRun(report) || report.state === 'refused';

export const CHOICES: readonly {
  wanted: WantedDevice;
  provider: ProviderName | null;
  title: string;
  sentence: string;
}[] = [
  {
    wanted: 'auto',
    provider: null,
    title: 'Automatic',
    sentence: 'The best that passes its self-test: CUDA on Linux, WebGPU on Windows and macOS, else the processor.',
  },
  {
    wanted: 'cpu',
    provider: 'cpu',
    title: 'Processor',
    sentence: 'Works everywhere; slower with large models. The other devices are checked against it.',
  },
  {
    wanted: 'cuda',
    provider: 'cuda',
    title: 'NVIDIA card (CUDA)',
    sentence: 'Everything in 32 bits; matrix products as TF32, the usual 32 bits of these cards.',
  },
  {
    wanted: 'cuda:bf16',
    provider: 'cuda',
    title: 'NVIDIA card (CUDA), products in bfloat16',
    sentence:
      'Only the matrix products in 16 bits: faster with large models, less exact. Weights, losses and optimiser stay in 32 bits.',
  },
  {
    wanted: 'webgpu',
    provider: 'webgpu',
    title: 'Graphics card (WebGPU)',
    sentence: 'Cards of any maker, through the graphics driver of the system; everything in 32 bits.',
  },
];

/** Why something cannot be chosen; null where it can. */
export function whyNot(
  { wanted, provider }: { wanted: WantedDevice; provider: ProviderName | null },
  { providers, cards, wanted: wantedNow }: Hardware,
): string | null {
  const report = providers.find((each) => each.provider === provider);
  if (!report || canRun(report)) return null;
  if (report.state === 'refused') {
    // CUDA's self-test is of the precision that is wanted now: of the other one nothing is known
    const otherPrecision = provider === 'cuda' && (wanted === 'cuda:bf16') !== (wantedNow === 'cuda:bf16');
    return otherPrecision ? null : `It failed its self-test. ${report.selfTest?.sentence ?? ''}`.trim();
  }
  if (report.state === 'broken') return `Something it needs is there and wrong: see “${report.title}” below.`;
  if (provider === 'cuda' && cards.length > 0)
    return `The card is here, but not everything that CUDA needs: see “${report.title}” below.`;
  return report.lines[0] ?? 'Not on this machine.';
}

/** Nothing but the processor is to be had, and nothing is wrong: most machines. */
export const onlyProcessor = ({ providers, cards }: Hardware): boolean =>
  cards.length === 0 && providers.every(({ provider, state }) => provider === 'cpu' || state === 'missing');

/** just now, 3 minutes ago, 2 hours ago, 5 days ago */
export function ago(at: number, now: number): string {
  const minutes = Math.floor((now - at) / 60_000);
  if (minutes < 1) return 'just now';
  const [count, unit] =
    minutes < 60
      ? [minutes, 'minute']
      : minutes < 1440
        ? [Math.floor(minutes / 60), 'hour']
        : [Math.floor(minutes / 1440), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

type CheckRow = SelfTest['checks'][number];
/** Larger differences stand for a result that is no number, or for none at all. */
const NO_RESULT = 1e9;
/** What the self-test would tell, before there was one. */
export const untestedText = (provider: ProviderName): string =>
  provider === 'cpu'
    ? 'Needs no test: the others are compared with it. A test shows that its optimised graphs agree with plain ones.'
    : 'No self-test yet: it compares every operator, training steps and sampling with the processor.';
export const worstText = ({ worst }: CheckRow): string =>
  worst >= NO_RESULT ? 'no result' : worst < 1e-7 ? '0' : worst.toExponential(1);
export const toleranceText = ({ tolerance }: CheckRow): string => tolerance.toExponential(0);

/** The check that a failed test is about: the one its sentence names, else the first that failed. */
export function failedCheck({ ok, sentence, checks }: SelfTest): CheckRow | null {
  if (ok) return null;
  const failed = checks.filter((check) => !check.ok);
  return failed.find(({ name }) => sentence.includes(name)) ?? failed[0] ?? null;
}

/** Passed 3 minutes ago: 34 checks in 4.2 s, the worst at 0.2 × its tolerance. */
export function selfTestText({ at, ok, seconds, checks }: SelfTest, now: number): string {
  const count = `${checks.length} ${checks.length === 1 ? 'check' : 'checks'}`;
  if (!ok) {
    const failed = checks.filter((check) => !check.ok).length;
    return `Failed ${ago(at, now)}${checks.length ? `: ${failed} of ${count}` : ''}.`;
  }
  const ratio = Math.max(0, ...checks.map(({ worst, tolerance }) => worst / tolerance));
  const worst =
    ratio > 0 ? `the worst at ${number(Number(ratio.toPrecision(1)))} × its tolerance` : 'no difference at all';
  return `Passed ${ago(at, now)}: ${count} in ${seconds.toFixed(1)} s, ${worst}.`;
}

/** Memory of a card as cards are sold, in powers of 1,024: 80, 12.3, 0.4. */
const cardGigabytes = (bytes: number): string => {
  const value = bytes / 2 ** 30;
  return value >= 99.5 || Math.abs(value - Math.round(value)) < 0.05 ? String(Math.round(value)) : value.toFixed(1);
};
/** The whole of it has no decimals: drivers keep a little for themselves. */
export const cardMemory = (bytes: number): string => `${Math.round(bytes / 2 ** 30) || cardGigabytes(bytes)} GB`;

export const cardFree = (bytes: number): string => `${cardGigabytes(bytes)} GB`;

export interface CardFigures {
  memory: string;
  load: string;
  heat: string;
  power: string;
}
/** Each empty where the driver says nothing of it. */
export const cardFigures = ({ memoryBytes, usedBytes, load, celsius, watts }: CardNow): CardFigures => ({
  memory: memoryBytes > 0 ? `${cardGigabytes(usedBytes)} / ${cardMemory(memoryBytes)}` : '',
  load: load === null ? '' : `${Math.round(load)} %`,
  heat: celsius === null ? '' : `${Math.round(celsius)} °C`,
  power: watts === null ? '' : `${Math.round(watts)} W`,
});
/** 12.3 / 80 GB · 87 % · 61 °C · 310 W */
export const cardText = (card: CardNow): string => Object.values(cardFigures(card)).filter(Boolean).join(' · ');

/** What a run's manifest says that it computes on; empty for runs from before that was written. */
export function computesOn(manifest: Record<string, unknown> | null): string {
  const { device, precision, card } = (manifest?.['versions'] ?? {}) as Record<string, unknown>;
  if (typeof device !== 'string') return '';
  const name =
    device === 'cpu'
      ? 'the processor'
      : `${device === 'cuda' ? 'CUDA' : device === 'webgpu' ? 'WebGPU' : device}${typeof card === 'string' ? ` (${card})` : ''}`;
  return `on ${name}${typeof precision === 'string' ? `, ${precision}` : ''}`;
}
