// Bundles the Electron shell: main and preload as one CommonJS file each, which is what a sandboxed preload may be.
import { join } from 'node:path';
import { build } from 'vite';

/** Writes out/electron/main.cjs and preload.cjs. */
export async function buildShell(root) {
  for (const entry of ['main', 'preload']) {
    await build({
      root,
      configFile: false,
      logLevel: 'warn',
      publicDir: false,
      build: {
        outDir: join(root, 'out/electron'),
        emptyOutDir: false,
        target: 'node24',
        minify: false,
        ssr: join(root, 'electron', `${entry}.ts`),
        rolldownOptions: {
          external: ['electron'],
          output: { format: 'cjs', entryFileNames: '[name].cjs', codeSplitting: false },
        },
      },
      ssr: { noExternal: true, external: ['electron'] },
    });
  }
}
