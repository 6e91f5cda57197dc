// The bootstrap behind every npm script: installs what is missing, finds the right Node, and starts what was asked for.
// Runs under Node 18 and newer with nothing installed, so it may import only Node's own modules and its neighbours here.
import { realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { explainNoNode, findNode, runAndExit } from './pinned-node.mjs';

const COMMAND_LINE = 'core/cli/main.ts';

/** What `node build/start.mjs NAME` runs. `development`: also needs the packages that only tests use. */
const TARGETS = {
  start: { script: COMMAND_LINE, first: ['demo'], says: 'There is no window yet: running the demo in the terminal instead.' },
  test: { script: 'build/test.mjs', first: [], development: true },
  demo: { script: COMMAND_LINE, first: ['demo'] },
  tastemaker: { script: COMMAND_LINE, first: [] },
  'train:demo-base': { script: COMMAND_LINE, first: ['train', 'demo-base'] },
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Starts one of the targets with the given arguments; never returns. The working directory stays the caller's. */
export async function start(name, args) {
  const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : null;
  if (!target) {
    process.stderr.write(`There is nothing called "${name ?? ''}" to start.\nHint: one of ${Object.keys(TARGETS).join(', ')}.\n`);
    process.exit(2);
  }
  if (!(await ensureInstalled(root, target.development ?? false))) process.exit(1);
  const node = findNode(root);
  if (!node) {
    process.stderr.write(explainNoNode());
    process.exit(1);
  }
  if (target.says) process.stderr.write(`${target.says}\n`);
  runAndExit(node, join(root, target.script), [...target.first, ...args]);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await start(process.argv[2], process.argv.slice(3));
