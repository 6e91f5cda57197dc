// Has electron-vite build shell and window into out/app when their sources have changed since the last time.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OUTPUT = 'out/app';
const STAMP = '.stamp';
const SOURCES = [
  'renderer',
  'electron',
  'core/contract',
  'core/errors.ts',
  'core/redact.ts',
  'core/supervisor',
  'core/wire.ts',
  'package.json',
  'package-lock.json',
  'electron.vite.config.ts',
  'THIRD-PARTY-NOTICES.txt',
  'build/bundles.mjs',
];

/** Every source file, sorted, with forward slashes. */
function sourcesOf(root) {
  return SOURCES.flatMap((name) => {
    if (!existsSync(join(root, name))) return [];
    if (statSync(join(root, name)).isFile()) return [name];
    const inside = readdirSync(join(root, name), { recursive: true, encoding: 'utf8' }).map(
      (each) => `${name}/${each.replaceAll('\\', '/')}`,
    );
    return inside.filter((each) => statSync(join(root, each)).isFile());
  }).sort();
}

/** One hash over the names and contents of everything that the bundles are built from. */
export function hashOfSources(root) {
  const hash = createHash('sha256');
  for (const name of sourcesOf(root))
    hash.update(`${name}\0`).update(
      createHash('sha256')
        .update(readFileSync(join(root, name)))
        .digest(),
    );
  return hash.digest('hex');
}

/** Runs electron-vite in a process of its own, for it sets NODE_ENV; resolves to what it said of a failure, or null. */
function runElectronVite(root, output) {
  return new Promise((done) => {
    const program = join(root, 'node_modules/electron-vite/bin/electron-vite.js');
    const child = spawn(process.execPath, [program, 'build', root, '--outDir', output, '--logLevel', 'warn'], {
      cwd: root,
      env: { ...process.env, FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece));
    child.once('error', (error) => done(error.message));
    child.once('close', (code) => done(code === 0 ? null : said.trim() || `electron-vite ended with ${code}`));
  });
}

/** What is built from now on is no longer what the stamp says: the next `ensureBuilt` builds anew. */
export const forgetBuilt = (root) => rmSync(join(root, OUTPUT, STAMP), { force: true });

/**
 * Makes sure out/app is what the sources say. `say` is given one line when there is something to build.
 * Answers { ok: true, built } or { ok: false, reason } with the bundler's own words.
 */
export async function ensureBuilt(root, say = (line) => void process.stderr.write(`${line}\n`)) {
  const stamp = join(root, OUTPUT, STAMP);
  const wanted = hashOfSources(root);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === wanted) return { ok: true, built: false };
  say('Building shell and window (once for these sources) …');
  // aside: a build that dies, or runs twice, must not pass for a whole one
  const made = join(root, `${OUTPUT}.${process.pid}`);
  try {
    mkdirSync(made, { recursive: true });
    const reason = await runElectronVite(root, made);
    if (reason !== null) return { ok: false, reason };
    writeFileSync(join(made, STAMP), `${wanted}\n`);
    rmSync(join(root, OUTPUT), { recursive: true, force: true });
    renameSync(made, join(root, OUTPUT));
    return { ok: true, built: true };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

/** The same for callers that only want to go on or not: says why not, with what to do. */
export async function ensureBuiltOrSay(root) {
  const result = await ensureBuilt(root);
  if (!result.ok)
    process.stderr.write(
      `The window could not be built: ${result.reason}\nHint: "npm ci" puts the packages right when they are older than the sources.\n`,
    );
  return result.ok;
}

const file = fileURLToPath(import.meta.url);
if (process.argv[1] === file) process.exit((await ensureBuiltOrSay(dirname(dirname(file)))) ? 0 : 1);
