// A text in the making, kept on this machine until it is saved or thrown away: no key and no way out of a screen loses
// it.

import { ref, watch } from 'vue';
import type { Ref } from 'vue';

/** By name and project; null while nothing is being written. */
export function keptText(name: string, project: string | null): Ref<string | null> {
  const key = `tastemaker.text.${name} ${project ?? ''}`;
  const text = ref(localStorage.getItem(key));
  watch(
    text,
    (now) => {
      if (now === null) localStorage.removeItem(key);
      else localStorage.setItem(key, now);
    },
    { flush: 'sync' },
  );
  return text;
}
