// The version of this program, which stands in package.json and nowhere else.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const program = resolve(import.meta.dirname, '..', 'package.json');
export const { version: VERSION } = JSON.parse(readFileSync(program, 'utf8')) as { version: string };
