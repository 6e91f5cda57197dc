// What a path means that a person types in the window.

import os from 'node:os';
import path from 'node:path';

/** ~ is their home folder, and what has no root counts from there too. */
export const typedPath = (given: string): string => path.resolve(os.homedir(), given.trim().replace(/^~(?=$|[/\\])/, os.homedir()));
