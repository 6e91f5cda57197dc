// `tastemaker doctor`: what this machine has, whether the native packages load, and whether a project is sound.

import os from 'node:os';
import { defineCommand, text } from './command.ts';
import type { Report } from './command.ts';

/** Loaded here only, so that the doctor can speak where one of them does not load. */
const PACKAGES: Readonly<Record<string, () => Promise<unknown>>> = {
  'onnxruntime-node': () => import('#core/autodiff/session.ts'),
  'better-sqlite3': () => import('#core/store/database.ts'),
  tokenizers: () => import('#core/tokenizer/tokenizer.ts'),
  papaparse: () => import('#core/formats/csv.ts'),
};
const GIB = 2 ** 30;

export const doctorCommand = defineCommand({
  name: 'doctor',
  words: [],
  sentence: 'Say what this machine has, whether every package loads, and (with --project) whether a project is sound.',
  options: { project: text('DIR', null, 'A project to check completely: pages, indexes, references.') },
  run: async ({ options }): Promise<Report> => {
    const packages = Object.fromEntries(await Promise.all(Object.entries(PACKAGES).map(async ([name, load]) => {
      try {
        await load();
        return [name, null] as const;
      } catch (error) {
        return [name, error instanceof Error ? error.message.split('\n')[0]! : String(error)] as const;
      }
    })));
    const runtime = packages['onnxruntime-node'] === null ? await import('#core/autodiff/session.ts') : null;
    const project = options.project === null ? null : { folder: options.project, problems: await checkFolder(options.project) };
    const data = {
      node: process.version, platform: `${process.platform}-${process.arch}`, processor: os.cpus()[0]?.model ?? 'unknown', cores: os.availableParallelism(), threads: runtime?.processorThreads() ?? null,
      memory: os.totalmem(), free_memory: os.freemem(), onnxruntime: runtime?.runtimeVersion() ?? null, packages, project,
    };
    const broken = Object.values(packages).some((problem) => problem !== null) || (project?.problems.length ?? 0) > 0;
    return {
      data, exitCode: broken ? 1 : 0,
      lines: [
        `Node ${data.node} on ${data.platform}, ONNX Runtime ${data.onnxruntime ?? 'does not load'}`,
        `${data.processor}: ${data.cores} cores, ${(data.memory / GIB).toFixed(1)} GiB of memory, ${(data.free_memory / GIB).toFixed(1)} GiB free`,
        ...Object.entries(packages).map(([name, problem]) => `${name}: ${problem === null ? 'loads' : `does not load: ${problem}`}`),
        ...(project ? [project.problems.length ? `${project.folder} has ${project.problems.length} problems:` : `${project.folder} is sound.`, ...project.problems.map((line) => `  ${line}`)] : []),
      ],
    };
  },
});

/** Read-only, so that a sick project is left as it is. */
async function checkFolder(folder: string): Promise<string[]> {
  const { checkProject, openProject } = await import('#core/store/database.ts');
  const project = openProject(folder, { write: false });
  try {
    return checkProject(project);
  } finally {
    project.close();
  }
}
