// Before any test: the settings and the key of this machine lie in a folder of the tests, not in the home of who runs
// them; what Node has compiled of our files is kept, for the tests start them hundreds of times; and models compute on
// one thread, for test files run side by side, and so small ones gain nothing from more.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export function setup(): () => void {
  const home = mkdtempSync(join(tmpdir(), 'tests-home-'));
  process.env.TASTEMAKER_HOME = home; // the workers, and what they start, inherit it
  process.env.TASTEMAKER_THREADS ??= '1';
  process.env.NODE_COMPILE_CACHE ??= resolve('out/test-compiled'); // starts with half the work
  return () => rmSync(home, { recursive: true, force: true });
}
