// Packs the application around a stand-in for Electron's folder, then runs service and a small training from the packed
// layout, offline.
import { execFileSync, fork } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AppState } from '#core/contract/app.ts';
import type { Reply, Request } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';

const place = mkdtempSync(join(tmpdir(), 'package-'));
const packed = join(place, 'out', `${process.platform}-unpacked`);
const resources = join(packed, 'resources');
const code = join(resources, 'app.asar.unpacked');

/** A folder that looks like Electron's to the packer: its names, without its 250 MB. */
function standIn(folder: string): void {
  mkdirSync(join(folder, 'resources'), { recursive: true });
  mkdirSync(join(folder, 'locales'));
  writeFileSync(join(folder, 'locales/en-US.pak'), '');
  for (const name of ['LICENSE', 'LICENSES.chromium.html', 'version']) writeFileSync(join(folder, name), '');
  writeFileSync(join(folder, 'electron'), '#!/bin/sh\nexit 0\n');
  chmodSync(join(folder, 'electron'), 0o755);
}

beforeAll(() => {
  standIn(join(place, 'electron'));
  const script = `const { packageApplication } = await import(${JSON.stringify(`file://${process.cwd()}/build/package.mjs`)}); await packageApplication({ dir: true, electronDist: ${JSON.stringify(join(place, 'electron'))}, output: ${JSON.stringify(join(place, 'out'))}, fuses: false });`;
  // no network: any attempt to fetch fails at once
  execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    stdio: 'pipe',
    env: {
      ...process.env,
      HTTPS_PROXY: 'http://127.0.0.1:9',
      HTTP_PROXY: 'http://127.0.0.1:9',
      https_proxy: 'http://127.0.0.1:9',
      http_proxy: 'http://127.0.0.1:9',
    },
  });
}, 180_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));

const filesBelow = (folder: string) => readdirSync(folder, { recursive: true, encoding: 'utf8' });

test('shell and window are in the archive, core and its packages beside it as files', () => {
  for (const file of [
    'app.asar',
    'app.asar.unpacked/core/service/main.ts',
    'app.asar.unpacked/core/runs/process.ts',
    'app.asar.unpacked/resources/demo/base/config.json',
    'app.asar.unpacked/package.json',
    'node/node',
  ]) {
    expect(existsSync(join(resources, file)), file).toBe(true);
  }
});

test('only this platform’s binaries are in it, no window libraries, no tests, no CUDA', () => {
  const files = filesBelow(code).map((name) => name.replaceAll('\\', '/'));
  const other = process.platform === 'win32' ? 'linux' : 'win32';
  expect(
    files
      .filter((name) => name.endsWith('.node'))
      .map((name) => name.split('/').slice(1, 2)[0])
      .sort(),
  ).toEqual(['better-sqlite3', 'onnxruntime-node', 'tokenizers']);
  expect(
    files.filter(
      (name) =>
        /\.(node|dll|exe|dylib|so(\.\d+)*)$/.test(name) && (name.includes(other) || /cuda|tensorrt/i.test(name)),
    ),
  ).toEqual([]);
  expect(
    files.filter(
      (name) =>
        /^node_modules\/(vue|electron|vite|vitest|typescript|reka-ui)\//.test(name) || name.endsWith('.test.ts'),
    ),
  ).toEqual([]);
  const megabytes = filesBelow(packed).reduce((sum, name) => sum + statSync(join(packed, name)).size, 0) / 1e6;
  expect(megabytes).toBeLessThan(300); // Node is half of it
});

test('licence, notices and the licences of what is carried along are in it', () => {
  for (const file of [
    'LICENSE.txt',
    'NOTICE',
    'THIRD-PARTY-NOTICES.txt',
    'resources/node/LICENSE',
    'LICENSES.chromium.html',
    'LICENSE.electron.txt',
  ])
    expect(existsSync(join(packed, file)), file).toBe(true);
  expect(readFileSync(join(packed, 'LICENSE.txt'), 'utf8')).toContain('Apache License');
  const modules = join(code, 'node_modules');
  const named = readFileSync('THIRD-PARTY-NOTICES.txt', 'utf8');
  const carried = readdirSync(modules)
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((own) => `${name}/${own}`) : [name],
    )
    .filter((name) => existsSync(join(modules, name, 'package.json')));
  expect(carried.length).toBeGreaterThan(8);
  for (const name of carried) {
    const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')) as { version: string };
    expect(named, name).toContain(`\n${name} ${version} (`);
    const own = readdirSync(join('node_modules', name)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file));
    expect(readdirSync(join(modules, name)), name).toEqual(expect.arrayContaining(own));
  }
});

test('the packed Node starts the packed service, which trains a small model in a packed job', async () => {
  const home = join(place, 'home');
  const service = fork(join(code, 'core/service/main.ts'), [], {
    execPath: join(resources, 'node/node'),
    cwd: place,
    env: { PATH: '', HOME: home, TASTEMAKER_HOME: home },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  let ids = 0;
  let project: string | null = null;
  const waiting = new Map<number, (reply: Reply) => void>();
  service.on('message', (message: Reply) => waiting.get(message.id)?.(message));
  const call = async <T>(name: string, args: unknown): Promise<T> => {
    const id = ++ids;
    const reply = await new Promise<Reply>((resolve) => {
      waiting.set(id, resolve);
      service.send({ id, call: name, args, project } satisfies Request);
    });
    if ('fault' in reply) throw new Error(`${name}: ${reply.fault.message}`);
    return reply.result as T;
  };
  try {
    const opened = (await call<AppState>('project.create', { folder: join(place, 'study.tastemaker'), demo: false }))
      .project;
    expect(opened?.name).toBe('study');
    project = opened!.id;
    const texts = join(place, 'texts.txt');
    writeFileSync(texts, 'The cat sat on the mat, and the dog sat on the cat.\n'.repeat(200));
    const { id } = await call<RunRow>('runs.start', {
      recipe: 'pretrain',
      config: { texts, vocabulary: 270, steps: 2, batch: 2, layers: 1, channels: 16, heads: 1, context: 32 },
      name: 'tiny',
    });
    let run: RunRow | undefined;
    for (
      const until = Date.now() + 120_000;
      Date.now() < until && run?.status !== 'done';
      await new Promise((next) => setTimeout(next, 200))
    ) {
      run = (await call<RunRow[]>('runs.list', {})).find((each) => each.id === id);
      expect(run?.status, run?.error ?? '').not.toBe('failed');
    }
    expect(run).toMatchObject({ status: 'done', error: null });
  } finally {
    const ended = new Promise((resolve) => service.once('exit', resolve));
    service.disconnect();
    await ended;
  }
}, 180_000);
