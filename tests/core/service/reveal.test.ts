// Opening folders in the file manager: only what is the project's or was exported, only folders, and a sentence without
// a display.

import fs from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { openFolder, revealHandlers, wroteFile } from '#core/service/reveal.ts';
import { createProject } from '#core/store/database.ts';
import { handled } from './handler-context.ts';
import { workFolder } from './projects-at-hand.ts';

const work = fs.realpathSync(workFolder());
afterEach(() => vi.unstubAllEnvs());

/** A file manager that writes down what it was given. */
function fileManager(): { seen(): Promise<string> } {
  const bin = fs.mkdtempSync(path.join(work, 'bin-'));
  const note = path.join(bin, 'note');
  fs.writeFileSync(
    path.join(bin, 'xdg-open'),
    `#!/bin/sh\nprintf '%s' "$*" > "${note}.new" && mv "${note}.new" "${note}"\n`,
    { mode: 0o755 },
  );
  vi.stubEnv('PATH', `${bin}${path.delimiter}${process.env.PATH}`);
  vi.stubEnv('DISPLAY', ':99');
  return { seen: () => vi.waitFor(() => fs.readFileSync(note, 'utf8'), { timeout: 5000 }) };
}

test.runIf(process.platform === 'linux')(
  'a folder of the project, the folder of a file, and what was exported',
  async () => {
    const project = createProject(path.join(work, 'p.tastemaker'));
    const { call } = handled(project, revealHandlers);
    const outside = path.join(work, 'elsewhere');
    const link = path.join(project.folder, 'models', 'link');
    fs.mkdirSync(outside);
    fs.symlinkSync(outside, link);
    for (const [shown, opened] of [
      [path.join(project.folder, 'exports'), path.join(project.folder, 'exports')],
      [path.join(project.folder, 'project.db'), project.folder],
    ] as const) {
      const { seen } = fileManager();
      await call('files.reveal', { path: shown });
      expect(await seen()).toBe(opened);
    }
    for (const place of [outside, link, path.join(project.folder, '..')])
      await expect(call('files.reveal', { path: place })).rejects.toMatchObject({
        code: 'bad-argument',
        message: expect.stringContaining('is neither in the project nor an export'),
      });
    await expect(call('files.reveal', { path: path.join(project.folder, 'gone') })).rejects.toMatchObject({
      code: 'bad-file',
    });
    wroteFile(outside);
    const { seen } = fileManager();
    await call('files.reveal', { path: outside });
    expect(await seen()).toBe(outside);
    project.close();
  },
);

test('without a display or a file manager there is a sentence that names the folder', async () => {
  await expect(openFolder('/some/folder', { platform: 'linux', env: {} })).rejects.toMatchObject({
    code: 'runtime',
    message: 'The machine that Tastemaker runs on has no display to open a folder on.',
    hint: 'The folder is /some/folder.',
  });
  await expect(
    openFolder('/some/folder', { platform: 'linux', env: { DISPLAY: ':0', PATH: work } }),
  ).rejects.toMatchObject({ code: 'runtime', message: 'The file manager (xdg-open) could not be started.' });
});
