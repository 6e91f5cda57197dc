// A text that is saved when its field is left: no late answer to an earlier save is ever written over what is typed
// now.

import { ref, watch } from 'vue';
import type { Ref } from 'vue';

/** `stored`: what is kept, as the field shows it. `save` is given what was typed; where it fails, the typing stays. */
export function savedText(
  stored: () => string,
  save: (typed: string) => Promise<unknown>,
): { text: Ref<string>; leave(): Promise<void> } {
  const text = ref(stored());
  /** what the field held when it was last in step with what is kept, or on its way there */
  let settled = text.value;
  watch(
    stored,
    (now) => {
      const isTyping = text.value !== settled;
      settled = now;
      if (!isTyping) text.value = now;
    },
    { flush: 'sync' },
  );
  async function leave(): Promise<void> {
    const typed = text.value;
    const before = settled;
    if (typed === settled) return;
    settled = typed;
    try {
      await save(typed);
    } catch (error) {
      if (settled === typed) settled = before;
      throw error;
    }
    if (text.value === typed) text.value = settled = stored(); // as it was understood
  }
  return { text, leave };
}
