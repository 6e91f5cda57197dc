// The box that a plot is drawn into: its width and the colours of the theme, told at the beginning and whenever they
// change.

import { onBeforeUnmount, onMounted } from 'vue';
import type { ShallowRef } from 'vue';
import { readColours } from './chart-options.ts';
import type { Colours } from './chart-options.ts';

export interface PlotBox {
  /** pixels, more than 0 */
  resized(width: number): void;
  coloured(colours: Colours): void;
}

/** Looks after the box for as long as the component is there; `coloured` is called before anything is drawn. */
export function usePlotBox(box: Readonly<ShallowRef<HTMLElement | null>>, { resized, coloured }: PlotBox): void {
  const recolour = (): void => {
    if (box.value) coloured(readColours(box.value));
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let sized: ResizeObserver, themed: MutationObserver;
  onMounted(() => {
    recolour();
    sized = new ResizeObserver(() => {
      const width = box.value?.clientWidth ?? 0;
      if (width > 0) resized(width);
    });
    sized.observe(box.value!);
    themed = new MutationObserver(recolour);
    themed.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    dark.addEventListener('change', recolour);
  });
  onBeforeUnmount(() => {
    sized.disconnect();
    themed.disconnect();
    dark.removeEventListener('change', recolour);
  });
}
