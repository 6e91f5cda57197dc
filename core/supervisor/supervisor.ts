// Keeps the service alive: starts it, relays calls and answers, and starts another one when it dies, with the same
// project open.

import type { ChildProcess } from 'node:child_process';
import { mayAskAgain } from '#core/contract/calls.ts';
import type { Notice, Reply, Request, Watched } from '#core/contract/messages.ts';
import { createCallsOnTheirWay, fail, refusalOf } from './calls-on-their-way.ts';
import type { Pending } from './calls-on-their-way.ts';
import { createReopening } from './reopening.ts';
import { endService, isRunning, startService } from './service-process.ts';
import type { ServiceProgram } from './service-process.ts';

export interface SupervisorOptions extends ServiceProgram {
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

const MOST_DEATHS = 5;
const WITHIN_MS = 30_000;
const FIRST_DELAY_MS = 100;
const CLOSING = 'Tastemaker is closing.';
const REOPENING = { call: 'project.open', project: null, deaths: 0, reopens: true } as const;

/** Starts the service at once; calls made while it is down wait for it. */
export function superviseService({ onNotice, onExit, log = () => {}, ...program }: SupervisorOptions): Supervisor {
  const calls = createCallsOnTheirWay();
  const reopening = createReopening();
  const deaths: number[] = [];
  let child: ChildProcess | null = null;
  let isUp = false; // false until the project is open again
  let gaveUp: string | null = null;
  let closing: Promise<void> | null = null;
  let windows = 0;
  let timer: NodeJS.Timeout | undefined;

  const tellWindows = () => void (child?.connected && child.send({ windows } satisfies Watched, () => {}));

  function goOn(): void {
    isUp = true;
    if (windows > 0) tellWindows();
    calls.sendWaiting(child!);
  }

  function start(): void {
    isUp = false;
    child = startService(program, { hear, died, isClosing: () => closing !== null });
  }

  function startAgain(): void {
    start();
    const folder = reopening.folder();
    if (folder === null) again(null);
    else calls.send(child!, { ...REOPENING, args: { folder }, answer: again });
  }

  /** After a death: another one is up, and has (or has not) opened the project. */
  function again(opened: Reply | null): void {
    const problem = reopening.problem(opened);
    if (!child?.connected) return; // it could not even be started
    goOn();
    const sentence = `The service stopped and was started again; what was saved is saved.${problem ? ` The project could not be opened again: ${problem}` : ''}`;
    onNotice({ event: 'service.restarted', project: null, data: { sentence } });
  }

  function hear(message: Reply | Notice): void {
    if ('event' in message) return onNotice(message);
    const pending = calls.take(message.id);
    if (!pending) return;
    reopening.hear(pending.call, message);
    pending.answer(message);
  }

  function died(how: string, said: string): void {
    child = null;
    isUp = false;
    const open = calls.takeSent();
    if (closing) return open.forEach((pending) => fail(pending, CLOSING));
    log(`The service ${how}.${said.trim() ? ` It said: ${linesOf(said).join(' | ')}` : ''}`);
    const recent = countDeath(deaths);
    if (recent >= MOST_DEATHS) {
      gaveUp = `The service stopped ${recent} times within ${WITHIN_MS / 1000} seconds and is not started again: the last time it ${how}.`;
      for (const pending of [...open, ...calls.takeWaiting()]) fail(pending, gaveUp);
      return onExit(gaveUp);
    }
    if (open.some(({ reopens }) => reopens)) reopening.died();
    calls.waitFirst(open.filter(isAskedAgain));
    timer = setTimeout(startAgain, FIRST_DELAY_MS * 2 ** (recent - 1));
  }

  function close(): Promise<void> {
    clearTimeout(timer);
    for (const pending of calls.takeWaiting()) fail(pending, CLOSING);
    if (!child || !isRunning(child)) return Promise.resolve();
    const ended = endService(child);
    for (const pending of calls.takeSent()) fail(pending, CLOSING);
    return ended;
  }

  start();
  goOn();
  return {
    pid: () => child?.pid ?? null,
    watched: (count) => {
      if (count === windows) return;
      windows = count;
      if (isUp) tellWindows();
    },
    call: (request) =>
      new Promise<Reply>((resolve) => {
        const refusal = refusalOf(request);
        if (refusal) return resolve(refusal);
        const { id, call, args, project } = request;
        const answer = (reply: Reply) => resolve({ ...reply, id });
        const pending: Pending = { call, args, project, deaths: 0, reopens: false, answer };
        if (gaveUp !== null || closing) fail(pending, gaveUp ?? CLOSING);
        else if (isUp) calls.send(child!, pending);
        else calls.wait(pending);
      }),
    close: () => (closing ??= close()),
  };
}

/** Notes a death; returns how many there were lately. */
function countDeath(deaths: number[]): number {
  const now = Date.now();
  deaths.push(now);
  return deaths.filter((at) => at > now - WITHIN_MS).length;
}

/** Whether a call that was at work in a death is asked again; any other is failed, but for the supervisor's own. */
function isAskedAgain(pending: Pending): boolean {
  if (pending.reopens) return false;
  // a call that was at work in two deaths may be what kills it
  if (mayAskAgain(pending.call) && ++pending.deaths < 2) return true;
  fail(pending, `The service stopped while it answered "${pending.call}"; what was saved is saved.`);
  return false;
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
