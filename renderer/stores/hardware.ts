// What can compute here, as the service found it; tests, choices and installations that outlast the page; the meter of
// the cards.

import { defineStore } from 'pinia';
import { reactive, ref, shallowRef } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import type { CardNow, Hardware, ProviderName, ProviderReport, WantedDevice } from '#core/contract/hardware.ts';
import type { Fault } from '#core/contract/messages.ts';
import { call, faultOf, on } from '#renderer/api.ts';

/** A part of the page that asks, waits and shows its own refusal. */
export type Part = 'look' | 'choose' | 'setup' | 'libraries' | ProviderName;
/** A meter that has said nothing for so long tells of another time. */
export const METER_MS = 10_000;
const MOST_LINES = 400;

export const useHardware = defineStore('hardware', () => {
  const hardware = shallowRef<Hardware | null>(null);
  const busy = reactive(new Set<Part>());
  const faults = reactive(new Map<Part, Fault>());
  /** chosen here and not answered yet */
  const wish = ref<WantedDevice | null>(null);
  const lines = ref<string[]>([]);
  const metered = shallowRef<CardNow[]>([]);
  /** a provider's test that has just ended, to be announced */
  const tested = shallowRef<ProviderReport | null>(null);
  let silence: ReturnType<typeof setTimeout> | undefined;

  on('hardware.meter', ({ cards }) => {
    metered.value = cards;
    clearTimeout(silence);
    silence = setTimeout(() => (metered.value = []), METER_MS);
  });
  on('hardware.setup', ({ line }) => (lines.value = [...lines.value, line].slice(-MOST_LINES)));
  on('hardware.changed', ({ device }) => {
    if (!hardware.value) return;
    hardware.value = { ...hardware.value, device };
    if (busy.size === 0) void look(); // another window, or the service itself, has changed more than the device
  });

  /** Asks for a part; its refusal is kept for the part to show. */
  async function ask<T>(part: Part, question: Promise<T>): Promise<T | null> {
    busy.add(part);
    faults.delete(part);
    try {
      return await question;
    } catch (error) {
      faults.set(part, faultOf(error));
      return null;
    } finally {
      busy.delete(part);
    }
  }
  const take = (found: Hardware | null): boolean => {
    if (found) hardware.value = found;
    return found !== null;
  };

  const look = async (): Promise<boolean> => take(await ask('look', call('hardware.look', {})));
  async function choose(wanted: WantedDevice): Promise<void> {
    wish.value = wanted;
    const found = await ask('choose', call('hardware.choose', { wanted }));
    if (wish.value !== wanted) return; // another choice has been made meanwhile, and its answer comes
    wish.value = null;
    take(found);
  }
  async function test(provider: ProviderName): Promise<void> {
    tested.value = null;
    const report = await ask(provider, call('hardware.test', { provider }));
    if (report && hardware.value)
      hardware.value = {
        ...hardware.value,
        providers: hardware.value.providers.map((each) => (each.provider === provider ? report : each)),
      };
    tested.value = report;
  }
  async function setup(source: Arguments<'hardware.setup'>['source'], path: string | null): Promise<boolean> {
    lines.value = [];
    return take(await ask('setup', call('hardware.setup', { source, path })));
  }
  const setFolders = async (folders: string[]): Promise<boolean> =>
    take(await ask('libraries', call('hardware.libraries', { folders })));

  return { hardware, busy, faults, wish, lines, metered, tested, look, choose, test, setup, setFolders };
});
