// The house rules as data and as one function that checks a source tree against them.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { DEEPER_TEMPLATES, judgeShape, LONGER_FUNCTIONS } from './source-shape.ts';

/** What a layer may import besides its own folder: other layers, and Node's modules unless `node` is false. */
interface Layer {
  may: readonly string[];
  node?: false;
}

const LEAVES = [
  'core/contract',
  'core/errors',
  'core/random',
  'core/redact',
  'core/regular-file',
  'core/spelling',
  'core/unlinked',
  'core/version',
  'core/wire',
];
const BELOW_RECIPES = [
  ...LEAVES,
  'core/store',
  'core/tokenizer',
  'core/formats',
  'core/demo',
  'core/autodiff',
  'core/models',
  'core/training',
  'core/evaluation',
  'core/findings',
  'core/hardware',
  'core/plans',
];
const BELOW_RUNS = [...BELOW_RECIPES, 'core/recipes'];
const BELOW_SERVICE = [...BELOW_RUNS, 'core/runs', 'core/inspection'];
const BELOW_HOST = [...BELOW_SERVICE, 'core/service'];

/** Downward only: each row is a folder, or a file directly in core. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  'core/contract': { may: [], node: false },
  'core/errors': { may: [], node: false },
  'core/random': { may: [], node: false },
  'core/spelling': { may: [], node: false },
  'core/redact': { may: [], node: false },
  'core/version': { may: [] },
  'core/wire': { may: [], node: false },
  'core/regular-file': { may: ['core/errors'] },
  'core/unlinked': { may: ['core/errors', 'core/regular-file'] },
  'core/store': {
    may: ['core/contract', 'core/errors', 'core/random', 'core/regular-file', 'core/spelling', 'core/unlinked'],
  },
  'core/formats': { may: ['core/errors', 'core/regular-file', 'core/spelling', 'core/unlinked'] },
  'core/tokenizer': { may: ['core/errors', 'core/regular-file', 'core/formats'] },
  'core/demo': { may: ['core/errors', 'core/random'] },
  'core/autodiff': { may: ['core/errors', 'core/random'] },
  'core/hardware': { may: ['core/errors', 'core/regular-file'] },
  'core/models': { may: ['core/errors', 'core/random', 'core/regular-file', 'core/autodiff', 'core/formats'] },
  'core/training': { may: ['core/errors', 'core/random', 'core/autodiff', 'core/models'] },
  'core/evaluation': { may: ['core/errors', 'core/random', 'core/tokenizer', 'core/models'] },
  'core/findings': { may: ['core/random', 'core/evaluation'] }, // numbers and texts in, numbers out
  'core/plans': {
    may: ['core/errors', 'core/autodiff', 'core/models', 'core/training'],
  },
  'core/recipes': { may: BELOW_RECIPES }, // what a run does: it talks to its folder through what it is handed
  'core/runs': { may: BELOW_RUNS }, // carries out what the table of recipes holds
  'core/inspection': { may: [...BELOW_RUNS, 'core/runs'] }, // questions to models
  'core/service': { may: BELOW_SERVICE },
  'core/supervisor': { may: ['core/contract', 'core/errors', 'core/wire'] },
  'core/host': { may: ['core/contract', 'core/errors', 'core/supervisor', 'core/wire'] },
  'core/cli': { may: [...BELOW_HOST, 'core/host', 'core/supervisor'] },
  electron: { may: ['core/contract', 'core/errors', 'core/redact', 'core/supervisor'] },
  renderer: { may: ['core/contract', 'core/wire'], node: false },
};

/** The one layer that knows each npm package; a package that is not here may not be imported by any layer. */
export const HOMES: Readonly<Record<string, string>> = {
  'better-sqlite3': 'core/store',
  tokenizers: 'core/tokenizer',
  '@huggingface/jinja': 'core/tokenizer',
  papaparse: 'core/formats',
  hyparquet: 'core/formats',
  'hyparquet-writer': 'core/formats',
  'onnxruntime-node': 'core/autodiff',
  'onnxruntime-common': 'core/autodiff',
  valibot: 'core/contract',
  ws: 'core/host',
  electron: 'electron',
  vue: 'renderer',
  'vue-router': 'renderer',
  pinia: 'renderer',
  'reka-ui': 'renderer',
  '@tanstack/vue-virtual': 'renderer',
  tinykeys: 'renderer',
  diff: 'renderer',
  uplot: 'renderer',
};

/** Which files of core/recipes are recipes: all of its own but these. None knows another, only their table does. */
export const IS_RECIPE = /^core\/recipes\/(?!(?:facts|manifest|metrics|recipe|settings|table)\.ts$)[^/]+\.ts$/;
const TABLE_OF_RECIPES = 'core/recipes/table.ts';

/** Rooms that read what other people made: they open files through core/regular-file.ts. */
const READS_FOREIGN = /^core\/(formats|hardware|models|recipes|runs|service|store|tokenizer)\//;
const OPENS =
  /\b(?:readFileSync|readFile|copyFileSync|copyFile)\(|\bopenSync\([^)]*,\s*'r'|\bfs\.open\(|createReadStream\((?!\s*'',\s*\{\s*fd: openRegular)/g;
/** Files of those rooms that open one themselves, and which. */
export const OPENS_ITSELF: Readonly<Record<string, string>> = {
  'core/formats/file-access.ts': 'a folder, so that its names reach the disk',
  'core/formats/row-file.ts': 'a folder, so that its names reach the disk',
  'core/hardware/nvidia.ts': 'what the system tells of its devices',
  'core/hardware/install-cuda-files.ts': 'what it has just written or judged',
  'core/service/hardware/self-tests.ts': 'a file of the home folder',
  'core/service/library-folders.ts': 'a file of the home folder',
  'core/service/log.ts': 'a file of the home folder',
  'core/service/preferences.ts': 'a file of the home folder',
  'core/service/models/copy-model.ts': 'a copy of what has been looked at',
  'core/service/models/export-model.ts': 'a copy of what has been looked at',
  'core/service/models/whole-folder.ts': 'what it has just written',
  'core/store/lock.ts': 'a copy of its own',
  'core/store/machine-key.ts': 'a file of the home folder',
  'core/store/process-birth.ts': 'what the system tells of processes',
  'core/store/backups.ts': 'a folder, so that its names reach the disk',
  'core/store/restore.ts': 'what it has looked at before',
};

const SOURCE_FOLDERS = ['core', 'electron', 'renderer', 'build', 'tests'];
export const MAX_LINES = 500;
/** Files that are longer, and why. */
export const LONGER: Readonly<Record<string, string>> = {};
const FORBIDDEN_NAMES = ['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'lib', 'shared'];
const SENTENCE = /^(\/\/ [\p{Lu}`"].*\.|\/\* [\p{Lu}`"].*\. \*\/|<!-- [\p{Lu}`"].*\. -->)$/u;
const KEBAB = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const PASCAL = /^([A-Z][a-z0-9]*)+$/; // a component is named as its tag is
const MAY_EXPORT_DEFAULT = /(\.config\.ts|^build\/.*-(reporter|setup)\.mjs)$/;

/** What a module asks for and hands out. */
interface Exchange {
  imports: { specifier: string; line: number }[];
  defaultExports: number[];
  reExports: number[];
}

/** Reads every static, dynamic and type import (and `require`) of a source text. */
function readExchange(name: string, text: string): Exchange {
  const script = name.endsWith('.vue')
    ? [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map((match) => match[1]).join('\n')
    : text;
  const source = ts.createSourceFile(
    name,
    script,
    ts.ScriptTarget.Latest,
    true,
    name.endsWith('.mjs') ? ts.ScriptKind.JS : ts.ScriptKind.TS,
  );
  const found: Exchange = { imports: [], defaultExports: [], reExports: [] };
  const imported = new Set<string>();
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
  const take = (node: ts.Node | undefined) => {
    if (node && ts.isStringLiteralLike(node)) found.imports.push({ specifier: node.text, line: lineOf(node) });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      take(node.moduleSpecifier);
      const clause = node.importClause;
      if (clause?.name) imported.add(clause.name.text);
      if (clause?.namedBindings) {
        if (ts.isNamespaceImport(clause.namedBindings)) imported.add(clause.namedBindings.name.text);
        else for (const element of clause.namedBindings.elements) imported.add(element.name.text);
      }
    } else if (ts.isExportDeclaration(node)) {
      take(node.moduleSpecifier);
      const names = node.exportClause && ts.isNamedExports(node.exportClause) ? node.exportClause.elements : [];
      if (node.moduleSpecifier || names.some((element) => imported.has((element.propertyName ?? element.name).text)))
        found.reExports.push(lineOf(node));
      if (names.some((element) => element.name.text === 'default')) found.defaultExports.push(lineOf(node));
    } else if (ts.isExportAssignment(node)) {
      found.defaultExports.push(lineOf(node));
    } else if (ts.isImportTypeNode(node)) {
      if (ts.isLiteralTypeNode(node.argument)) take(node.argument.literal);
    } else if (ts.isExternalModuleReference(node)) {
      take(node.expression);
    } else if (ts.isCallExpression(node)) {
      const loads =
        node.expression.kind === ts.SyntaxKind.ImportKeyword ||
        /^(require|require\.resolve|import\.meta\.resolve)$/.test(node.expression.getText(source));
      if (loads) take(node.arguments[0]);
    }
    if (
      ts.canHaveModifiers(node) &&
      ts.getModifiers(node)?.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)
    )
      found.defaultExports.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/**
 * The layer a path belongs to: `core/store/runs.ts` -> `core/store`, `core/errors.ts` -> `core/errors`,
 * `electron/main.ts` -> `electron`.
 */
function layerOf(path: string): string {
  const [top = '', second = ''] = path.split('/');
  return top === 'core' ? `core/${second.replace(/\.ts$/, '')}` : top;
}

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** Why `file` may not import `specifier`, or null when it may. */
function judgeImport(file: string, specifier: string): string | null {
  if (specifier.split('/').includes('..'))
    return `imports "${specifier}": write #core/… to cross a folder (#tests/… between tests)`;
  const layer = layerOf(file);
  const rules = LAYERS[layer];
  if (!rules) return null; // build and tests may use everything
  if (specifier.startsWith('./') || specifier.startsWith('#')) {
    if (specifier.startsWith('#') && !/^#(core|renderer|tests)\//.test(specifier))
      return `imports "${specifier}": only #core/… and #renderer/… are known`;
    const target = specifier.startsWith('./')
      ? join(dirname(file), specifier).replaceAll('\\', '/')
      : specifier.slice(1);
    if (!/\.(ts|vue|css|json|wasm|sql|txt)$/.test(target)) return `imports "${specifier}" without its file ending`;
    const other = layerOf(target);
    if (other !== layer) return rules.may.includes(other) ? null : `imports ${target}: ${layer} may not know ${other}`;
    const betweenRecipes = layer === 'core/recipes' && IS_RECIPE.test(target) && file !== TABLE_OF_RECIPES;
    return betweenRecipes ? `imports ${target}: only the table of recipes knows one` : null;
  }
  if (specifier.startsWith('node:'))
    return rules.node === false ? `imports ${specifier}: ${layer} does not know Node` : null;
  const home = HOMES[packageOf(specifier)];
  if (!home) return `imports the package "${specifier}", which has no home in the table`;
  return home === layer ? null : `imports "${specifier}", whose only home is ${home}`;
}

/** The first sentence of a file, which may go over several lines of a comment. */
function openingOf(lines: readonly string[]): string {
  const [first = '', ...rest] = lines[0]?.startsWith('#!') ? lines.slice(1) : lines;
  const close = first.startsWith('<!-- ') ? ' -->' : first.startsWith('/* ') ? ' */' : null;
  if (close !== null && !first.endsWith(close)) {
    const end = rest.findIndex((line) => line.endsWith(close));
    return [first, ...rest.slice(0, end + 1).map((line) => line.trim())].join(' ');
  }
  if (!first.startsWith('// ') || first.endsWith('.')) return first;
  const end = rest.findIndex((line) => line.endsWith('.') || !line.startsWith('// '));
  return [first, ...rest.slice(0, end + 1).map((line) => line.replace('// ', ''))].join(' ');
}

const linesOf = (text: string) => text.replace(/\n$/, '').split('\n');

/** Checks one file; `path` is relative to the root, with forward slashes. */
function judgeFile(path: string, text: string): string[] {
  const problems: string[] = [];
  const parts = path.split('/');
  const bare = parts.map((part) => part.replace(/(\.(test|spec|vite\.config|config|d))?\.(ts|mjs|vue|css)$/, ''));
  const odd = bare.find((part, i) => !(path.endsWith('.vue') && i === bare.length - 1 ? PASCAL : KEBAB).test(part));
  if (odd) problems.push(`${path}: "${odd}" is not ${path.endsWith('.vue') ? 'PascalCase' : 'kebab-case'}`);
  const vague = bare.find((part) => FORBIDDEN_NAMES.includes(part));
  if (vague) problems.push(`${path}: "${vague}" says nothing; name it after what is in it`);
  if (bare.at(-1) === 'index') problems.push(`${path}: no index files; import from the file itself`);
  if (parts[0] === 'core' && !LAYERS[layerOf(path)])
    problems.push(`${path}: ${layerOf(path)} has no row in the table of layers`);

  const lines = linesOf(text);
  if (lines.length > MAX_LINES && !Object.hasOwn(LONGER, path))
    problems.push(`${path}: ${lines.length} lines, the most is ${MAX_LINES}`);
  if (!SENTENCE.test(openingOf(lines)))
    problems.push(`${path}:1: does not open with a sentence ("// Does this and that.")`);
  for (const { kind, subject, line, problem } of judgeShape(path, text)) {
    const excused = { function: LONGER_FUNCTIONS, template: DEEPER_TEMPLATES, nesting: {}, width: {} }[kind];
    if (!Object.hasOwn(excused, subject)) problems.push(`${path}:${line}: ${problem}`);
  }

  if (path.endsWith('.css')) return problems;
  if (READS_FOREIGN.test(path) && !Object.hasOwn(OPENS_ITSELF, path))
    for (const { index } of text.matchAll(OPENS)) {
      const line = text.slice(0, index).split('\n').length;
      problems.push(`${path}:${line}: opens a file itself: core/regular-file.ts asks first what it is`);
    }
  const exchange = readExchange(path, text);
  for (const { specifier, line } of exchange.imports) {
    const problem = judgeImport(path, specifier);
    if (problem) problems.push(`${path}:${line}: ${problem}`);
  }
  if (!MAY_EXPORT_DEFAULT.test(path))
    for (const line of exchange.defaultExports) problems.push(`${path}:${line}: default export`);
  for (const line of exchange.reExports) problems.push(`${path}:${line}: re-export`);
  return problems;
}

/** The source files of a tree, relative to its root, with forward slashes. */
export function sourceFiles(root: string): string[] {
  const inFolders = SOURCE_FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
      (name) => `${folder}/${name.replaceAll('\\', '/')}`,
    ),
  );
  const files = [...readdirSync(root), ...inFolders];
  return files
    .filter(
      (path) =>
        /\.(ts|mjs|vue|css)$/.test(path) && !path.includes('node_modules/') && statSync(join(root, path)).isFile(),
    )
    .sort();
}

/** Every breach of the house rules in the tree, as "path:line: what is wrong"; empty when the house is kept. */
export function findViolations(root: string): string[] {
  return sourceFiles(root).flatMap((path) => judgeFile(path, readFileSync(join(root, path), 'utf8')));
}

/** Exceptions that nothing needs any more: of lists that are to become shorter. */
export function idleExceptions(root: string): string[] {
  const exceptions = [LONGER, LONGER_FUNCTIONS, DEEPER_TEMPLATES].flatMap((list) => Object.keys(list));
  return exceptions.filter((subject) => {
    const [path = ''] = subject.split(' ');
    const text = existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : '';
    const isLong = subject === path && linesOf(text).length > MAX_LINES;
    return !isLong && !judgeShape(path, text).some((excess) => excess.subject === subject);
  });
}
