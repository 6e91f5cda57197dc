// How Vite builds the window: one page, hashed files, nothing inline, for the Chromium that Electron brings.
import vue from '@vitejs/plugin-vue';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

export default defineConfig({
  configFile: false,
  root: join(root, 'renderer'),
  base: './',
  publicDir: false,
  plugins: [vue()],
  define: { __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false' },
  build: {
    outDir: join(root, 'out/window'),
    emptyOutDir: true,
    target: 'chrome138',
    sourcemap: false,
    assetsInlineLimit: 0, // the policy allows no inline scripts or styles
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  logLevel: 'warn',
});
