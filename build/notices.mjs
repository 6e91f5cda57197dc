// Writes THIRD-PARTY-NOTICES.txt: every package that is shipped, from the lock file and from what the window is built
// of, with its licence.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FILE = 'THIRD-PARTY-NOTICES.txt';
const LICENCE_FILE = /^(licen[cs]e|notice|copying)([-.].*)?$/i;
const MICROSOFT = 'Copyright (c) Microsoft Corporation';

/** Shipped programs that lie in no package of ours, and where their own texts lie in the application. */
const PROGRAMS = (versions) => [
  [
    'Node.js',
    versions.node,
    'MIT and others',
    'The program that runs the service and the jobs. Its licence, and those of what it is made of, lie beside it: resources/node/LICENSE.',
  ],
  [
    'Electron',
    versions.electron,
    'MIT',
    "The window's shell. Its licence lies beside the program: LICENSE.electron.txt.",
  ],
  [
    'Chromium',
    `as in Electron ${versions.electron}`,
    'BSD-3-Clause and others',
    'What shows the window. Its licences, and those of what it is made of (FFmpeg among them), lie beside the program: LICENSES.chromium.html.',
  ],
];
/** Packages that come without a licence file: the holder of their copyright, as their repository names it. */
const HOLDERS = { 'onnxruntime-node': MICROSOFT, 'onnxruntime-common': MICROSOFT };
const ALSO = {
  'better-sqlite3': 'It contains SQLite, which its authors have given to the public domain.',
  'onnxruntime-node':
    'What ONNX Runtime itself is made of is listed in ThirdPartyNotices.txt of its repository (https://github.com/microsoft/onnxruntime) at this version.',
};

const mit = (holder) => `MIT License

${holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const lockOf = () => JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;

/** Packages that the application carries as files: what is installed without development, the Nodes apart. */
export const packagesAsFiles = (lock) =>
  Object.entries(lock).flatMap(([place, { dev, devOptional, optional }]) =>
    place === '' || dev || devOptional || optional ? [] : [place],
  );

/** Packages whose code is in the built window. */
async function packagesInWindow() {
  const [{ build, mergeConfig }, { resolveConfig }] = await Promise.all([import('vite'), import('electron-vite')]);
  const { config } = await resolveConfig({ root }, 'build', 'production');
  const made = await build(mergeConfig(config.renderer, { build: { write: false, minify: false } }));
  const modules = [made]
    .flat()
    .flatMap(({ output }) => output)
    .flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []));
  const places = modules
    .map((id) => /^.*(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id.replaceAll('\\', '/'))?.[1])
    .filter(Boolean);
  return [...new Set(places)];
}

/** The licence texts of a package, without those of the same words. */
function textsOf(place, name) {
  const folder = join(root, place);
  const files = existsSync(folder)
    ? readdirSync(folder)
        .filter((file) => LICENCE_FILE.test(file))
        .sort()
    : [];
  if (files.length > 0)
    return files.map((file) => readFileSync(join(folder, file), 'utf8').replaceAll('\r\n', '\n').trim());
  if (HOLDERS[name]) return [mit(HOLDERS[name])];
  throw new Error(`${name} comes without a licence file: name the holder of its copyright in build/notices.mjs.`);
}

const LINE = '-'.repeat(80);

/** The whole text, the same for the same packages. */
export async function notices() {
  const lock = lockOf();
  const places = [...new Set([...packagesAsFiles(lock), ...(await packagesInWindow())])].sort();
  const versions = {
    node: readFileSync(join(root, '.nvmrc'), 'utf8').trim(),
    electron: lock['node_modules/electron'].version,
  };
  const packages = places.map((place) => {
    const name = place.replace(/^.*node_modules\//, '');
    const { version, license = JSON.parse(readFileSync(join(root, place, 'package.json'), 'utf8')).license } =
      lock[place] ?? {};
    return [
      `${name} ${version} (${license})`,
      ...(ALSO[name] ? [ALSO[name]] : []),
      '',
      textsOf(place, name).join('\n\n'),
    ].join('\n');
  });
  return [
    'What Tastemaker is shipped with and others have made. Made by `npm run notices` from package-lock.json and the built window.',
    '',
    ...PROGRAMS(versions).map(([name, version, licence, where]) => `${name} ${version} (${licence})\n${where}\n`),
    ...packages.flatMap((text) => [LINE, text, '']),
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await notices();
  if (!process.argv.includes('--check')) {
    writeFileSync(join(root, FILE), text);
    console.log(`Wrote ${FILE}.`);
  } else if (text !== readFileSync(join(root, FILE), 'utf8')) {
    console.log(`${FILE} is out of date: run \`npm run notices\`.`);
    process.exitCode = 1;
  }
}
