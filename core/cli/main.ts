// The command line: finds the command, runs it, prints its report, and turns errors into one sentence and an exit code.
//
// Exit codes: 0 done; 1 a mistake of ours (with its stack), or a check that found something; 2 bad input or a bad
// machine.

import { asFileError } from '#core/formats/file-access.ts';
import { TastemakerError } from '#core/errors.ts';
import { helpOf, parseCall } from './command.ts';
import type { Command } from './command.ts';
import { forTerminal, jsonForTerminal } from './terminal.ts';
import { VERSION } from '#core/version.ts';

/** Every command, loaded when it is named: `doctor` must start even where a package does not load. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  new: async () => (await import('./new.ts')).newCommand,
  'import prompts': async () => (await import('./import-prompts.ts')).importPromptsCommand,
  'import completions': async () => (await import('./import-completions.ts')).importCompletionsCommand,
  'import rankings': async () => (await import('./import-rankings.ts')).importRankingsCommand,
  'prompts unite': async () => (await import('./prompts.ts')).promptsUniteCommand,
  'export data': async () => (await import('./export-data.ts')).exportDataCommand,
  'export model': async () => (await import('./export-model.ts')).exportModelCommand,
  'export adapter': async () => (await import('./export-model.ts')).exportAdapterCommand,
  'model add': async () => (await import('./model.ts')).modelAddCommand,
  'model list': async () => (await import('./model.ts')).modelListCommand,
  sample: async () => (await import('./sample.ts')).sampleCommand,
  'label gold': async () => (await import('./label-gold.ts')).labelGoldCommand,
  'label rouge': async () => (await import('./label-rouge.ts')).labelRougeCommand,
  train: async () => (await import('./train.ts')).trainCommand,
  'train demo-base': async () => (await import('./train-demo-base.ts')).trainDemoBaseCommand,
  runs: async () => (await import('./runs.ts')).runsCommand,
  'run show': async () => (await import('./run.ts')).runShowCommand,
  'run resume': async () => (await import('./run.ts')).runResumeCommand,
  'run cancel': async () => (await import('./run.ts')).runCancelCommand,
  'run note': async () => (await import('./run-keeping.ts')).runNoteCommand,
  'run tag': async () => (await import('./run-keeping.ts')).runTagCommand,
  'run delete': async () => (await import('./run-keeping.ts')).runDeleteCommand,
  'run keep': async () => (await import('./run-keep.ts')).runKeepCommand,
  'run free': async () => (await import('./run-keeping.ts')).runFreeCommand,
  'inspect findings': async () => (await import('./inspect.ts')).inspectFindingsCommand,
  'inspect curve': async () => (await import('./inspect.ts')).inspectCurveCommand,
  'inspect compare': async () => (await import('./inspect-compare.ts')).inspectCompareCommand,
  'inspect lens': async () => (await import('./inspect-inside.ts')).inspectLensCommand,
  'inspect attribution': async () => (await import('./inspect-inside.ts')).inspectAttributionCommand,
  'inspect probes': async () => (await import('./inspect-probes.ts')).inspectProbesCommand,
  score: async () => (await import('./score.ts')).scoreCommand,
  logprobs: async () => (await import('./logprobs.ts')).logprobsCommand,
  generate: async () => (await import('./generate.ts')).generateCommand,
  demo: async () => (await import('./demo.ts')).demoCommand,
  serve: async () => (await import('./serve.ts')).serveCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
  'setup cuda': async () => (await import('./setup-cuda.ts')).setupCudaCommand,
  backup: async () => (await import('./backup.ts')).backupCommand,
  'backup list': async () => (await import('./backup.ts')).backupListCommand,
  'backup restore': async () => (await import('./backup.ts')).backupRestoreCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
};

const print = (lines: readonly string[]): void => {
  if (lines.length) process.stdout.write(`${forTerminal(lines.join('\n'))}\n`);
};

async function main(args: readonly string[]): Promise<void> {
  const [first = '--help'] = args;
  if (first === '--version') return print([VERSION]);
  if (['--help', '-h', 'help'].includes(first))
    return print(args.length > 1 && first === 'help' ? await helpOn(args.slice(1)) : await help());
  if (
    familyOf(first).length > 0 &&
    !Object.hasOwn(COMMANDS, first) &&
    args.length === 2 &&
    ['--help', '-h', 'help'].includes(args[1]!)
  )
    return print(await helpOn([first]));
  const { load, rest } = find(args);
  const command = await load();
  const { words, options, json, help: wanted, device } = parseCall(command, rest);
  if (wanted) return print(helpOf(command));
  const tell = (line: string) => void (json ? process.stderr : process.stdout).write(`${forTerminal(line)}\n`);
  if (command.computes && !(await (await import('./on-device.ts')).computeOn(device))) return;
  const report = await command.run({ words, options, json, tell });
  print(!json ? report.lines : report.data === undefined ? [] : [jsonForTerminal(report.data)]);
  process.exitCode = report.exitCode ?? 0;
}

/** The commands of two words that begin with this one. */
const familyOf = (first: string): string[] => Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `));

/** The help of a command, or of all that begin with a word. */
async function helpOn(args: readonly string[]): Promise<string[]> {
  const [first] = args;
  const family = familyOf(first!);
  if (args.length > 1 || family.length === 0 || Object.hasOwn(COMMANDS, first!)) return helpOf(await find(args).load());
  const commands = await Promise.all(family.map((name) => COMMANDS[name]!()));
  return [
    `The commands of "${first}":`,
    '',
    ...tableOf(commands),
    '',
    `\`tastemaker ${family[0]} --help\` says what one of them takes.`,
  ];
}

/** Commands with what each does. */
function tableOf(commands: readonly Command[]): string[] {
  const rows = commands.map((command) => ({
    left: [command.name, ...command.words].join(' '),
    right: command.sentence,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`);
}

/** The command of the longest name that the arguments begin with. */
function find(args: readonly string[]): { load: () => Promise<Command>; rest: readonly string[] } {
  for (const length of [2, 1]) {
    const name = args.slice(0, length).join(' ');
    if (Object.hasOwn(COMMANDS, name)) return { load: COMMANDS[name]!, rest: args.slice(length) };
  }
  const first = args[0]!;
  const names = Object.keys(COMMANDS);
  const family = familyOf(first);
  if (family.length && args.length === 1)
    throw new TastemakerError(
      'bad-argument',
      `"${first}" needs one more word.`,
      `The commands are: ${family.join(', ')}.`,
    );
  throw new TastemakerError(
    'bad-argument',
    `There is no command "${family.length ? args.slice(0, 2).join(' ') : first}".`,
    `The commands are: ${(family.length ? family : names).join(', ')}.`,
  );
}

async function help(): Promise<string[]> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  return [
    'Tastemaker: rank completions, train a reward model and a PPO policy, and see where the policy cheats.',
    '',
    'Usage: tastemaker COMMAND [options]',
    '',
    ...tableOf(commands),
    '',
    '`tastemaker COMMAND --help` says what a command takes; --json prints for machines; --version says which version this is.',
  ];
}

/** The operating system's refusals (a full disk, no permission) are bad luck with a file, not mistakes of ours. */
function asOurs(error: unknown): unknown {
  const { syscall, path: file, dest } = error as { syscall?: unknown; path?: unknown; dest?: unknown };
  return error instanceof Error && typeof syscall === 'string'
    ? asFileError(error, String(dest ?? file ?? 'A file'))
    : error;
}

/** One call of the command line, errors told too; what it comes to is `process.exitCode`. */
export async function commandLine(args: readonly string[]): Promise<void> {
  try {
    await main(args);
  } catch (caught) {
    const error = asOurs(caught);
    if (error instanceof TastemakerError)
      process.stderr.write(
        forTerminal(
          `Error: ${error.message
            .split('\n')
            .map((line) => line.trim())
            .filter(Boolean)
            .join(' ')}\nHint: ${[error.hint, error.atCommandLine].filter(Boolean).join(' ')}\n`,
        ),
      );
    else process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = error instanceof TastemakerError ? 2 : 1;
  }
}

if (import.meta.main) {
  // `tastemaker runs | head`
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  await commandLine(process.argv.slice(2));
}
