// Finds a WebGPU device that needs no graphics card: the Vulkan driver in software that Debian's Chromium carries.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FOLDERS = ['/usr/lib/chromium', '/usr/lib/chromium-browser'];

/** The environment in which the runtime's WebGPU provider finds that driver, or null where it is not there. */
export function softwareDevice() {
  const folder = FOLDERS.find((one) =>
    ['libvulkan.so.1', 'vk_swiftshader_icd.json'].every((file) => existsSync(join(one, file))),
  );
  if (!folder) return null;
  return {
    TASTEMAKER_DEVICE: 'webgpu',
    VK_ICD_FILENAMES: join(folder, 'vk_swiftshader_icd.json'),
    XDG_RUNTIME_DIR: mkdtempSync(join(tmpdir(), 'vulkan-')),
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
  };
}
