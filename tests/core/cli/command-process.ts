// A process that runs one call of the command line after another, for whoever asks it (warm-command-line.ts): what most
// of a command's time goes into, starting Node and loading the program, happens once.

import { commandLine } from '#core/cli/main.ts';

export interface Asked {
  cwd: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}
export interface Answered {
  code: number;
  stdout: string;
  stderr: string;
}

type Name = 'stdout' | 'stderr';

/** Everything that `work` writes to a stream of this process. */
async function captured(work: () => Promise<void>): Promise<Record<Name, string>> {
  const said: Record<Name, string> = { stdout: '', stderr: '' };
  const streams = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const { write } = stream;
    stream.write = (piece: string | Uint8Array) => {
      said[name] += typeof piece === 'string' ? piece : Buffer.from(piece).toString();
      return true;
    };
    return () => void (stream.write = write);
  });
  await work().finally(() => streams.forEach((giveBack) => giveBack()));
  return said;
}

process.on('message', async ({ cwd, args, env }: Asked) => {
  process.chdir(cwd);
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  process.exitCode = 0;
  const said = await captured(() => commandLine(args));
  process.send!({ ...said, code: Number(process.exitCode) } satisfies Answered);
});
process.once('disconnect', () => process.exit());
