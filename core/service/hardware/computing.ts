// What a run would compute on and what is free on its card, for saying beforehand whether it fits.

import { chosenDevice, PROCESSOR } from '#core/autodiff/device.ts';
import type { Device } from '#core/autodiff/device.ts';
import { readCards } from '#core/hardware/nvidia.ts';
import type { NvidiaCards } from '#core/hardware/nvidia.ts';

export interface Computing {
  device: Device;
  /** null where the device shares the machine's memory, or nobody says how much it has */
  cardFreeBytes: number | null;
}

const FRESH_MS = 2000;
const PATIENCE_MS = 2000;
let last: { at: number; cards: Promise<NvidiaCards> } | null = null;

/** `busy`: a run of ours is at work there. It ends before another begins, so the whole card counts. */
export async function computingOn(device: Device = chosenDevice(), busy = false): Promise<Computing> {
  if (device.provider !== 'cuda') return { device, cardFreeBytes: null };
  if (!last || Date.now() - last.at > FRESH_MS) last = { at: Date.now(), cards: readCards() };
  const card = (await last.cards).cards[0];
  const memory = card?.memory ?? null;
  return { device, cardFreeBytes: memory === null ? null : memory - (busy ? 0 : (card!.used ?? 0)) };
}

type Environment = Readonly<Record<string, string>>;

/**
 * The same of a process with this environment; of the processor where that is not known soon, or nothing may run (which
 * starting says).
 */
export async function computingIn(
  environment: () => Environment | Promise<Environment>,
  busy: boolean,
): Promise<Computing> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<null>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS, null)));
  const known = await Promise.race([
    Promise.resolve()
      .then(environment)
      .catch(() => null),
    patience,
  ]);
  clearTimeout(timer);
  return computingOn(known === null ? PROCESSOR : chosenDevice({ ...process.env, ...known }), busy);
}
