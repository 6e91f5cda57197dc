// Builds the window into out/window when its sources have changed since the last time.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const OUTPUT = 'out/window';
const SOURCES = [
  'renderer',
  'core/contract',
  'core/wire.ts',
  'package.json',
  'package-lock.json',
  'build/window.config.ts',
  'build/window.mjs',
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

/** One hash over the names and contents of everything that the window is built from. */
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

/**
 * Makes sure out/window is what the sources say. `say` is given one line when there is something to build.
 * Answers { ok: true, built } or { ok: false, reason } with the bundler's own words.
 */
export async function ensureWindow(root, say = (line) => void process.stderr.write(`${line}\n`)) {
  const stamp = join(root, OUTPUT, '.stamp');
  const wanted = hashOfSources(root);
  if (
    existsSync(stamp) &&
    existsSync(join(root, OUTPUT, 'index.html')) &&
    readFileSync(stamp, 'utf8').trim() === wanted
  )
    return { ok: true, built: false };
  say('Building the window (once for these sources) …');
  // aside: a build that dies, or runs twice, must not pass for a whole one
  const made = join(root, `${OUTPUT}.${process.pid}`);
  try {
    const { build } = await import('vite');
    const { default: config } = await import(pathToFileURL(join(root, 'build/window.config.ts')).href);
    await build({ ...config, root: join(root, 'renderer'), build: { ...config.build, outDir: made } });
    writeFileSync(join(made, '.stamp'), `${wanted}\n`);
    rmSync(join(root, OUTPUT), { recursive: true, force: true });
    renameSync(made, join(root, OUTPUT));
  } catch (error) {
    rmSync(made, { recursive: true, force: true });
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
  return { ok: true, built: true };
}

/** The same for callers that only want to go on or not: says why not, with what to do. */
export async function ensureWindowBuilt(root) {
  const result = await ensureWindow(root);
  if (!result.ok)
    process.stderr.write(
      `The window could not be built: ${result.reason}\nHint: "npm ci" puts the packages right when they are older than the sources.\n`,
    );
  return result.ok;
}
