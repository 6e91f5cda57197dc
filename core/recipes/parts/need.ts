// Refuses a recipe whose project has too little of what it needs, in a sentence with the numbers.

import { TastemakerError } from '#core/errors.ts';

/** Rejects with the sentence a person needs: how many there are and how many more it takes. */
export function need(have: number, atLeast: number, what: string, how: string, atCommandLine = ''): void {
  if (have < atLeast)
    throw new TastemakerError(
      'bad-data',
      `This needs ${atLeast} ${what}; there ${have === 1 ? 'is' : 'are'} ${have}.`,
      how,
      atCommandLine,
    );
}
