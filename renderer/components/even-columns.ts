// How many columns cards stand in: as many as fit, and then as few as fill the same number of rows (four as 2 × 2, not
// 3 + 1).

import { computed, onBeforeUnmount, ref, watch } from 'vue';
import type { ComputedRef, Ref } from 'vue';

/** `width` and `least`, the least width of a card, in pixels. */
export function evenColumns(count: number, width: number, least: number, gap = 10): number {
  const most = Math.max(1, Math.min(count, Math.floor((width + gap) / (least + gap))));
  return count < 1 ? 1 : Math.ceil(count / Math.ceil(count / most));
}

/** The width that `box` has for what is in it, followed while the component lives. */
export function useInnerWidth(box: Readonly<Ref<HTMLElement | null>>): ComputedRef<number> {
  const width = ref(0);
  const sized = new ResizeObserver(() => (width.value = innerWidthOf(box.value)));
  watch(
    box,
    (now, before) => {
      if (before) sized.unobserve(before);
      if (!now) return;
      width.value = innerWidthOf(now);
      sized.observe(now);
    },
    { flush: 'post' },
  );
  onBeforeUnmount(() => sized.disconnect());
  return computed(() => width.value);
}

function innerWidthOf(box: HTMLElement | null): number {
  if (!box) return 0;
  const { paddingLeft, paddingRight } = getComputedStyle(box);
  return box.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}

/** For `:style`; shrinks with its box instead of spilling out of it. */
export const columnsStyle = (columns: number): { gridTemplateColumns: string } => ({
  gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
});
