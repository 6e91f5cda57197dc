// Stores that live and die with the opened project: made anew with every one, so that nothing of it outlives its
// closing.

import { defineStore, getActivePinia } from 'pinia';
import type { StoreDefinition } from 'pinia';

const stores: StoreDefinition[] = [];

/**
 * As pinia's defineStore of a setup function. What the store asks and hears of the project comes from
 * `useProjectService`.
 */
export const defineProjectStore: typeof defineStore = ((...given: Parameters<typeof defineStore>) => {
  const store = defineStore(...given);
  stores.push(store as unknown as StoreDefinition);
  return store;
}) as typeof defineStore;

/** Ends every store of the project; whoever asks for one afterwards gets a new one. */
export function forgetProject(): void {
  const pinia = getActivePinia();
  if (!pinia) return;
  for (const useStore of stores) {
    if (!(useStore.$id in pinia.state.value)) continue; // nobody has asked for it
    useStore(pinia).$dispose();
    delete pinia.state.value[useStore.$id];
  }
}
