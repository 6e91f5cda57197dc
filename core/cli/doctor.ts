// `tastemaker doctor`: what this machine has, whether the native packages load, what can compute, and whether a project
// is sound.

import os from 'node:os';
import { homeFolder } from '#core/store/home-folder.ts';
import { defineCommand, flag, text } from './command.ts';
import type { Report } from './command.ts';
import { sectionLines, selfTestLines } from './provider-lines.ts';

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
  sentence:
    'Say what this machine has, whether every package loads, what can compute, and (with --project) whether a project is sound.',
  options: {
    project: text('DIR', null, 'A project to check completely: pages, indexes, references.'),
    test: flag('Test now whether each device that is here computes what the processor does (up to a minute each).'),
  },
  run: async ({ options, tell }): Promise<Report> => {
    const packages = Object.fromEntries(
      await Promise.all(
        Object.entries(PACKAGES).map(async ([name, load]) => {
          try {
            await load();
            return [name, null] as const;
          } catch (error) {
            return [name, error instanceof Error ? error.message.split('\n')[0]! : String(error)] as const;
          }
        }),
      ),
    );
    const runtime = packages['onnxruntime-node'] === null ? await import('#core/autodiff/session.ts') : null;
    const project =
      options.project === null ? null : { folder: options.project, problems: await checkFolder(options.project) };
    const providers = packages['onnxruntime-node'] === null ? await lookAtProviders(options.test, tell) : [];
    const data = {
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      processor: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      threads: runtime?.processorThreads() ?? null,
      memory: os.totalmem(),
      free_memory: os.freemem(),
      onnxruntime: runtime?.runtimeVersion() ?? null,
      packages,
      providers,
      project,
    };
    // a graphics card that is missing, or parts for it, is no fault: the processor computes everything
    const failed = options.test && providers.some(({ self_test }) => self_test?.ok === false);
    const broken =
      failed ||
      Object.values(packages).some((problem) => problem !== null) ||
      providers.some(({ state }) => state === 'broken') ||
      (project?.problems.length ?? 0) > 0;
    return {
      data,
      exitCode: broken ? 1 : 0,
      lines: [
        `Node ${data.node} on ${data.platform}, ONNX Runtime ${data.onnxruntime ?? 'does not load'}`,
        `${data.processor}: ${data.cores} cores, ${(data.memory / GIB).toFixed(1)} GiB of memory, ${(data.free_memory / GIB).toFixed(1)} GiB free`,
        ...Object.entries(packages).map(
          ([name, problem]) => `${name}: ${problem === null ? 'loads' : `does not load: ${problem}`}`,
        ),
        ...providers.flatMap((section) => [...sectionLines(section), ...selfTestLines(section.self_test)]),
        ...(project
          ? [
              project.problems.length
                ? `${project.folder} has ${project.problems.length} problems:`
                : `${project.folder} is sound.`,
              ...project.problems.map((line) => `  ${line}`),
            ]
          : []),
      ],
    };
  },
});

/** What is there of each provider, with what its self-test said last; `test`: of those that can be tested, now. */
async function lookAtProviders(test: boolean, tell: (line: string) => void) {
  const { deviceFor, lookAtHardware, testDevice } = await import('#core/service/hardware/look.ts');
  const home = homeFolder();
  const look = await lookAtHardware({ home, hash: true });
  const sections = [];
  for (const section of look.sections) {
    const { state, selfTest, title } = look.found[section.provider].report;
    const testable = state !== 'missing' && state !== 'broken';
    if (test && testable) tell(`Testing: ${title} …`);
    sections.push({
      ...section,
      self_test: test && testable ? await testDevice(look, home, deviceFor(section.provider, 'auto')) : selfTest,
    });
  }
  return sections;
}

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
