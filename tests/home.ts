// Before any test: the settings and the key of this machine lie in a folder of the tests, not in the home of who runs
// them; and what Node has compiled of our files is kept, for the tests start them hundreds of times.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

export function setup(): () => void {
  const home = mkdtempSync(join(tmpdir(), 'tests-home-'));
  process.env.TASTEMAKER_HOME = home; // the workers, and what they start, inherit it
  process.env.NODE_COMPILE_CACHE ??= resolve('out/test-compiled'); // starts with half the work
  return () => rmSync(home, { recursive: true, force: true });
}
