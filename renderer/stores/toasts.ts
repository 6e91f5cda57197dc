// Short sentences at the window's edge: what was done, with an undo where there is one, or what went wrong.

import { ref } from 'vue';
import { faultOf, isOfAnother } from '#renderer/api.ts';
import { defineProjectStore } from './project-store.ts';

export interface Toast {
  id: number;
  /** milliseconds since 1970 */ at: number;
  sentence: string;
  hint: string;
  tone: 'info' | 'good' | 'bad';
  action: { label: string; run: () => unknown } | null;
  until: number;
}

const SECONDS = { info: 5, good: 5, bad: 12 } as const;
const MOST = 4;
/** said on the way to the next screen, and of that one */
const JUST_NOW_MS = 500;

export const useToasts = defineProjectStore('toasts', () => {
  const toasts = ref<Toast[]>([]);
  let last = 0;

  function show({
    sentence,
    hint = '',
    tone = 'info',
    action,
  }: {
    sentence: string;
    hint?: string;
    tone?: Toast['tone'];
    action?: { label: string; run: () => unknown };
  }): number {
    const id = ++last;
    const seconds = SECONDS[tone] + (action ? 5 : 0);
    // the same sentence again takes the place of the earlier one
    const others = toasts.value.filter((toast) => toast.sentence !== sentence || toast.tone !== tone);
    toasts.value = [
      ...others,
      { id, at: Date.now(), sentence, hint, tone, action: action ?? null, until: Date.now() + seconds * 1000 },
    ].slice(-MOST);
    setTimeout(() => close(id), seconds * 1000);
    return id;
  }
  /**
   * What a call or anything else threw. Of a project that has been closed nothing is said: the window shows another.
   */
  function fault(error: unknown): void {
    const { code, message, hint } = faultOf(error);
    if (isOfAnother(error) || code === 'moved') return; // the second is said on top of the window
    show({ sentence: message, hint, tone: 'bad' });
  }
  function close(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
  }
  /**
   * Another screen is shown: what was said of the one before goes with it. What can be undone, and what went wrong,
   * stays its time.
   */
  function leaveScreen(): void {
    toasts.value = toasts.value.filter(
      ({ at, tone, action }) => action !== null || tone === 'bad' || Date.now() - at < JUST_NOW_MS,
    );
  }
  return { toasts, show, fault, close, leaveScreen };
});
