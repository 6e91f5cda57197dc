// What a path means that a person types in the window.

import os from 'node:os';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';

/** ~ is their home folder, and what has no root counts from there too. */
export function typedPath(given: string): string {
  if (/\p{Cc}/u.test(given.trim()))
    throw new TastemakerError(
      'bad-argument',
      `The path ${JSON.stringify(given.slice(0, 100))} holds a character that no name can have.`,
      'Type the path anew.',
    );
  return path.resolve(os.homedir(), given.trim().replace(/^~(?=$|[/\\])/, os.homedir()));
}
