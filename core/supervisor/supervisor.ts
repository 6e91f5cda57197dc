// Keeps the service alive: starts it, relays calls and answers, and starts another one when it dies, with the same
// project open.

import type { ChildProcess } from 'node:child_process';
import { mayAskAgain } from '#core/contract/calls.ts';
import type { Notice, Reply, Request, Watched } from '#core/contract/messages.ts';
import { createCallsOnTheirWay, fail, refusalOf } from './calls-on-their-way.ts';
import type { Pending } from './calls-on-their-way.ts';
import { keepService } from './kept-service.ts';
import { createReopening } from './reopening.ts';
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

const CLOSING = 'Tastemaker is closing.';

/** Starts the service at once; calls made while it is down wait for it. */
export function superviseService({ onNotice, onExit, log = () => {}, ...program }: SupervisorOptions): Supervisor {
  const calls = createCallsOnTheirWay();
  const reopening = createReopening();
  let up: ChildProcess | null = null; // the process that answers, once the project is open again
  let gaveUp: string | null = null;
  let windows = 0;

  const tellWindows = () => void (up?.connected && up.send({ windows } satisfies Watched, () => {}));

  function goOn(child: ChildProcess): void {
    up = child;
    if (windows > 0) tellWindows();
    calls.sendWaiting(child);
  }

  function started(child: ChildProcess, isAgain: boolean): void {
    const folder = reopening.folder();
    if (!isAgain) goOn(child);
    else if (folder === null) again(child, null);
    else {
      const answer = (opened: Reply) => again(child, opened);
      calls.send(child, { call: 'project.open', args: { folder }, project: null, deaths: 0, reopens: true, answer });
    }
  }

  /** After a death: another one is up, and has (or has not) opened the project. */
  function again(child: ChildProcess, opened: Reply | null): void {
    const problem = reopening.problem(opened);
    if (!child.connected) return; // it could not even be started
    goOn(child);
    onNotice(restarted(problem));
  }

  function hear(message: Reply | Notice): void {
    if ('event' in message) return onNotice(message);
    const pending = calls.take(message.id);
    if (!pending) return;
    reopening.hear(pending.call, message);
    pending.answer(message);
  }

  function died(why: string | null): void {
    up = null;
    const open = calls.takeSent();
    if (service.isClosing()) return failAll(open, CLOSING);
    gaveUp = why;
    if (gaveUp !== null) {
      failAll([...open, ...calls.takeWaiting()], gaveUp);
      return onExit(gaveUp);
    }
    if (open.some(({ reopens }) => reopens)) reopening.died();
    calls.waitFirst(open.filter(isAskedAgain));
  }

  const service = keepService(program, { started, hear, died, log });
  return {
    pid: service.pid,
    watched: (count) => {
      if (count === windows) return;
      windows = count;
      tellWindows();
    },
    call: (request) =>
      new Promise<Reply>((resolve) => {
        const refusal = refusalOf(request);
        if (refusal) return resolve(refusal);
        const { id, call, args, project } = request;
        const answer = (reply: Reply) => resolve({ ...reply, id });
        const pending: Pending = { call, args, project, deaths: 0, reopens: false, answer };
        if (gaveUp !== null || service.isClosing()) fail(pending, gaveUp ?? CLOSING);
        else if (up) calls.send(up, pending);
        else calls.wait(pending);
      }),
    close: () => {
      const ended = service.close();
      failAll([...calls.takeWaiting(), ...calls.takeSent()], CLOSING);
      return ended;
    },
  };
}

/** What windows are told after a death; `problem`: why the project is not open any more, where it is not. */
const restarted = (problem: string | null): Notice => ({
  event: 'service.restarted',
  project: null,
  data: {
    sentence: `The service stopped and was started again; what was saved is saved.${problem ? ` The project could not be opened again: ${problem}` : ''}`,
  },
});

const failAll = (calls: readonly Pending[], message: string) => calls.forEach((pending) => fail(pending, message));

/** Whether a call that was at work in a death is asked again; any other is failed, but for the supervisor's own. */
function isAskedAgain(pending: Pending): boolean {
  if (pending.reopens) return false;
  // a call that was at work in two deaths may be what kills it
  if (mayAskAgain(pending.call) && ++pending.deaths < 2) return true;
  fail(pending, `The service stopped while it answered "${pending.call}"; what was saved is saved.`);
  return false;
}
