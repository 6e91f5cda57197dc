// What a refusal must be: our own error, one plain sentence that says what is wrong, and one that says how to mend it.

import { expect } from 'vitest';
import { TastemakerError } from '#core/errors.ts';

/** The error that `run` throws; anything but a refusal in two sentences fails the test. */
export function refusalOf(run: () => unknown): TastemakerError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(TastemakerError);
    const { message, hint } = error as TastemakerError;
    for (const sentence of [message, hint]) expect(sentence).toMatch(/^[^\n]+[.]$/);
    return error as TastemakerError;
  }
  throw new Error('nothing was refused');
}
