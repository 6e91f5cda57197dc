// Holds ARCHITECTURE.md to the house: the paths that it names, its table of layers, the homes of packages, the limits.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HOMES, LAYERS, MAX_LINES } from './architecture.ts';
import { MAX_FUNCTION, MAX_NESTING, MAX_TEMPLATE, MAX_WIDTH } from './source-shape.ts';

const FOLDERS = ['core', 'electron', 'renderer', 'build', 'tests', 'docs'];
/** Where a path may begin besides the root: `store/runs.ts` is core/store/runs.ts. */
const STARTS = ['', 'core', 'renderer'];
const A_FILE = /^[\w./{},-]+\.(ts|vue|mjs|cjs|css|py|md)$/;
const A_FOLDER = /^[\w.{},-]+\/[\w./{},-]*\/$|^(core|electron|renderer|build|tests|docs)\/[\w./{},-]+$/;
/** What stands for whatever the reader will write. */
const A_PLACEHOLDER = /something/i;
/** Folders of a project, not of the house. */
const OF_A_PROJECT = /^(runs|models)\/</;

/** `a/{b,c}/d` -> a/b/d and a/c/d. */
function eachOf(path: string): string[] {
  const found = /^(.*?)\{([^}]*)\}(.*)$/.exec(path);
  return found ? found[2]!.split(',').flatMap((one) => eachOf(found[1]! + one.trim() + found[3]!)) : [path];
}

/** Paths in code spans that are not there; a bare name must be that of some file. */
function missingPaths(page: string, root: string): string[] {
  const all = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }),
  );
  const names = new Set(all.map((path) => path.replaceAll('\\', '/').split('/').at(-1)!));
  const isThere = (path: string) =>
    STARTS.some((start) => existsSync(join(root, start, path))) || (!path.includes('/') && names.has(path));
  return [...page.matchAll(/`([^`\n]+)`/g)]
    .flatMap(([, span]) => span!.split(' '))
    .filter((word) => A_FILE.test(word) || A_FOLDER.test(word))
    .filter((word) => !A_PLACEHOLDER.test(word) && !OF_A_PROJECT.test(word))
    .flatMap(eachOf)
    .filter((path) => !isThere(path))
    .map((path) => `ARCHITECTURE.md names ${path}, which is not there`);
}

/** A row of the table of layers: which it is about, what they may know, and the packages they are home of. */
interface Row {
  layers: string[];
  may: string[];
  homes: string[];
}

const listed = (text: string) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const inCore = (name: string) => (Object.hasOwn(LAYERS, name) ? name : `core/${name.replace(/^core\//, '')}`);

/** The rows under "| folder | may know |", from the top down. */
function rowsOf(page: string): Row[] {
  const [, table = ''] = page.split('| folder | may know |\n|---|---|\n');
  const lines = table
    .split('\n\n')[0]!
    .split('\n')
    .filter((line) => line.startsWith('|'));
  const above: string[] = [];
  return lines.map((line) => {
    const [, folders = '', knows = ''] = line.split('|');
    const layers = listed(folders.replace(/\(.*\)/, '')).map(inCore);
    const plain = knows
      .replace(/\(.*\)/, '')
      .split(';')[0]!
      .trim();
    const may = plain === 'nothing' ? [] : plain === 'everything above' ? [...above] : listed(plain).map(inCore);
    above.push(...layers);
    return { layers, may, homes: listed(/only home of ([^)`]*?)(, in `[^)]*)?\)/.exec(knows)?.[1] ?? '') };
  });
}

const sorted = (list: readonly string[]) => list.toSorted().join(', ');

/** Rows that differ from the table that imports are held to, and layers without a row. */
function wrongRows(rows: readonly Row[]): string[] {
  const found: string[] = [];
  for (const { layers, may } of rows)
    for (const layer of layers) {
      const known = LAYERS[layer]?.may;
      if (!known) found.push(`ARCHITECTURE.md has a row for ${layer}, which is no layer`);
      else if (sorted(known) !== sorted(may))
        found.push(`ARCHITECTURE.md: ${layer} may know ${sorted(known)}, the page says ${sorted(may)}`);
    }
  const told = rows.flatMap(({ layers }) => layers);
  const untold = Object.keys(LAYERS).filter((layer) => !told.includes(layer));
  return [...found, ...untold.map((layer) => `ARCHITECTURE.md has no row for ${layer}`)];
}

function wrongHomes(rows: readonly Row[]): string[] {
  return rows.flatMap(({ layers, homes }) => {
    const ours = Object.keys(HOMES).filter((name) => layers.includes(HOMES[name]!));
    if (sorted(ours) === sorted(homes)) return [];
    return [`ARCHITECTURE.md: ${sorted(layers)} is home of ${sorted(ours)}, the page says ${sorted(homes)}`];
  });
}

/** The sentence of the page that says the limits, made of the limits. */
export const LIMITS =
  `A file has at most ${MAX_LINES} lines, a function ${MAX_FUNCTION}, a line ${MAX_WIDTH} columns; ` +
  `statements nest ${MAX_NESTING} deep, templates ${MAX_TEMPLATE}`;

const MOST_LINES = 8;
/** Entries of "How do I add" that take more lines than one reads at a glance. */
function longEntries(page: string): string[] {
  const [, entries = ''] = page.split('## How do I add …\n');
  return entries
    .split('\n\n')
    .filter(
      (entry) =>
        entry.trim().split('\n').length > MOST_LINES || entry.split('\n').some((line) => line.length > MAX_WIDTH),
    )
    .map((entry) => `ARCHITECTURE.md: the entry "${entry.trim().slice(0, 30)}" is longer than ${MOST_LINES} lines`);
}

/** Every claim of the page that a machine can check and that is not so. */
export function falseClaims(page: string, root: string): string[] {
  const rows = rowsOf(page);
  const limits = page.includes(LIMITS) ? [] : [`ARCHITECTURE.md does not say: ${LIMITS}`];
  return [...missingPaths(page, root), ...wrongRows(rows), ...wrongHomes(rows), ...limits, ...longEntries(page)];
}
