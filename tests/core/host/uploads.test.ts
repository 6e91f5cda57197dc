// What was uploaded to a host that was killed goes when the next one starts; what belongs to one that lives stays.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createUploads } from '#core/host/uploads.ts';

test('uploads of a dead host are swept, those of a living one are not', () => {
  const { pid: dead } = spawnSync(process.execPath, ['-e', '0']);
  const folders = [
    `tastemaker-upload-${dead}-aBcDeF`,
    `tastemaker-upload-${process.pid}-gHiJkL`,
    'tastemaker-upload-notours',
  ].map((name) => join(tmpdir(), name));
  for (const folder of folders) {
    mkdirSync(join(folder, '1'), { recursive: true });
    writeFileSync(join(folder, '1', 'prompts.jsonl'), '{}');
  }
  try {
    createUploads().close();
    expect(folders.map((folder) => existsSync(folder))).toEqual([false, true, true]);
  } finally {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  }
});
