// Builds the window once before the browser tests.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBuilt } from './bundles.mjs';

export default async function setUp() {
  const result = await ensureBuilt(dirname(dirname(fileURLToPath(import.meta.url))));
  if (!result.ok) throw new Error(`The window could not be built: ${result.reason}`);
}
