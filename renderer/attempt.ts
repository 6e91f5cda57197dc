// Something that a person asks for and may be refused: one at a time, busy meanwhile, the refusal kept for the screen
// to show.

import { ref, shallowRef, watch } from 'vue';
import type { Ref, ShallowRef } from 'vue';
import type { Fault } from '#core/contract/messages.ts';
import { faultOf, isOfAnother } from './api.ts';

export interface Attempt {
  busy: Ref<boolean>;
  /** why the last attempt failed; null where it did not, or another is under way */
  fault: ShallowRef<Fault | null>;
  /** Does `work` unless another is under way; says whether it was done. Never rejects. */
  attempt(work: () => Promise<unknown>): Promise<boolean>;
}

/** `open`: of a dialog; it opens without what was said in it before. `failed` hears of refusals in place of `fault`. */
export function useAttempt({
  open,
  failed,
}: { open?: Readonly<Ref<boolean>>; failed?: (error: unknown) => void } = {}): Attempt {
  const busy = ref(false);
  const fault = shallowRef<Fault | null>(null);
  async function attempt(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    [busy.value, fault.value] = [true, null];
    try {
      await work();
      return true;
    } catch (error) {
      if (failed) failed(error);
      else if (!isOfAnother(error)) fault.value = faultOf(error);
      return false;
    } finally {
      busy.value = false;
    }
  }
  if (open) watch(open, (isOpen) => isOpen && (fault.value = null));
  return { busy, fault, attempt };
}
