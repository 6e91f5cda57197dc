// Builds a small window in a tree of its own: once for the same sources, again when they change, and never half.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

type Ensured = { ok: boolean; built?: boolean; reason?: string };
const { ensureWindow } = (await import(join(process.cwd(), 'build/window.mjs'))) as {
  ensureWindow(root: string, say: (line: string) => void): Promise<Ensured>;
};

let root = '';
const said: string[] = [];
const ensure = () => ensureWindow(root, (line) => void said.push(line));
const write = (name: string, text: string) => writeFileSync(join(root, name), text);
const page = () => readFileSync(join(root, 'out/window/index.html'), 'utf8');

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'window-'));
  said.length = 0;
  for (const folder of ['renderer', 'build', 'core/contract', 'out'])
    mkdirSync(join(root, folder), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'), 'junction');
  cpSync('build/window.config.ts', join(root, 'build/window.config.ts'));
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

  write('renderer/App.vue', '<template><p>unclosed</template>\n');
  const broken = await ensure();
  expect(broken.ok).toBe(false);
  expect(broken.reason).toContain('App.vue');
  expect(page()).toBe(first);
  expect(readdirSync(join(root, 'out'))).toEqual(['window']);

  write('renderer/App.vue', '<template><p>again</p></template>\n');
  expect(await ensure()).toEqual({ ok: true, built: true });
  expect(page()).not.toBe(first);
  expect(existsSync(join(root, 'out/window/.stamp'))).toBe(true);
});
