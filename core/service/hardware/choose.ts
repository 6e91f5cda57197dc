// Which device is computed on: the best that passes its self-test, or the one that was asked for and no other.

import type { ProviderName, WantedDevice } from '#core/contract/hardware.ts';
import type { Device } from '#core/autodiff/device.ts';
import { PROCESSOR, readDevice } from '#core/autodiff/device.ts';
import { TastemakerError } from '#core/errors.ts';
import type { Found, Look } from './look.ts';
import { deviceFor, lookAtHardware, testDevice } from './look.ts';
import type { SelfTestOptions } from './self-tests.ts';

export interface Choice {
  device: Device;
  /** what runs where and why, in a sentence */
  reason: string;
  /** nothing may run: what was asked for cannot be had, and nothing else takes its place */
  refusal: TastemakerError | null;
  /** what has to be tested before it is known */
  untested: ProviderName | null;
}

const NAMES: Readonly<Record<ProviderName, string>> = { cpu: 'The processor', cuda: 'CUDA', webgpu: 'WebGPU' };
/** What is tried of its own accord, best first, on which systems. */
const OF_ITS_OWN: readonly { provider: ProviderName; on(platform: string): boolean }[] = [
  { provider: 'cuda', on: (platform) => platform === 'linux' },
  { provider: 'webgpu', on: (platform) => platform !== 'linux' }, // experimental there: one has to ask for it
];
const INSTEAD =
  'Choose another device in the settings, or mend this one; its self-test says more. Nothing runs elsewhere in its place.';
const INSTEAD_THERE = 'On the command line that is --device, and `tastemaker doctor --test`.';

/** What a wish comes to, as things stand. */
export function choose(
  wanted: WantedDevice,
  found: Readonly<Record<ProviderName, Found>>,
  { cardName = null, platform = process.platform }: { cardName?: string | null; platform?: string } = {},
): Choice {
  const made = (provider: ProviderName, reason: string, rest: Partial<Choice> = {}): Choice => ({
    device: deviceFor(provider, wanted),
    reason,
    refusal: null,
    untested: null,
    ...rest,
  });
  const passed = (provider: ProviderName) =>
    `${NAMES[provider]}${provider === 'cuda' && cardName ? ` on ${cardName}` : ''}${found[provider].imitated ? ' on a card that the processor imitates' : ''}`;
  if (wanted === 'auto') {
    let why: string | null = null;
    for (const { provider } of OF_ITS_OWN.filter(({ on }) => on(platform))) {
      const { report, imitated, ...rest } = found[provider];
      if (report.state === 'ready' && !imitated) return made(provider, `${passed(provider)}: it passed its self-test.`);
      if (report.state === 'untested' && !imitated)
        return made('cpu', `${NAMES[provider]} is being tested.`, { untested: provider });
      why ??=
        report.state === 'refused'
          ? `${NAMES[provider]} failed its self-test. ${report.selfTest?.sentence ?? ''}`
          : imitated
            ? 'the only graphics card is one that it imitates.'
            : rest.why;
    }
    return made(
      'cpu',
      why === null ? 'The processor: no graphics card can be used here.' : `The processor: ${lowered(why)}`,
    );
  }
  const { provider } = readDevice(wanted);
  const { report, why } = found[provider];
  if (provider === 'cpu') return made('cpu', 'The processor, as you asked.');
  if (report.state === 'ready') return made(provider, `${passed(provider)}, as you asked; it passed its self-test.`);
  if (report.state === 'untested') return made(provider, `${NAMES[provider]} is being tested.`, { untested: provider });
  const problem =
    report.state === 'refused'
      ? `failed its self-test. ${report.selfTest?.sentence ?? ''}`
      : `cannot be used. ${why ?? ''}`;
  return made(provider, `Nothing runs: ${NAMES[provider]} was asked for and ${problem}`.trim(), {
    refusal: new TastemakerError(
      'runtime',
      `${NAMES[provider]} was asked for and ${problem}`.trim(),
      INSTEAD,
      INSTEAD_THERE,
    ),
  });
}

/** A sentence in the middle of another: names keep their capitals. */
const lowered = (sentence: string): string =>
  /^(NVIDIA|ONNX|CUDA|WebGPU|Vulkan|Metal|Direct3D)\b/.test(sentence)
    ? sentence
    : sentence[0]!.toLowerCase() + sentence.slice(1);

export interface Settled extends Choice {
  look: Look;
}

/**
 * Looks, tests what has to be tested before anything can be said, and chooses. Never rejects for what the hardware
 * does.
 */
export async function settleDevice(
  home: string,
  wanted: WantedDevice,
  {
    hash = false,
    env = process.env,
    testing = () => {},
    ...options
  }: SelfTestOptions & { hash?: boolean; env?: NodeJS.ProcessEnv; testing?: (settled: Settled) => void } = {},
): Promise<Settled> {
  for (;;) {
    const look = await lookAtHardware({ home, wanted, hash, env });
    const settled = { ...choose(wanted, look.found, { cardName: look.cards.cards[0]?.name ?? null }), look };
    if (settled.untested === null || options.signal?.aborted) return settled;
    testing(settled);
    const device = deviceFor(settled.untested, wanted);
    const test = await testDevice(look, home, device, options);
    if (!(await lookAtHardware({ home, wanted, env })).found[device.provider].report.selfTest) {
      // it could not be kept: what it said holds all the same
      const found = {
        ...look.found,
        [device.provider]: {
          ...look.found[device.provider],
          report: {
            ...look.found[device.provider].report,
            state: test.ok ? ('ready' as const) : ('refused' as const),
            selfTest: test,
          },
        },
      };
      return { ...choose(wanted, found, { cardName: look.cards.cards[0]?.name ?? null }), look: { ...look, found } };
    }
  }
}

/** What nothing has been looked at for: the processor. */
export const UNSETTLED: Choice = {
  device: PROCESSOR,
  reason: 'The processor; whether a graphics card can be used is being looked at.',
  refusal: null,
  untested: null,
};
