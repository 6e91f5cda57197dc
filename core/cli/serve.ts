// `tastemaker serve`: the workstation in a browser, from this machine or through an SSH tunnel.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AppState } from '#core/contract/app.ts';
import type { Reply } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import type { ErrorCode } from '#core/errors.ts';
import { startHost } from '#core/host/server.ts';
import type { Host } from '#core/host/server.ts';
import { homeFolder } from '#core/store/home-folder.ts';
import { openLog } from '#core/service/log.ts';
import { superviseService } from '#core/supervisor/supervisor.ts';
import type { Supervisor } from '#core/supervisor/supervisor.ts';
import { defineCommand, flag, text, wholeNumber } from './command.ts';
import { forTerminal } from './terminal.ts';
import { LIVING } from '#core/contract/runs.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const PATIENCE_MS = 2000;
const SAME_KEY_MS = 1000;
/** The program that opens an address, by platform. */
const OPENERS: Readonly<Record<string, readonly string[]>> = {
  linux: ['xdg-open'],
  darwin: ['open'],
  win32: ['cmd', '/c', 'start', ''],
};

const tellPerson = (sentence: string) => void process.stderr.write(forTerminal(`${sentence}\n`));

export const serveCommand = defineCommand({
  name: 'serve',
  words: [],
  sentence: 'Open the workstation in a browser; on another machine, through `ssh -L 7337:127.0.0.1:7337`.',
  options: {
    port: wholeNumber(
      null,
      [1, 65535],
      'Where to listen, on 127.0.0.1 only; 7337, or any free one where that is taken.',
    ),
    project: text('DIR', null, 'The project to open; the last one when left out.'),
    demo: flag('Where no project was ever opened, make the demo and open it.'),
    'no-open': flag('Only print the address.'),
  },
  run: async ({ options, json }) => {
    const home = homeFolder();
    const log = openLog(path.join(home, 'logs', 'host.log'));
    let host: Host | null = null;
    const service = superviseService({
      node: process.execPath,
      script: path.join(root, 'core', 'service', 'main.ts'),
      env: { ...process.env, TASTEMAKER_HOME: home },
      log,
      onNotice: (notice) => host?.broadcast(notice),
      onExit: tellPerson,
    });
    try {
      host = await startHost({
        port: options.port,
        windowFolder: path.join(root, 'out', 'app', 'renderer'),
        call: service.call,
        onWindows: service.watched,
        log,
      });
      await openFirst(service, options);
    } catch (error) {
      await host?.close();
      await service.close();
      throw error;
    }
    const asked = untilAsked();
    process.stdout.write(
      json
        ? `${JSON.stringify({ url: host.url, port: host.port, pid: process.pid })}\n`
        : `Tastemaker is at ${host.url}\n`,
    );
    if (!options['no-open']) openBrowser(host.urlForOnce());
    await asked;
    await tellOfRuns(service);
    await host.close();
    await service.close();
    return { data: undefined, lines: [] };
  },
});

/**
 * The project that was asked for (a failure ends the command), else the last one or the demo (a failure is told, and
 * Home shows).
 */
async function openFirst(
  service: Supervisor,
  { project, demo }: { project: string | null; demo: boolean },
): Promise<void> {
  const ask = (call: string, args: unknown) => service.call({ id: 0, call, args, project: null });
  if (project !== null) return void resultOf(await ask('project.open', { folder: path.resolve(project) }));
  const { preferences } = resultOf<AppState>(await ask('app.state', {}));
  const last = preferences.recent[0]?.folder;
  const made = path.join(os.homedir(), 'tiny-tldr.tastemaker'); // where the window's own button makes it
  const reply = last
    ? await ask('project.open', { folder: last })
    : !demo
      ? null
      : fs.existsSync(made)
        ? await ask('project.open', { folder: made })
        : await ask('project.create', { folder: made, demo: true });
  if (reply && 'fault' in reply) tellPerson(`${reply.fault.message} ${reply.fault.hint}`);
}

function resultOf<T>(reply: Reply): T {
  if ('result' in reply) return reply.result as T;
  throw new TastemakerError(reply.fault.code as ErrorCode, reply.fault.message, reply.fault.hint);
}

/** A browser that does not open is no error: the address has been printed. */
function openBrowser(url: string): void {
  const [file, ...first] = OPENERS[process.platform] ?? OPENERS.linux!;
  const failed = () => tellPerson('No browser could be opened from here; open the address yourself.');
  if (process.platform === 'linux' && !process.env.DISPLAY && !process.env.WAYLAND_DISPLAY) return failed();
  const child = spawn(file!, [...first, url], { stdio: 'ignore', detached: true });
  child.once('error', failed);
  child.once('exit', (code) => void (code && failed()));
  child.unref();
}

/**
 * Resolves at Ctrl-C or when the system asks us to end; at a second Ctrl-C we are gone at once (the same one may come
 * twice, from the terminal and from npm).
 */
function untilAsked(): Promise<void> {
  return new Promise((resolve) => {
    let asked = Infinity;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        if (signal === 'SIGINT' && Date.now() > asked + SAME_KEY_MS) process.exit(130);
        asked = Math.min(asked, Date.now());
        resolve();
      });
    }
  });
}

async function tellOfRuns(service: Supervisor): Promise<void> {
  const listed = async (): Promise<Reply> => {
    const { project } = resultOf<AppState>(await service.call({ id: 0, call: 'app.state', args: {}, project: null }));
    return service.call({ id: 0, call: 'runs.list', args: {}, project: project?.id ?? null });
  };
  const reply = await Promise.race([
    listed().catch(() => null),
    new Promise<null>((resolve) => setTimeout(() => resolve(null), PATIENCE_MS).unref()),
  ]);
  if (!reply || 'fault' in reply) return; // no project is open
  const going = (reply.result as RunRow[]).filter(({ status }) => LIVING.includes(status));
  const [queued, running] = [
    going.filter(({ status }) => status === 'queued'),
    going.filter(({ status }) => status !== 'queued'),
  ];
  for (const { id } of running) tellPerson(`Run ${id} goes on in the background; \`tastemaker serve\` shows it again.`);
  if (queued.length > 0)
    tellPerson(
      `${queued.map(({ id }) => id).join(', ')} wait${queued.length === 1 ? 's' : ''} until Tastemaker is opened again.`,
    );
}
