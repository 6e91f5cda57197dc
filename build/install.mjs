// Installs the packages of package-lock.json when they are missing or out of date, once, however many programs start.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const STAMP = 'node_modules/.tastemaker-stamp';
const HEARTBEAT_MS = 1000;
const STALE_MS = 60_000; // a holder that shows no heartbeat for this long is gone
// onnxruntime-node's install script would fetch CUDA files; the ones for the processor are in the package already.
const INSTALL_ENVIRONMENT = { ONNXRUNTIME_NODE_INSTALL: 'skip' };
const INSTALL_ARGUMENTS = [
  'ci',
  '--ignore-scripts',
  '--include=optional',
  '--include=dev',
  '--no-audit',
  '--no-fund',
  '--loglevel=error',
];

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
const lockHash = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');

/**
 * Are the packages that npm recorded as installed those of the lock? Optional ones may be absent, development ones too
 * unless asked for.
 */
export function installedMatchesLock(root, development) {
  let installed;
  try {
    installed = readJson(join(root, 'node_modules/.package-lock.json')).packages;
  } catch {
    return false; // no record: never installed, or interrupted
  }
  for (const [path, wanted] of Object.entries(readJson(join(root, 'package-lock.json')).packages)) {
    if (path === '') continue;
    const found = installed[path];
    if (
      found
        ? found.version !== wanted.version || found.integrity !== wanted.integrity
        : !wanted.optional && (development || !wanted.dev)
    )
      return false;
  }
  return true;
}

/**
 * Why the packages have to be installed, in words that follow "Installing packages: ", or null when they need not be.
 */
export function reasonToInstall(root, development = true) {
  if (!existsSync(join(root, 'node_modules'))) return 'there are none yet';
  const stamp = join(root, STAMP);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === lockHash(root)) return null;
  return installedMatchesLock(root, development)
    ? null
    : 'package-lock.json has changed, or the last installation did not finish';
}

function writeStamp(root) {
  try {
    writeFileSync(join(root, STAMP), lockHash(root) + '\n');
  } catch {
    // a read-only folder: the comparison with npm's own record decides at every start
  }
}

/** npm's own program, to run with this Node: a shell in between would need quoting on Windows. */
function npmCommand() {
  const besideNode = dirname(process.execPath);
  const candidates = [
    process.env.npm_execpath,
    join(besideNode, 'node_modules/npm/bin/npm-cli.js'),
    join(besideNode, '../lib/node_modules/npm/bin/npm-cli.js'),
  ];
  const script = candidates.find((path) => path?.endsWith('npm-cli.js') && existsSync(path));
  return script
    ? { file: process.execPath, first: [script], shell: false }
    : { file: 'npm', first: [], shell: process.platform === 'win32' };
}

function countInstalled(root) {
  const folder = join(root, 'node_modules');
  if (!existsSync(folder)) return 0;
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return names.reduce((sum, name) => sum + (name.startsWith('@') ? readdirSync(join(folder, name)).length : 1), 0);
}

/** Runs `npm ci` with a line of progress on standard error; resolves to its exit code. */
function runNpm(root, beat) {
  const npm = npmCommand();
  const started = Date.now();
  const child = spawn(npm.file, [...npm.first, ...INSTALL_ARGUMENTS], {
    cwd: root,
    env: { ...process.env, ...INSTALL_ENVIRONMENT },
    stdio: ['ignore', 'ignore', 'inherit'], // standard output belongs to the command that was asked for
    shell: npm.shell,
  });
  let shown = 0;
  const timer = setInterval(() => {
    beat();
    const seconds = Math.round((Date.now() - started) / 1000);
    if (seconds - shown < (process.stderr.isTTY ? 1 : 10)) return;
    shown = seconds;
    let line;
    try {
      line = `  ${countInstalled(root)} packages, ${seconds} s`;
    } catch {
      return; // npm is moving folders about
    }
    process.stderr.write(process.stderr.isTTY ? `\r${line} ` : `${line}\n`);
  }, HEARTBEAT_MS);
  return new Promise((resolve) => {
    const end = (code) => {
      clearInterval(timer);
      if (shown && process.stderr.isTTY) process.stderr.write('\n');
      resolve(code);
    };
    child.once('error', (error) => {
      process.stderr.write(`npm could not be started: ${error.message}\n`);
      end(127);
    });
    child.once('close', (code) => end(code ?? 1));
  });
}

const isRunning = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Takes the lock folder, whose content is the holder's process id; null when another process holds it. */
export function takeLock(lock) {
  mkdirSync(dirname(lock), { recursive: true });
  const mine = mkdtempSync(`${lock}-`);
  writeFileSync(join(mine, 'pid'), String(process.pid));
  try {
    renameSync(mine, lock); // fails where a folder with something in it has that name: so exactly one succeeds
  } catch {
    rmSync(mine, { recursive: true, force: true });
    return null;
  }
  return {
    beat: () => utimesSync(join(lock, 'pid'), new Date(), new Date()),
    release: () => {
      renameSync(lock, mine); // in one step, or another process could take it half emptied
      rmSync(mine, { recursive: true, force: true });
    },
  };
}

/** Who holds the lock and when they last said so; null when nobody does. */
function lockHolder(lock) {
  try {
    return { pid: Number(readFileSync(join(lock, 'pid'), 'utf8')), beat: statSync(join(lock, 'pid')).mtimeMs };
  } catch {
    return null;
  }
}

/** Waits until the lock is ours. A holder that died, or whose heartbeat stands still while we watch, loses it. */
export async function waitForLock(lock, { pollMs = 500, staleMs = STALE_MS, onWait = () => {} } = {}) {
  let watched = { beat: 0, since: performance.now() };
  let told = false;
  for (;;) {
    const taken = takeLock(lock);
    if (taken) return taken;
    const holder = lockHolder(lock);
    if (holder && holder.beat !== watched.beat) watched = { beat: holder.beat, since: performance.now() };
    if (holder && (!isRunning(holder.pid) || performance.now() - watched.since > staleMs)) {
      const aside = `${lock}-stale-${process.pid}`;
      try {
        renameSync(lock, aside); // one waiter wins; if a new holder slipped in between, it gets its lock back
        if (lockHolder(aside)?.pid === holder.pid) rmSync(aside, { recursive: true, force: true });
        else renameSync(aside, lock);
      } catch {
        // another waiter was quicker
      }
      continue;
    }
    if (!told) onWait();
    told = true;
    await wait(pollMs);
  }
}

/** Makes node_modules fit package-lock.json; says what it does on standard error. Returns false when that failed. */
export async function ensureInstalled(root, development = true) {
  if (!reasonToInstall(root, development)) return true;
  const lock = await waitForLock(join(root, 'out/install.lock'), {
    onWait: () => process.stderr.write('Another start is installing the packages; waiting for it.\n'),
  });
  try {
    const reason = reasonToInstall(root, development); // the one we waited for may have done it
    if (!reason) return true;
    process.stderr.write(`Installing packages: ${reason}. About 600 MB, once; nothing outside this folder changes.\n`);
    const code = await runNpm(root, lock.beat);
    if (code !== 0) {
      process.stderr.write(
        `The packages could not be installed: npm ended with ${code}.\nHint: what npm said stands above; most often the network is missing. Run the same command again when it is back.\n`,
      );
      return false;
    }
    writeStamp(root);
    process.stderr.write('Installed.\n');
    return true;
  } finally {
    lock.release();
  }
}
