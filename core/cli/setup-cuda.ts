// `tastemaker setup cuda`: brings the CUDA files beside ONNX Runtime and says which CUDA libraries are here and which
// are not.

import { TastemakerError } from '#core/errors.ts';
import { findLibraries } from '#core/hardware/cuda-libraries.ts';
import { PROVIDER_FILES, readCudaFiles, removeCudaFiles, runtimeFolder } from '#core/hardware/cuda-files.ts';
import { installCudaFiles } from '#core/hardware/install-cuda-files.ts';
import type { CudaSource } from '#core/hardware/install-cuda-files.ts';
import { readCards } from '#core/hardware/nvidia.ts';
import { describeProviders } from '#core/hardware/providers.ts';
import { homeFolder } from '#core/store/home-folder.ts';
import { readLibraryFolders, rememberLibraryFolders } from '#core/service/library-folders.ts';
import { defineCommand, flag, list, text } from './command.ts';
import type { Report } from './command.ts';
import { sectionLines } from './provider-lines.ts';

/** What only computing can show is shown by the self-test, which doctor runs. */
const NEXT = 'Now run `tastemaker doctor`: it says whether the graphics card can be used.';

export const setupCudaCommand = defineCommand({
  name: 'setup cuda',
  words: [],
  sentence: "Install ONNX Runtime's CUDA files on Linux (x64), and say which CUDA libraries are here or missing.",
  options: {
    wheel: text('FILE', null, 'Take the files out of this wheel of onnxruntime-gpu; needs no network.'),
    folder: text('DIR', null, 'Take the files from this folder; needs no network.'),
    download: flag('Fetch the wheel with pip (for CUDA 13; needs pip and the network).'),
    installer: flag("Run onnxruntime-node's own installer (for CUDA 12; needs the network)."),
    libraries: list('DIR', 'Also look for CUDA libraries in this folder, from now on; may be given several times.'),
    remove: flag('Take the CUDA files away again.'),
  },
  run: async ({ options, tell }): Promise<Report> => {
    const given = (['wheel', 'folder', 'download', 'installer', 'remove'] as const).filter((name) => options[name]);
    if (given.length > 1)
      throw new TastemakerError(
        'bad-argument',
        `--${given[0]} and --${given[1]} exclude each other.`,
        'Name one place to take the CUDA files from.',
      );
    if (options.remove) {
      const removed = removeCudaFiles();
      return {
        data: { removed },
        lines: [
          removed.length ? `Removed ${removed.join(' and ')} from ${runtimeFolder()}.` : 'There were no CUDA files.',
        ],
      };
    }
    const home = homeFolder();
    const folders = options.libraries.length
      ? rememberLibraryFolders(home, options.libraries)
      : readLibraryFolders(home);
    const source = await sourceOf(options, folders, tell);
    if (source) {
      tell(`This puts ${PROVIDER_FILES.join(' and ')} into ${runtimeFolder()}; nothing else on this machine changes.`);
      await installCudaFiles(source, tell);
    }
    const section = (await describeProviders({ folders })).find(({ provider }) => provider === 'cuda')!;
    return { data: { installed: source !== null, folders, cuda: section }, lines: [...sectionLines(section), NEXT] };
  },
});

interface Given {
  wheel: string | null;
  folder: string | null;
  download: boolean;
  installer: boolean;
  libraries: readonly string[];
}

/** What was asked for; else what fits this machine, or null where the files are here already. */
async function sourceOf(
  { wheel, folder, download, installer, libraries }: Given,
  folders: readonly string[],
  tell: (line: string) => void,
): Promise<CudaSource | null> {
  if (wheel) return { kind: 'wheel', file: wheel };
  if (folder) return { kind: 'folder', folder };
  if (download) return { kind: 'wheel' };
  if (installer) return { kind: 'installer' };
  const { state, sentence } = await readCudaFiles();
  if (state === 'ready' || (libraries.length && state === 'absent')) {
    tell(
      state === 'ready'
        ? 'The CUDA files are installed already; nothing to do for them.'
        : 'Only the folders were noted: say --download, --installer, --wheel FILE or --folder DIR to install the CUDA files.',
    );
    return null;
  }
  if (state !== 'unsupported') tell(sentence);
  const source = await fitting(folders);
  tell(
    source.kind === 'wheel'
      ? 'Choosing the files for CUDA 13, out of the wheel of onnxruntime-gpu.'
      : 'Choosing the files for CUDA 12, through the installer of onnxruntime-node.',
  );
  return source;
}

/** CUDA 13, unless the driver is too old for it, or only CUDA 12's libraries are all here. */
async function fitting(folders: readonly string[]): Promise<CudaSource> {
  const [{ cuda }, thirteen, twelve] = await Promise.all([
    readCards(),
    findLibraries(13, { folders }),
    findLibraries(12, { folders }),
  ]);
  const tooOld = cuda !== null && Number(cuda.split('.')[0]) < 13;
  return tooOld || (thirteen.missing.length > 0 && twelve.missing.length === 0)
    ? { kind: 'installer' }
    : { kind: 'wheel' };
}
