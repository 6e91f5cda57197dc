// Calls on their way: those that wait for a service, and those that one is answering.

import type { ChildProcess } from 'node:child_process';
import type { Fault, Reply, Request } from '#core/contract/messages.ts';
import { LONGEST_REQUEST, tooMuchToSend } from '#core/wire.ts';

export interface Pending {
  call: string;
  args: unknown;
  project: string | null;
  /** how many services have died while it was at work */
  deaths: number;
  /** The supervisor's own: it opens the project again in a new service. */
  reopens: boolean;
  answer(reply: Reply): void;
}

export interface CallsOnTheirWay {
  /** Asks a service; what cannot be written as JSON is answered with a fault. */
  send(child: ChildProcess, pending: Pending): void;
  /** Keeps a call until there is a service. */
  wait(pending: Pending): void;
  /** Keeps calls that are asked again, before all that wait. */
  waitFirst(pending: readonly Pending[]): void;
  sendWaiting(child: ChildProcess): void;
  /** The call that this message answers, which is over then; undefined where it is none of ours. */
  take(id: number): Pending | undefined;
  /** Those at work, or waiting, which are forgotten here. */
  takeSent(): Pending[];
  takeWaiting(): Pending[];
}

export function createCallsOnTheirWay(): CallsOnTheirWay {
  let ids = 0;
  const waiting: Pending[] = [];
  const sent = new Map<number, Pending>();

  function send(child: ChildProcess, pending: Pending): void {
    const id = ++ids;
    const { call, args, project } = pending;
    sent.set(id, pending);
    try {
      // a failure to send is a death, which is told elsewhere
      child.send({ id, call, args, project } satisfies Request, () => {});
    } catch (error) {
      // what cannot be written as JSON
      sent.delete(id);
      fail(pending, `"${call}" could not be asked: ${(error as Error).message}.`);
    }
  }

  return {
    send,
    wait: (pending) => void waiting.push(pending),
    waitFirst: (pending) => void waiting.unshift(...pending),
    sendWaiting: (child) => {
      for (const pending of waiting.splice(0)) send(child, pending);
    },
    take: (id) => {
      const pending = sent.get(id);
      sent.delete(id);
      return pending;
    },
    takeSent: () => {
      const all = [...sent.values()];
      sent.clear();
      return all;
    },
    takeWaiting: () => waiting.splice(0),
  };
}

export function fail(pending: Pending, message: string): void {
  const fault: Fault = { code: 'crash', message, hint: 'Look at what is there, and do it again where it is missing.' };
  pending.answer({ id: 0, fault });
}

/** The answer to a request that nobody looks at: it is no call, or brings too much; null for any other. */
export function refusalOf(request: Request): Reply | null {
  const message = problemOf(request);
  if (message === null) return null;
  const fault: Fault = { code: 'bad-argument', message, hint: 'Nothing was changed. Ask for less at once.' };
  return { id: Number((request as Partial<Request> | null)?.id ?? 0), fault };
}

/** What is wrong with a request before anybody looks at what it asks, in a sentence; null where nothing is. */
function problemOf(request: unknown): string | null {
  const { id, call, args } = (request ?? {}) as Partial<Request>;
  if (typeof id !== 'number' || typeof call !== 'string') return 'A message was no call with its id.';
  const much = tooMuchToSend(args, LONGEST_REQUEST);
  const name = JSON.stringify(call.slice(0, 60));
  if (much === 'deep') return `The call ${name} was given values nested too deep.`;
  return much === 'long'
    ? `The call ${name} was given more than ${LONGEST_REQUEST / 2 ** 20} MiB, the most that is taken at once.`
    : null;
}
