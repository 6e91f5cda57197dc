// How electron-vite builds the application's three bundles into out/app, and serves the window while it is worked on.
//
// core is in none of them: service and jobs run from its files, in a checkout as in an installed application.
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import vue from '@vitejs/plugin-vue';
import { defineConfig } from 'electron-vite';

const root = import.meta.dirname;
/** The text of the third-party notices, for the window to import. */
const notices = {
  name: 'notices',
  enforce: 'pre' as const,
  resolveId: (id: string) => (id === '#renderer/third-party-notices.txt' ? '\0notices' : null),
  load(id: string) {
    if (id !== '\0notices') return null;
    return `export const notices = ${JSON.stringify(readFileSync(join(root, 'THIRD-PARTY-NOTICES.txt'), 'utf8'))};`;
  },
};
/** Main and preload are one CommonJS file each, which is what a sandboxed preload may be. */
const oneFile = (entry: 'main' | 'preload') => ({
  publicDir: false as const,
  logLevel: 'warn' as const,
  build: {
    outDir: join(root, 'out/app', entry),
    target: 'node24',
    externalizeDeps: false,
    rolldownOptions: {
      input: join(root, 'electron', `${entry}.ts`),
      output: { format: 'cjs' as const, entryFileNames: '[name].cjs', codeSplitting: false },
    },
  },
});
/** As strict as what is shipped, but for the styles and the socket of hot reload. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export default defineConfig({
  main: oneFile('main'),
  preload: oneFile('preload'),
  renderer: {
    root: join(root, 'renderer'),
    base: './',
    publicDir: false,
    cacheDir: join(root, 'out/dev-cache'),
    plugins: [vue(), notices],
    define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
    logLevel: 'warn',
    server: {
      host: '127.0.0.1',
      port: 7338,
      headers: { 'content-security-policy': POLICY },
      fs: { allow: [join(root, 'renderer'), join(root, 'core'), realpathSync(join(root, 'node_modules'))] },
    },
    build: {
      outDir: join(root, 'out/app/renderer'),
      emptyOutDir: true,
      target: 'chrome138',
      sourcemap: false,
      assetsInlineLimit: 0, // the policy allows no inline scripts or styles
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2000,
      rolldownOptions: { input: join(root, 'renderer/index.html'), checks: { pluginTimings: false } },
    },
  },
});
