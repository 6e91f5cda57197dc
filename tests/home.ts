// Before any test: the settings and the key of this machine lie in a folder of the tests, not in the home of who runs
// them.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function setup(): () => void {
  const home = mkdtempSync(join(tmpdir(), 'tests-home-'));
  process.env.TASTEMAKER_HOME = home; // the workers, and what they start, inherit it
  return () => rmSync(home, { recursive: true, force: true });
}
