// The bootstrap behind every npm script: installs what is missing, finds the right Node, and starts what was asked for.
// Runs under Node 18 and newer with nothing installed, so it may import only Node's own modules and its neighbours
// here.
import { spawnSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findDesktop } from './electron.mjs';
import { ensureInstalled } from './install.mjs';
import { explainNoNode, findNode, runAndExit, runProgramAndExit } from './pinned-node.mjs';

const COMMAND_LINE = 'core/cli/main.ts';

/**
 * What `node build/start.mjs NAME` runs. `development`: also needs the packages that only tests and the bundler use.
 */
const TARGETS = {
  start: { script: COMMAND_LINE, first: ['serve'], development: true, desktop: true },
  dev: { script: 'build/dev.mjs', first: [], development: true },
  test: { script: 'build/test.mjs', first: [], development: true },
  'test:quick': { script: 'build/test.mjs', first: ['--quick'], development: true },
  types: { script: 'node_modules/vue-tsc/bin/vue-tsc.js', first: ['-b'], development: true },
  format: { script: 'build/format.mjs', first: [], development: true },
  pictures: { script: 'build/pictures.mjs', first: [], development: true },
  'check:python': { script: 'build/check-python.mjs', first: [], development: true },
  'check:gpu': { script: 'build/check-gpu.mjs', first: [] },
  package: { script: 'build/package.mjs', first: [], development: true },
  notices: { script: 'build/notices.mjs', first: [], development: true },
  demo: { script: COMMAND_LINE, first: ['demo'] },
  tastemaker: { script: COMMAND_LINE, first: [] },
  'setup:cuda': { script: COMMAND_LINE, first: ['setup', 'cuda'] },
  'train:demo-base': { script: COMMAND_LINE, first: ['train', 'demo-base'] },
};

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Builds what is missing or out of date, under the right Node (the bundler needs it too). What it says goes to standard
 * error.
 */
function build(node) {
  if (!existsSync(join(root, 'renderer'))) return true;
  return spawnSync(node, [join(root, 'build/bundles.mjs')], { stdio: ['ignore', 2, 2], cwd: root }).status === 0;
}

/** Starts one of the targets with the given arguments; never returns. The working directory stays the caller's. */
export async function start(name, args) {
  const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : null;
  if (!target) {
    process.stderr.write(
      `There is nothing called "${name ?? ''}" to start.\nHint: one of ${Object.keys(TARGETS).join(', ')}.\n`,
    );
    process.exit(2);
  }
  if (!(await ensureInstalled(root, target.development ?? false))) process.exit(1);
  const node = findNode(root);
  if (!node) {
    process.stderr.write(explainNoNode());
    process.exit(1);
  }
  const electron = target.desktop ? findDesktop(root, node, args) : null;
  const words = [...target.first, ...args];
  if ((electron || words[0] === 'serve') && !words.includes('--help') && !build(node)) process.exit(1);
  process.env.TASTEMAKER_NODE = node; // for the service that the shell starts
  if (electron) return runProgramAndExit(electron, [root, ...args]);
  runAndExit(node, join(root, target.script), words);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  await start(process.argv[2], process.argv.slice(3));
