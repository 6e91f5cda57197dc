// What WebGPU needs of this machine, and whether it is there: without starting it, which only the self-test does.

import fs from 'node:fs';
import path from 'node:path';
import { askProgram } from './ask-program.ts';

export interface WebgpuState {
  /** `possible`: all that can be seen from outside is there; `software`: only a processor that plays a graphics card */
  state: 'possible' | 'software' | 'missing' | 'unsupported';
  /** files that tell Vulkan which drivers there are; empty where the system brings WebGPU's base itself */
  drivers: readonly string[];
  sentence: string;
  hint: string | null;
}

export interface WebgpuOptions {
  env?: NodeJS.ProcessEnv;
  platform?: string;
  /** where Vulkan drivers announce themselves; other folders in tests */
  announcements?: readonly string[];
}

/** Platforms for which onnxruntime-node 1.30 has WebGPU, and what it stands on there. */
const BASES: Readonly<Record<string, string>> = {
  'linux-x64': 'Vulkan',
  'darwin-arm64': 'Metal',
  'win32-x64': 'Direct3D 12',
  'win32-arm64': 'Direct3D 12',
};
const ANNOUNCEMENTS = [
  '/etc/vulkan/icd.d',
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/usr/local/etc/vulkan/icd.d',
];
const SOFTWARE = /lvp_|swiftshader/i;

export async function readWebgpu({
  env = process.env,
  platform = `${process.platform}-${process.arch}`,
  announcements = ANNOUNCEMENTS,
}: WebgpuOptions = {}): Promise<WebgpuState> {
  const base = BASES[platform];
  if (!base)
    return { state: 'unsupported', drivers: [], sentence: `ONNX Runtime has no WebGPU for ${platform}.`, hint: null };
  if (base !== 'Vulkan')
    return {
      state: 'possible',
      drivers: [],
      sentence: `WebGPU stands on ${base}, which the system brings.`,
      hint: null,
    };
  const named = env.VK_DRIVER_FILES || env.VK_ICD_FILENAMES;
  const drivers = (named ? named.split(path.delimiter) : announcements.flatMap(announced)).filter(
    (file) => file && fs.existsSync(file),
  );
  if (!(await hasLoader(env)))
    return {
      state: 'missing',
      drivers,
      sentence: 'The Vulkan loader (libvulkan.so.1), on which WebGPU stands, was not found.',
      hint: 'Install it: the package is called libvulkan1 (Debian, Ubuntu) or vulkan-loader (Fedora).',
    };
  if (drivers.length === 0)
    return {
      state: 'missing',
      drivers,
      sentence: 'No Vulkan driver was found for a graphics card.',
      hint: "Install the card's driver: mesa-vulkan-drivers for AMD and Intel, NVIDIA's own for NVIDIA.",
    };
  const names = drivers.map((file) => path.basename(file, '.json'));
  if (names.every((name) => SOFTWARE.test(name)))
    return {
      state: 'software',
      drivers,
      sentence: `Vulkan finds no graphics card, only one that the processor imitates (${names.join(', ')}).`,
      hint: 'It computes more slowly than the processor itself; install the driver of the graphics card.',
    };
  return {
    state: 'possible',
    drivers,
    sentence: `Vulkan is here, with ${drivers.length === 1 ? 'one driver' : `${drivers.length} drivers`}: ${names.join(', ')}.`,
    hint: null,
  };
}

function announced(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

async function hasLoader(env: NodeJS.ProcessEnv): Promise<boolean> {
  if (
    (env.LD_LIBRARY_PATH ?? '')
      .split(':')
      .some((folder) => folder && fs.existsSync(path.join(folder, 'libvulkan.so.1')))
  )
    return true;
  for (const program of ['ldconfig', '/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    const { outcome, code, stdout } = await askProgram(program, ['-p'], { env });
    if (outcome === 'ended' && code === 0) return stdout.includes('libvulkan.so.1');
  }
  return false;
}
