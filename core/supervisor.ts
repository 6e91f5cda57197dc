// Keeps the service alive: starts it, relays calls and answers, and starts another one when it dies, with the same
// project open.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mayAskAgain } from '#core/contract/calls.ts';
import type { AppState } from '#core/contract/app.ts';
import type { CallName } from '#core/contract/calls.ts';
import type { Fault, Notice, Reply, Request, Watched } from '#core/contract/messages.ts';
import { LONGEST_REQUEST, tooMuchToSend } from '#core/wire.ts';

export interface SupervisorOptions {
  /** the Node to run it with, and the script */
  node: string;
  script: string;
  /** TASTEMAKER_HOME says where preferences and logs lie; what would change Node itself is taken out */
  env: NodeJS.ProcessEnv;
  onNotice(notice: Notice): void;
  /** It died too often to be started again; the sentence says so. Every later call is answered with it. */
  onExit(sentence: string): void;
  /** one line for each death */
  log?(line: string): void;
}

export interface Supervisor {
  /** Never rejects. Ids are the caller's own: two callers may use the same one. */
  call(request: Request): Promise<Reply>;
  /** Says how many windows look on, to this service and to those that come after it. */
  watched(windows: number): void;
  /** Ends the service whole; its runs go on in processes of their own. */
  close(): Promise<void>;
  /** the process that answers now */
  pid(): number | null;
}

/** Calls whose answer says which project is open from now on; a later service opens that one. */
const OPENING: ReadonlySet<string> = new Set<CallName>([
  'project.open',
  'project.create',
  'project.restore',
  'project.saveCopy',
  'project.close',
]);

const MOST_DEATHS = 5;
const WITHIN_MS = 30_000;
const FIRST_DELAY_MS = 100;
const CLOSING_MS = 10_000;
const KEPT_OUTPUT = 2000;

interface Pending {
  call: string;
  args: unknown;
  project: string | null;
  deaths: number;
  answer(reply: Reply): void;
}

/** Starts the service at once; calls made while it is down wait for it. */
export function superviseService({
  node,
  script,
  env,
  onNotice,
  onExit,
  log = () => {},
}: SupervisorOptions): Supervisor {
  let child: ChildProcess | null = null;
  let isUp = false; // false until the project is open again
  let gaveUp: string | null = null;
  let closing: Promise<void> | null = null;
  let folder: string | null = null; // the project that is open
  let left: string | null = null; // one that is not opened again
  let reopenings = 0; // deaths while it was opened again
  let ids = 0;
  let windows = 0;
  let timer: NodeJS.Timeout | undefined;
  const deaths: number[] = [];
  const waiting: Pending[] = [];
  const sent = new Map<number, Pending>();

  function send(pending: Pending): void {
    const id = ++ids;
    const { call, args, project } = pending;
    sent.set(id, pending);
    try {
      // a failure to send is a death, which is told below
      child!.send({ id, call, args, project } satisfies Request, () => {});
    } catch (error) {
      // what cannot be written as JSON
      sent.delete(id);
      fail(pending, `"${call}" could not be asked: ${(error as Error).message}.`);
    }
  }

  const tellWindows = () => void (child?.connected && child.send({ windows } satisfies Watched, () => {}));

  function goOn(): void {
    isUp = true;
    if (windows > 0) tellWindows();
    for (const pending of waiting.splice(0)) send(pending);
  }

  function start(isRestart: boolean): void {
    isUp = false;
    const process = (child = spawn(node, ['--disable-warning=ExperimentalWarning', script], {
      env: plainEnvironment(env),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'json',
      windowsHide: true,
    }));
    let said = '';
    let ended: string | null = null;
    let hungUp = false;
    const over = () => {
      if (ended !== null && hungUp && child === process) died(ended, said);
    };
    process.stderr!.on('data', (data: Buffer) => (said = `${said}${data}`.slice(-KEPT_OUTPUT)));
    process.on('message', (message) => hear(message as Reply | Notice));
    process.once('disconnect', () => {
      hungUp = true; // every message it sent has been heard
      if (ended === null && !closing) process.kill('SIGKILL'); // alive without a channel: of no use
      over();
    });
    process.once('exit', (code, signal) => {
      ended = signal ? `was ended by ${signal}` : `ended with ${code}`;
      over();
    });
    process.once('error', (error) => {
      if (process.pid !== undefined) return; // a failed kill or send
      [ended, hungUp] = [`could not be started: ${error.message}`, true];
      over();
    });
    if (!isRestart) goOn();
    else if (folder === null) again(null);
    else send({ call: 'project.open', args: { folder }, project: null, deaths: 0, answer: again });
  }

  /** After a death: another one is up, and has (or has not) opened the project. */
  function again(opened: Reply | null): void {
    const problem =
      opened && 'fault' in opened ? opened.fault.message : left && `Opening ${left} stopped the service again.`;
    left = null;
    reopenings = 0;
    if (problem) folder = null;
    if (!child?.connected) return; // it could not even be started
    goOn();
    onNotice({
      event: 'service.restarted',
      project: null,
      data: {
        sentence: `The service stopped and was started again; what was saved is saved.${problem ? ` The project could not be opened again: ${problem}` : ''}`,
      },
    });
  }

  function hear(message: Reply | Notice): void {
    if ('event' in message) return onNotice(message);
    const pending = sent.get(message.id);
    if (!pending) return;
    sent.delete(message.id);
    if ('result' in message) {
      if (OPENING.has(pending.call)) folder = (message.result as AppState).project?.folder ?? null;
    }
    pending.answer(message);
  }

  function died(how: string, said: string): void {
    child = null;
    isUp = false;
    const open = [...sent.values()];
    sent.clear();
    if (closing) return open.forEach((pending) => fail(pending, 'Tastemaker is closing.'));
    log(`The service ${how}.${said.trim() ? ` It said: ${linesOf(said).join(' | ')}` : ''}`);
    const now = Date.now();
    deaths.push(now);
    const recent = deaths.filter((at) => at > now - WITHIN_MS).length;
    if (recent >= MOST_DEATHS) {
      gaveUp = `The service stopped ${recent} times within ${WITHIN_MS / 1000} seconds and is not started again: the last time it ${how}.`;
      for (const pending of [...open, ...waiting.splice(0)]) fail(pending, gaveUp);
      return onExit(gaveUp);
    }
    const repeated: Pending[] = [];
    for (const pending of open) {
      if (pending.answer === again) {
        if (++reopenings >= 2) [left, folder] = [folder, null]; // it may be what kills the service
        continue;
      }
      // a call that was at work in two deaths may be what kills it
      if (mayAskAgain(pending.call) && ++pending.deaths < 2) repeated.push(pending);
      else fail(pending, `The service stopped while it answered "${pending.call}"; what was saved is saved.`);
    }
    waiting.unshift(...repeated);
    timer = setTimeout(() => start(true), FIRST_DELAY_MS * 2 ** (recent - 1));
  }

  start(false);
  return {
    pid: () => child?.pid ?? null,
    watched: (count) => {
      if (count === windows) return;
      windows = count;
      if (isUp) tellWindows();
    },
    call: (request) =>
      new Promise<Reply>((resolve) => {
        const problem = problemOf(request);
        if (problem)
          return resolve({
            id: Number((request as Partial<Request> | null)?.id ?? 0),
            fault: { code: 'bad-argument', message: problem, hint: 'Nothing was changed. Ask for less at once.' },
          });
        const { id, call, args, project } = request;
        const pending: Pending = { call, args, project, deaths: 0, answer: (reply) => resolve({ ...reply, id }) };
        if (gaveUp !== null || closing) fail(pending, gaveUp ?? 'Tastemaker is closing.');
        else if (isUp) send(pending);
        else waiting.push(pending);
      }),
    close: () =>
      (closing ??= new Promise<void>((resolve) => {
        clearTimeout(timer);
        for (const pending of waiting.splice(0)) fail(pending, 'Tastemaker is closing.');
        const ending = child;
        if (!ending || ending.exitCode !== null || ending.signalCode !== null) return resolve();
        const kill = setTimeout(() => ending.kill('SIGKILL'), CLOSING_MS);
        ending.once('exit', () => {
          clearTimeout(kill);
          resolve();
        });
        if (ending.connected) ending.disconnect(); // it answers by closing the project and ending
        for (const pending of sent.values()) fail(pending, 'Tastemaker is closing.');
        sent.clear();
      })),
  };
}

/** What is wrong with a request before anybody looks at what it asks, in a sentence; null where nothing is. */
function problemOf(request: unknown): string | null {
  const { id, call, args } = (request ?? {}) as Partial<Request>;
  if (typeof id !== 'number' || typeof call !== 'string') return 'A message was no call with its id.';
  const much = tooMuchToSend(args, LONGEST_REQUEST);
  const name = JSON.stringify(call.slice(0, 60));
  return much === 'deep'
    ? `The call ${name} was given values nested too deep.`
    : much === 'long'
      ? `The call ${name} was given more than ${LONGEST_REQUEST / 2 ** 20} MiB, the most that is taken at once.`
      : null;
}

/**
 * The environment without what makes Node or Electron another program (NODE_OPTIONS loads code, NODE_EXTRA_CA_CERTS
 * trusts
 * others, ELECTRON_RUN_AS_NODE turns one into the other). What the system's own loader reads is the person's affair.
 */
export const plainEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(NODE|ELECTRON)_/i.test(name)));

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

function fail(pending: Pending, message: string): void {
  const fault: Fault = { code: 'crash', message, hint: 'Look at what is there, and do it again where it is missing.' };
  pending.answer({ id: 0, fault });
}
