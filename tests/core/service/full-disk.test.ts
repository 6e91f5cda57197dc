// A disk that is full: a demo, a project, an import, an export and a backup are whole or gone, nothing stays locked,
// and all of it in a sentence.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkProject, openProject } from '#core/store/database.ts';
import { query } from '#core/store/project.ts';
import { openedService } from './opened-service.ts';
import type { CallFault } from './opened-service.ts';

const place = mkdtempSync(join(tmpdir(), 'full-disk-'));
const isSmall =
  process.platform === 'linux' && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', place]).status === 0;
const service = openedService();
afterAll(async () => {
  await service.remove();
  if (isSmall) spawnSync('umount', ['-l', place]);
  rmSync(place, { recursive: true, force: true });
});
const faultOf = async (work: Promise<unknown>) =>
  work.then(
    () => null,
    (error: unknown) => (error as CallFault).fault,
  );
const filler = join(place, 'filler');
/** Leaves so many bytes on the small disk. */
function leave(bytes: number): void {
  rmSync(filler, { force: true });
  const { bavail, bsize } = statfsSync(place);
  writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
}
const NAME = `a small disk${isSmall ? '' : ' (skipped: none can be mounted here)'}`;

test.runIf(isSmall)(`${NAME}: a demo that does not fit is gone, and so is a project`, async () => {
  for (const room of [40_000, 400_000, 1_500_000]) {
    leave(room);
    const before = readdirSync(place);
    expect(await faultOf(service.call('project.create', { folder: join(place, 'demo'), demo: true }))).toMatchObject({
      code: 'disk',
      message: expect.stringMatching(/full/),
    });
    expect(readdirSync(place)).toEqual(before); // nothing half made, nothing locked
  }
  leave(20_000);
  expect(await faultOf(service.call('project.create', { folder: join(place, 'plain'), demo: false }))).toMatchObject({
    code: 'disk',
  });
  expect(readdirSync(place)).toEqual(['filler']);
});

test.runIf(isSmall)(
  `${NAME}: an import that does not fit is taken back at once or at the next opening; exports and backups leave nothing`,
  async () => {
    leave(4_000_000);
    const folder = join(place, 'study.tastemaker');
    const file = join(service.home, 'many.jsonl');
    await service.call('project.create', { folder, demo: false });
    writeFileSync(
      file,
      Array.from({ length: 20_000 }, (_, i) =>
        JSON.stringify({ prompt: `Question number ${i} is a long one: ${'why '.repeat(40)}` }),
      ).join('\n'),
    );
    const fault = await faultOf(service.call('imports.run', { path: file, kind: 'prompts', map: {}, split: 'train' }));
    expect(fault).toMatchObject({ code: 'disk', message: expect.stringMatching(/full/) });
    await service.call('project.close', {});
    leave(60_000);
    // it may not even open on a full disk: in a sentence
    expect((await faultOf(service.call('project.open', { folder })))?.code ?? null).toBeOneOf([null, 'disk']);
    await service.call('project.close', {});
    rmSync(filler, { force: true });
    const { project } = await service.call('project.open', { folder });
    expect(project!.prompts.train).toBe(0);
    const opened = openProject(folder, { write: false });
    expect(query(opened, "SELECT name FROM settings WHERE name GLOB 'importing/*'").all()).toEqual([]);
    expect(checkProject(opened)).toEqual([]);
    opened.close();

    writeFileSync(
      file,
      Array.from({ length: 2000 }, (_, i) =>
        JSON.stringify({ prompt: `Question number ${i}: ${'why '.repeat(40)}` }),
      ).join('\n'),
    );
    await service.call('imports.run', { path: file, kind: 'prompts', map: {}, split: 'train' });
    leave(100_000);
    expect(
      await faultOf(
        service.call('data.export', { path: join(folder, 'exports', 'all.jsonl'), format: 'prompts', options: {} }),
      ),
    ).toMatchObject({ code: 'disk' });
    expect(readdirSync(join(folder, 'exports'))).toEqual([]);
    expect(await faultOf(service.call('project.backup', {}))).toMatchObject({ code: 'disk' });
    expect(readdirSync(join(folder, 'backups'))).toEqual([]);
    await service.call('project.close', {});
    rmSync(filler, { force: true });
    openProject(folder, { write: true }).close(); // not locked
    mkdirSync(join(place, 'fits'));
  },
);
