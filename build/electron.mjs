// Electron's program: where it lies, and fetching it once where the machine can.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Electron's program inside its package, by platform. */
const PROGRAM = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' };
const PATIENCE_MS = 120_000; // 110 MB
const FAILED = 'out/electron-failed';

const versionIn = (root) => {
  const file = join(root, 'node_modules/electron/package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : null;
};

/** The program, or null where its package is without one: it is downloaded separately. */
export function findElectron(root) {
  const file = join(root, 'node_modules/electron/dist', PROGRAM[process.platform] ?? 'electron');
  return existsSync(file) ? file : null;
}

/**
 * The program, fetched where it is missing. A version that could not be fetched once is not tried at every start:
 * `npx install-electron` does it by hand. Resolves to { program } or { reason }, which fits after "Electron is not
 * here: ".
 */
export function ensureElectron(
  root,
  node,
  { say = (line) => process.stderr.write(`${line}\n`), patienceMs = PATIENCE_MS } = {},
) {
  const found = findElectron(root);
  if (found) return { program: found };
  const stamp = join(root, FAILED);
  const version = versionIn(root);
  if (version === null) return { reason: 'its package is not installed' };
  const byHand = '`npx install-electron` fetches it by hand';
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === version)
    return { reason: `it could not be fetched before; ${byHand}` };
  say(`Fetching Electron ${version} (about 110 MB, once) …`);
  const { status, signal } = spawnSync(node, [join(root, 'node_modules/electron/install.js')], {
    cwd: root,
    stdio: 'ignore',
    timeout: patienceMs,
  });
  const program = status === 0 ? findElectron(root) : null;
  if (program) return { program };
  mkdirSync(join(root, 'out'), { recursive: true });
  writeFileSync(stamp, `${version}\n`);
  return { reason: `${signal ? 'fetching it took too long' : 'this machine cannot fetch it'}; ${byHand}` };
}

/** What only the browser's command understands. */
const OF_THE_BROWSER = ['--no-open', '--help', '--json', '--port'];

/** Electron's program to open the workstation in, or null where it is to open in a browser: then it has said why. */
export function findDesktop(root, node, args) {
  if (OF_THE_BROWSER.some((flag) => args.includes(flag))) return null;
  const hasScreen = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
  const { program, reason } = hasScreen ? ensureElectron(root, node) : { reason: 'there is no screen' };
  if (!program)
    process.stderr.write(
      `Electron is not here (${reason}), so the workstation opens in your browser. Ctrl-C ends it.\n`,
    );
  return program ?? null;
}
