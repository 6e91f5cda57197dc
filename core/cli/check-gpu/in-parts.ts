// A step that the card's memory does not hold is taken in micro-batches, as runs do: twice as many each time, until it
// fits.

import { TastemakerError } from '#core/errors.ts';

export interface InParts<Made> {
  made: Made;
  micro: number;
}

/**
 * Tries `attempt(micro)` of `rows` rows; after a fault of the runtime, `release` gives the memory back and half the
 * rows are tried.
 */
export async function inParts<Made>(
  rows: number,
  micro: number,
  attempt: (micro: number) => Promise<Made>,
  release: () => Promise<void>,
): Promise<InParts<Made>> {
  try {
    return { made: await attempt(micro), micro };
  } catch (error) {
    if (!(error instanceof TastemakerError) || error.code !== 'runtime' || rows % (2 * micro) !== 0) throw error;
    await release();
    return inParts(rows, 2 * micro, attempt, release);
  }
}
