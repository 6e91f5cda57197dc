// Holds the source tree to the house rules, and the check itself to a tree where every rule is broken.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { falseClaims, LIMITS } from './architecture-claims.ts';
import { findViolations, HOMES, idleExceptions, LAYERS, OPENS_ITSELF, sourceFiles } from './architecture.ts';

describe('this tree', () => {
  test('is found', () => {
    expect(sourceFiles(process.cwd())).toEqual(
      expect.arrayContaining(['core/errors.ts', 'build/start.mjs', 'tests/architecture.test.ts', 'vitest.config.ts']),
    );
  });

  test('keeps the house rules', () => {
    expect(findViolations(process.cwd())).toEqual([]);
  });

  test('every exception from a limit is needed', () => {
    expect(idleExceptions(process.cwd())).toEqual([]);
  });

  test('is as ARCHITECTURE.md says', () => {
    expect(falseClaims(readFileSync('ARCHITECTURE.md', 'utf8'), process.cwd())).toEqual([]);
  });

  test('every file that is said to open one itself is there', () => {
    expect(Object.keys(OPENS_ITSELF).filter((path) => !sourceFiles(process.cwd()).includes(path))).toEqual([]);
  });

  test('the layers only point downward', () => {
    const order = Object.keys(LAYERS);
    for (const [layer, { may }] of Object.entries(LAYERS)) {
      for (const other of may) expect(order.indexOf(other), `${layer} -> ${other}`).toBeLessThan(order.indexOf(layer));
      for (const other of may) expect(order, `${layer} -> ${other}`).toContain(other);
    }
    for (const home of Object.values(HOMES)) expect(order).toContain(home);
  });
});

const HEAD = '// Does one thing.\n';
const statements = (count: number) => '  a();\n'.repeat(count);
const view = (template: string) => `<!-- Shows. -->\n<template>\n${template}\n</template>\n`;
const boxes = (depth: number) => `${'<div>'.repeat(depth)}${'</div>'.repeat(depth)}`;

/** What is planted -> a part of the complaint it must cause. */
const PLANTED: Readonly<Record<string, [path: string, text: string, complaint: string]>> = {
  'an upward import': [
    'core/autodiff/a.ts',
    "import { x } from '#core/runs/folder.ts';",
    'core/autodiff may not know core/runs',
  ],
  'an upward type import': [
    'core/store/a.ts',
    "import type { X } from '#core/models/gpt.ts';",
    'core/store may not know core/models',
  ],
  'an upward dynamic import': [
    'core/formats/a.ts',
    "const x = await import('#core/store/runs.ts');",
    'core/formats may not know core/store',
  ],
  'an upward import inside a type': [
    'core/tokenizer/a.ts',
    "export type X = import('#core/store/runs.ts').Run;",
    'core/tokenizer may not know core/store',
  ],
  'an upward import in a subfolder': [
    'core/autodiff/ops/a.ts',
    "import { x } from '#core/training/adamw.ts';",
    'core/autodiff may not know core/training',
  ],
  'a core file that knows the window': ['core/cli/a.ts', "import { x } from 'vue';", 'whose only home is renderer'],
  'a sideways import of leaves': [
    'core/errors.ts',
    "import type { Split } from '#core/contract/prompts.ts';",
    'core/errors may not know core/contract',
  ],
  'a sideways import by ./': [
    'core/random.ts',
    "import { x } from './errors.ts';",
    'core/random may not know core/errors',
  ],
  'a leaf that knows Node': [
    'core/contract/runs.ts',
    "import { join } from 'node:path';",
    'core/contract does not know Node',
  ],
  'a package outside its home': [
    'core/runs/a.ts',
    "import Database from 'better-sqlite3';",
    'whose only home is core/store',
  ],
  'a file of a package outside its home': [
    'core/models/a.ts',
    "import { x } from 'onnxruntime-node/dist/x.js';",
    'whose only home is core/autodiff',
  ],
  'a required package': ['core/demo/a.ts', "const x = require('tokenizers');", 'whose only home is core/tokenizer'],
  'a package without a home': ['core/store/a.ts', "import _ from '@some/package';", 'has no home in the table'],
  'an unprefixed module of Node': ['core/store/a.ts', "import fs from 'fs';", 'has no home in the table'],
  'a folder without a row': ['core/plugins/a.ts', '', 'core/plugins has no row'],
  'a reader that opens a file itself': [
    'core/formats/a.ts',
    "const text = fs.readFileSync(file, 'utf8');",
    'core/regular-file.ts asks first',
  ],
  'a reader that opens a stream': [
    'core/service/models/a.ts',
    'const lines = fs.createReadStream(file);',
    'core/regular-file.ts asks first',
  ],
  'two dots': ['core/store/a.ts', "import { x } from '../errors.ts';", 'to cross a folder'],
  'two dots in the middle': ['core/store/a.ts', "import { x } from './inner/../../errors.ts';", 'to cross a folder'],
  'two dots in a test': ['tests/core/a.test.ts', "import { x } from '../../core/errors.ts';", 'to cross a folder'],
  'an import without its ending': ['core/store/a.ts', "import { x } from './runs';", 'without its file ending'],
  'a recipe that knows a recipe': [
    'core/recipes/policy.ts',
    "import { x } from './sample.ts';",
    'only the table of recipes knows one',
  ],
  'a part that knows a recipe': [
    'core/recipes/parts/held-out.ts',
    "import { x } from '#core/recipes/reward.ts';",
    'only the table of recipes knows one',
  ],
  'no opening sentence': ['core/store/a.ts', 'export const x = 1;\n', 'does not open with a sentence'],
  'an opening of two lines without a full stop': [
    'core/store/a.ts',
    '// Does things\n// and more\nexport const x = 1;\n',
    'does not open with a sentence',
  ],
  'an opening without a full stop': [
    'core/store/a.ts',
    '// does things\nexport const x = 1;\n',
    'does not open with a sentence',
  ],
  'a long file': ['core/store/a.ts', 'export {};\n'.repeat(500), '501 lines'],
  'a long test': ['tests/core/a.test.ts', 'export {};\n'.repeat(500), '501 lines'],
  'a long build script': ['build/a.mjs', 'export {};\n'.repeat(500), '501 lines'],
  'a long function': ['core/store/a.ts', `function x() {\n${statements(79)}}\n`, 'x has 81 lines'],
  'a long function that a name is given': [
    'build/a.mjs',
    `export const x = kept(() => {\n${statements(79)}});\n`,
    'x has 81 lines',
  ],
  'a long method': ['core/store/a.ts', `export const x = {\n  y() {\n${statements(79)}  },\n};\n`, 'y has 81 lines'],
  'a long function of a view': [
    'renderer/views/AView.vue',
    `<!-- Shows. -->\n<script setup lang="ts">\nfunction x() {\n${statements(79)}}\n</script>\n`,
    'AView.vue:4: x has 81 lines',
  ],
  'a long test in a describe': [
    'tests/core/a.test.ts',
    `describe('x', () => {\ntest('y', () => {\n${statements(79)}});\n});\n`,
    "test 'y' has 81 lines",
  ],
  'deep statements': [
    'core/store/a.ts',
    'function x() {\n  for (;;) if (a) while (b) { try { if (c) d(); } finally { e(); } }\n}\n',
    'statements nest 5 deep',
  ],
  'a deep template': ['renderer/views/AView.vue', view(boxes(7)), 'nests 7 deep'],
  'a deep template with a table': [
    'renderer/views/AView.vue',
    view(`<div><div><div><table><tbody><tr><td>${boxes(2)}</td></tr></tbody></table></div></div></div>`),
    'nests 7 deep',
  ],
  'a wide line': ['core/store/a.ts', `export const x = ${'1 + '.repeat(30)}1;\n`, '2: 139 columns'],
  'a wide comment': ['core/store/a.ts', `// ${'word '.repeat(30)}\n`, '153 columns'],
  'a wide line of two texts': [
    'core/store/a.ts',
    `export const x = ['${'x'.repeat(125)}', '${'y'.repeat(125)}'];\n`,
    '276 columns',
  ],
  'a wide style sheet': ['renderer/styles/a.css', `p { margin: ${'0 '.repeat(60)} }\n`, '134 columns'],
  'a wide element': [
    'renderer/views/AView.vue',
    view(`<p ${Array.from({ length: 20 }, (_, i) => `a${i + 10}="b"`).join(' ')} />`),
    '165 columns',
  ],
  'a vague name': ['core/store/utils.ts', '', '"utils" says nothing'],
  'a vague folder': ['core/store/common/runs.ts', '', '"common" says nothing'],
  'a camel-case name': ['core/store/trainReward.ts', '', 'not kebab-case'],
  'an underscore': ['tests/core/train_reward.test.ts', '', 'not kebab-case'],
  'an index': ['core/store/index.ts', '', 'no index files'],
  'a default function': ['core/store/a.ts', 'export default function x() {}', 'default export'],
  'a default value': ['core/store/a.ts', 'export default 1;', 'default export'],
  'a renamed default': ['core/store/a.ts', 'const x = 1;\nexport { x as default };', 'default export'],
  'a window that knows the store': [
    'renderer/views/AView.vue',
    '<!-- Shows. -->\n<script setup lang="ts">\nimport { x } from \'#core/store/runs.ts\';\n</script>\n',
    'renderer may not know core/store',
  ],
  'a window that knows Node': [
    'renderer/views/AView.vue',
    '<!-- Shows. -->\n<script setup lang="ts">\nimport { x } from \'node:fs\';\n</script>\n',
    'renderer does not know Node',
  ],
  'a view without an opening sentence': [
    'renderer/views/AView.vue',
    '<template><p /></template>\n',
    'does not open with a sentence',
  ],
  'a view in kebab-case': ['renderer/views/a-view.vue', '', 'not PascalCase'],
  'a style sheet without an opening sentence': [
    'renderer/styles/a.css',
    'p { margin: 0 }\n',
    'does not open with a sentence',
  ],
  'a shell with logic of the core': [
    'electron/a.ts',
    "import { x } from '#core/runs/start.ts';",
    'electron may not know core/runs',
  ],
  'a host that knows the service': [
    'core/host/a.ts',
    "import { x } from '#core/service/service.ts';",
    'core/host may not know core/service',
  ],
  'a re-export': ['core/store/a.ts', "export { x } from './runs.ts';", 're-export'],
  'a re-export of everything': ['core/store/a.ts', "export * from './runs.ts';", 're-export'],
  'a re-export in two steps': ['core/store/a.ts', "import { x } from './runs.ts';\nexport { x };", 're-export'],
};

const KEPT: Readonly<Record<string, [path: string, text: string]>> = {
  'a downward import': [
    'core/recipes/policy.ts',
    "import { x } from '#core/training/estimators.ts';\nimport { y } from './recipe.ts';",
  ],
  'the home of a package': [
    'core/store/database.ts',
    "import Database from 'better-sqlite3';\nimport { join } from 'node:path';\nimport './runs.ts';",
  ],
  'a folder below a layer': [
    'core/autodiff/ops/linalg.ts',
    "import { x } from '#core/autodiff/graph.ts';\nimport { y } from './movement.ts';",
  ],
  'a view': [
    'renderer/views/AView.vue',
    "<!-- Shows. -->\n<script setup lang=\"ts\">\nimport { ref } from 'vue';\nimport { call } from '#renderer/api.ts';\nimport type { Run } from '#core/contract/runs.ts';\n</script>\n",
  ],
  'a style sheet': ['renderer/styles/a.css', '/* Colours. */\np { margin: 0 }\n'],
  'a function of 80 lines': ['core/store/a.ts', `function x() {\n${statements(78)}}\n`],
  'a long describe of short tests': [
    'tests/core/a.test.ts',
    `describe.each([1])('x', () => {\n${"  test('y', () => {\n    a();\n  });\n".repeat(30)}});\n`,
  ],
  'statements 4 deep, and as many in a function of theirs': [
    'core/store/a.ts',
    'for (;;) if (a) b(); else if (c) d(); else for (;;) while (e) f(() => { if (g) for (;;) while (h) if (i) j(); });\n',
  ],
  'a template 6 deep, with parts that draw nothing': [
    'renderer/views/AView.vue',
    view(`<MenuRoot><MenuPortal><table><tbody><tr><td>${boxes(4)}</td></tr></tbody></table>\n</MenuPortal></MenuRoot>`),
  ],
  'lines that one text makes wide': [
    'core/store/a.ts',
    `export const x = '${'x'.repeat(130)}';\nexport const y = \`\n${'y'.repeat(130)} ${'$'}{x}\`;\n` +
      `export const z = /${'z'.repeat(130)}/;\n`,
  ],
  'an attribute and a text that make a view wide': [
    'renderer/views/AView.vue',
    view(`<p title="${'x'.repeat(120)}">\n${'word '.repeat(30)}\n</p>`),
  ],
  'a view whose sentence goes over two lines': [
    'renderer/views/AView.vue',
    '<!-- Shows this\n     and that. -->\n<template><p /></template>\n',
  ],
  'a test': ['tests/core/store/runs.test.ts', "import { x } from '#core/store/runs.ts';\nimport fc from 'fast-check';"],
  'a configuration': ['some.config.ts', 'export default {};'],
  'the word import in a text': ['core/store/a.ts', `const x = "import y from '../z'"; // import('../z')`],
};

describe('the check', () => {
  let root = '';
  beforeEach(() => void (root = mkdtempSync(join(tmpdir(), 'architecture-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const plant = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };

  test.each(Object.entries(PLANTED))('catches %s', (_, [path, text, complaint]) => {
    plant(path, complaint.includes('sentence') ? text : HEAD + text);
    const found = findViolations(root);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(path);
    expect(found[0]).toContain(complaint);
  });

  test.each(Object.entries(KEPT))('lets %s pass', (_, [path, text]) => {
    plant(path, HEAD + text);
    expect(findViolations(root)).toEqual([]);
  });

  test('accepts 500 lines, a sentence under #!, and one of several lines', () => {
    plant('core/store/a.ts', HEAD + 'export {};\n'.repeat(499));
    plant('build/a.mjs', `#!/usr/bin/env node\n${HEAD}`);
    plant('core/store/b.ts', '// Does one thing\n// and another.\nexport {};\n');
    expect(findViolations(root)).toEqual([]);
  });
});

/** A page that says nothing but what is so. */
const TRUE_PAGE = [
  'See `store/runs.ts`, `core/store/{runs,items}.ts`, `database.ts`, `node build/start.mjs`, `core/demo/`, `core/formats`.',
  '| folder | may know |',
  '|---|---|',
  ...Object.entries(LAYERS).map(([layer, { may }]) => {
    const homes = Object.keys(HOMES).filter((name) => HOMES[name] === layer);
    return `| ${layer} | ${may.join(', ') || 'nothing'}${homes.length > 0 ? ` (only home of ${homes.join(', ')})` : ''} |`;
  }),
  '',
  `${LIMITS}.`,
  '',
  '## How do I add …',
  '',
  '**an op.** One line.',
].join('\n');

/** What is written into it instead of something else -> the complaint it must cause. */
const FALSE_CLAIMS: Readonly<Record<string, [of: string | RegExp, instead: string, complaint: string]>> = {
  'a file of a folder': ['`store/runs.ts`', '`store/no-such.ts`', 'store/no-such.ts, which is not there'],
  'a file by its name alone': ['`database.ts`', '`no-such.ts`', 'no-such.ts, which is not there'],
  'one of several files': ['{runs,', '{runs,no-such,', 'core/store/no-such.ts, which is not'],
  'a file in a command': ['`node build/start.mjs`', '`node build/no-such.mjs`', 'build/no-such.mjs, which is not'],
  'a folder': ['`core/demo/`', '`core/no-such/`', 'core/no-such/, which is not there'],
  'a folder without its slash': ['`core/formats`', '`core/no-such`', 'core/no-such, which is not there'],
  'less than a layer may know': [
    'core/errors, core/random |',
    'core/errors |',
    'may know core/errors, core/random, the page',
  ],
  'more than a layer may know': ['electron | ', 'electron | core/store, ', 'core/store, core/supervisor'],
  'a row of no layer': ['| core/demo |', '| core/demo, no-such |', 'a row for core/no-such, which is no layer'],
  'a layer without a row': [/\| core\/demo .*\n/, '', 'has no row for core/demo'],
  'a home that is not': ['only home of ws', 'only home of vue, ws', 'core/host is home of ws, the page says vue, ws'],
  'a home untold': [' (only home of ws)', '', 'core/host is home of ws, the page says '],
  'an entry of nine lines': ['One line.', 'One line.\n'.repeat(9), 'the entry "**an op.** One line.'],
  'a limit': ['at most 500 lines', 'at most 600 lines', 'does not say: A file has at most 500 lines'],
};

describe('the check of ARCHITECTURE.md', () => {
  test('lets a true page pass, in its shorter ways of saying it, too', () => {
    expect(falseClaims(TRUE_PAGE, process.cwd())).toEqual([]);
    const shorter = TRUE_PAGE.replace(
      /\| core\/cli \|.*/,
      '| core/cli (all of it) | everything above; not the window |',
    )
      .replace('| core/spelling | nothing |\n', '')
      .replace('| core/random |', '| core/random, spelling |')
      .replace('`store/runs.ts`', '`core/recipes/something.ts`, `runs/<id>/`, `a.b()`, `status.json`');
    expect(falseClaims(shorter, process.cwd())).toEqual([]);
  });

  test.each(Object.entries(FALSE_CLAIMS))('catches %s', (_, [of, instead, complaint]) => {
    const changed = TRUE_PAGE.replace(of, instead);
    expect(changed).not.toBe(TRUE_PAGE);
    const found = falseClaims(changed, process.cwd());
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(complaint);
  });
});
