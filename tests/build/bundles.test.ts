// Builds a small shell and window in a tree of its own: once for the same sources, again when they change, never half.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

type Ensured = { ok: boolean; built?: boolean; reason?: string };
const { ensureBuilt, forgetBuilt } = (await import(join(process.cwd(), 'build/bundles.mjs'))) as {
  ensureBuilt(root: string, say: (line: string) => void): Promise<Ensured>;
  forgetBuilt(root: string): void;
};

let root = '';
const said: string[] = [];
const ensure = () => ensureBuilt(root, (line) => void said.push(line));
const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const page = () => readFileSync(join(root, 'out/app/renderer/index.html'), 'utf8');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'window-'));
  said.length = 0;
  for (const folder of ['renderer', 'electron', 'core/contract', 'out'])
    mkdirSync(join(root, folder), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'), 'junction');
  cpSync('electron.vite.config.ts', join(root, 'electron.vite.config.ts'));
  write(
    'electron/main.ts',
    "import { app } from 'electron';\nimport { calls } from '../core/contract/calls.ts';\nvoid app;\nvoid calls;\n",
  );
  write('electron/preload.ts', "import { ipcRenderer } from 'electron';\nvoid ipcRenderer;\n");
  write('package.json', '{ "type": "module" }');
  write('core/contract/calls.ts', '// Calls.\nexport const calls = 1;\n');
  write('renderer/index.html', '<!doctype html><title>t</title><script type="module" src="./main.ts"></script>');
  write('renderer/App.vue', '<template><p class="a">hello</p></template>\n<style>\n.a { color: red }\n</style>\n');
  write(
    'renderer/main.ts',
    "import { createApp } from 'vue';\nimport App from './App.vue';\ncreateApp(App).mount('body');\n",
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('builds when the sources say so, keeps what is whole when they are broken, puts nothing inline', async () => {
  expect(await ensure()).toEqual({ ok: true, built: true });
  expect(await ensure()).toEqual({ ok: true, built: false });
  expect(said).toHaveLength(1);
  const first = page();
  expect(first).toMatch(/<script type="module"[^>]* src="\.\/assets\/[^"]+-[\w-]+\.js"><\/script>/);
  expect(first).not.toMatch(/<style|<script[^>]*>[^<]|style=/);

  for (const name of ['main', 'preload']) {
    const bundle = readFileSync(join(root, `out/app/${name}/${name}.cjs`), 'utf8');
    expect([...bundle.matchAll(/require\("([^"]+)"\)/g)].map((match) => match[1])).toEqual(['electron']);
  }

  write('renderer/App.vue', '<template><p>unclosed</template>\n');
  const broken = await ensure();
  expect(broken.ok).toBe(false);
  expect(broken.reason).toContain('App.vue');
  expect(page()).toBe(first);
  expect(readdirSync(join(root, 'out'))).toEqual(['app']);

  write('renderer/App.vue', '<template><p>again</p></template>\n');
  expect(await ensure()).toEqual({ ok: true, built: true });
  expect(page()).not.toBe(first);

  forgetBuilt(root);
  expect(await ensure()).toEqual({ ok: true, built: true });
});
