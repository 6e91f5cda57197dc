// Where the base of a PEFT adapter is looked for, and what is refused.

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadArchitecture, loadCheckpoint, loadShared, openCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { ADAPTER_CONFIG, adapterBase } from '#core/formats/adapter-base.ts';
import { refusalOf } from './refusal.ts';
import { tinyModel, withAdapter } from './tiny-models.ts';
import { fresh, saved, changed, config } from './changed-adapters.ts';

afterEach(() => vi.unstubAllEnvs());

describe('where the base lies', () => {
  const words = tinyModel('llama');
  const at = (base: string, folder = fresh()) => saved(withAdapter(words, {}, { folder: base }), folder);

  test('a moved project finds it by the relative path', () => {
    const project = fresh();
    const moved = fresh();
    const base = saved(words, path.join(project, 'models/base'));
    const folder = at(base, path.join(project, 'runs/3/adapter'));
    const before = loadShared(folder);
    fs.renameSync(project, moved);
    const after = loadShared(path.join(moved, 'runs/3/adapter'));
    expect(after).toEqual({ ...before, adapter: { ...before.adapter!, base: path.join(moved, 'models/base') } });
    expect(config(path.join(moved, 'runs/3/adapter')).base_model_relative_path).toBe('../../../models/base');
  });

  test('a relative name is looked for from the adapter’s folder, and beside it', () => {
    const home = fresh();
    const base = saved(words, path.join(home, 'base'));
    const folder = at(base);
    const own = { base_model_relative_path: undefined };
    const place = (name: string, where: string) => {
      const copy = changed(folder, { config: { ...own, base_model_name_or_path: name } });
      const to = path.join(home, where);
      fs.cpSync(copy, to, { recursive: true });
      return adapterBase(to);
    };
    expect(place('../base', 'a')).toBe(base);
    expect(place('somebody/base', 'b')).toBe(base);
    expect(place('base', 'c')).toBe(base);
    expect(place(base, 'd/e')).toBe(base);
  });

  test('the hub’s cache: snapshots of links to blobs, the version of refs first', () => {
    const hub = fresh();
    const own = { base_model_relative_path: null };
    vi.stubEnv('HF_HUB_CACHE', hub);
    /** Laid out as huggingface_hub does it. */
    const cached = (name: string, version: string, model: Checkpoint) => {
      const repository = path.join(hub, `models--${name.replace('/', '--')}`);
      const snapshot = path.join(repository, 'snapshots', version);
      const whole = saved(model);
      for (const folder of ['refs', 'blobs', `snapshots/${version}`])
        fs.mkdirSync(path.join(repository, folder), { recursive: true });
      for (const file of fs.readdirSync(whole)) {
        fs.copyFileSync(path.join(whole, file), path.join(repository, 'blobs', `${version}-${file}`));
        fs.symlinkSync(`../../blobs/${version}-${file}`, path.join(snapshot, file));
      }
      return { refs: path.join(repository, 'refs'), snapshot };
    };
    const older = cached('somebody/base', 'aaa', tinyModel('llama', 8));
    const newer = cached('somebody/base', 'bbb', words);
    const short = cached('base', 'ccc', words);
    const adapter = at(saved(words));
    const named = (more: object) =>
      changed(adapter, { config: { ...own, base_model_name_or_path: 'somebody/base', ...more } });
    expect(adapterBase(named({})), 'no refs: some version').toBe(older.snapshot);
    fs.writeFileSync(path.join(newer.refs, 'main'), 'bbb\n');
    const folder = named({});
    expect(loadShared(folder)).toEqual(withAdapter(words, {}, { folder: newer.snapshot }));
    expect(loadCheckpoint(newer.snapshot), 'a snapshot is a model folder too').toEqual(words);
    fs.writeFileSync(path.join(newer.refs, 'v1'), 'aaa');
    expect(adapterBase(named({ revision: 'v1' }))).toBe(older.snapshot);
    expect(adapterBase(named({ revision: 'aaa' }))).toBe(older.snapshot);
    for (const revision of ['v2', '../../..', 'a\0b', 'x'.repeat(5000), null])
      expect(adapterBase(named({ revision })), String(revision).slice(0, 20)).toBe(newer.snapshot);
    expect(refusalOf(() => adapterBase(named({ revision: 7 }))).message, 'never as if it were absent').toContain(
      '"revision" is 7, not a text.',
    );
    expect(
      adapterBase(changed(adapter, { config: { ...own, base_model_name_or_path: 'base' } })),
      'a name without an owner',
    ).toBe(short.snapshot);
    expect(
      adapterBase(named({ base_model_name_or_path: saved(words) })),
      'a folder goes before the cache',
    ).not.toContain(hub);
    vi.stubEnv('HF_HUB_CACHE', undefined);
    vi.stubEnv('HF_HOME', path.dirname(hub));
    fs.symlinkSync(hub, path.join(path.dirname(hub), 'hub'));
    expect(fs.realpathSync(adapterBase(folder))).toBe(newer.snapshot);
  });

  test('a base that is gone, none at all, and adapters over adapters are refused', () => {
    const base = saved(words);
    const folder = at(base);
    const second = at(base);
    const over = changed(second, { config: { base_model_relative_path: undefined, base_model_name_or_path: folder } });
    for (const read of [loadCheckpoint, loadShared, loadArchitecture, openCheckpoint]) {
      expect(refusalOf(() => read(over))).toMatchObject({
        code: 'bad-model',
        message: `${over} is an adapter over ${folder}, which is an adapter itself.`,
      });
    }
    // some folders on the hub hold a config.json beside the adapter
    const circle = changed(second, { config: { base_model_relative_path: '.' } });
    fs.copyFileSync(path.join(base, 'config.json'), path.join(circle, 'config.json'));
    for (const read of [loadCheckpoint, loadArchitecture])
      expect(refusalOf(() => read(circle)).message).toBe(
        `${circle} is an adapter over ${circle}, which is an adapter itself.`,
      );
    fs.rmSync(base, { recursive: true });
    expect(refusalOf(() => loadCheckpoint(folder))).toMatchObject({
      code: 'bad-model',
      message: `${path.join(folder, ADAPTER_CONFIG)}: the base model ${JSON.stringify(base)} is not there.`,
    });
    vi.stubEnv('HF_HUB_CACHE', fresh());
    for (const name of [undefined, null, '', '..', 'somebody/base', 'a/b/c', 'nul\0', 'x'.repeat(5000)]) {
      const lost = changed(folder, { config: { base_model_relative_path: undefined, base_model_name_or_path: name } });
      expect(refusalOf(() => loadCheckpoint(lost)).message).toContain(
        `${path.join(lost, ADAPTER_CONFIG)}: the base model `,
      );
    }
    for (const [key, value] of [
      ['base_model_name_or_path', 7],
      ['base_model_name_or_path', ['base']],
      ['base_model_relative_path', { a: 1 }],
    ] as const) {
      const odd = changed(folder, { config: { base_model_relative_path: undefined, [key]: value } });
      expect(refusalOf(() => loadCheckpoint(odd)).message).toBe(
        `${path.join(odd, ADAPTER_CONFIG)}: "${key}" is ${JSON.stringify(value)}, not a text.`,
      );
    }
  });
});
