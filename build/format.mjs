// Lays out every source as the house does, in 120 columns: `npm run format`; `-- --check` only says what differs.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SOURCES } from './sources.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/oxfmt/bin/oxfmt'), ...process.argv.slice(2), ...SOURCES],
  { cwd: root, stdio: 'inherit' },
);
process.exit(status ?? 1);
