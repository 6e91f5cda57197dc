// What a section of the check is given, and what it is.

import type { Precision } from '#core/autodiff/device.ts';
import type { Row } from './results.ts';

/** What a section is given by the process it runs in. */
export interface Context {
  precision: Precision;
  tiny: boolean;
  /** the card, or the processor */
  on: string;
  python: string;
  /** milliseconds until it must be done */
  left(): number;
  /** keeps a figure, from then on even if the process dies */
  row(row: Row): Promise<void>;
  note(text: string): void;
}
export type SectionWork = (context: Context) => Promise<void>;
