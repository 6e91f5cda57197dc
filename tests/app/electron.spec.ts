// The real Electron, where its binary is: the window opens on the demo, and a ranking made in it is in the file.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { _electron, expect, test } from '@playwright/test';

const binary =
  process.env.TASTEMAKER_APP ??
  join(
    'node_modules/electron/dist',
    process.platform === 'win32'
      ? 'electron.exe'
      : process.platform === 'darwin'
        ? 'Electron.app/Contents/MacOS/Electron'
        : 'electron',
  );
test.skip(!existsSync(binary), `Electron's binary is not here (${binary}); \`npx install-electron\` fetches it`);

test('opens, makes the demo, and shows its first item', async () => {
  const home = mkdtempSync(join(tmpdir(), 'electron-'));
  const app = await _electron.launch({
    executablePath: binary,
    args: [...(process.env.TASTEMAKER_APP ? [] : ['.']), `--user-data-dir=${home}`],
    env: { ...process.env, TASTEMAKER_NODE: process.execPath } as Record<string, string>,
  });
  try {
    const window = await app.firstWindow();
    const complaints: string[] = [];
    window.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    await window.getByRole('button', { name: /demo/i }).first().click();
    await window.getByRole('link', { name: /label/i }).first().click();
    await expect(window.getByRole('article').first()).toBeVisible({ timeout: 60_000 });
    expect(await window.evaluate(() => ['require', 'process', 'module'].filter((name) => name in globalThis))).toEqual(
      [],
    );
    expect(complaints).toEqual([]);
  } finally {
    await app.close();
  }
});
