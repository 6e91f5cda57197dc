// Questions about models, put to one process that stays warm: it holds the models that it was asked about.
//
// Questions are answered one at a time, in order; one that is asked from the same place as an earlier one overtakes it.
// The process is started by the first question, again after it died, and anew where something else is to be computed
// on; it ends with the project, or when nobody has asked for a while, and gives its memory back.

import path from 'node:path';
import { receivedError, TastemakerError } from '#core/errors.ts';
import type { AnswerMessage } from '#core/inspection/process.ts';
import type { Question, TaskArguments, TaskName, TaskResult } from '#core/inspection/tasks.ts';
import type { ProcessEnvironment } from './runs/next-run.ts';
import { environmentWords, startWarmProcess } from './warm-process.ts';
import type { WarmProcess } from './warm-process.ts';

export interface Inspector {
  /**
   * `place`: where it is asked from; a later question from there overtakes this one, which is refused as 'stopped'.
   * Rejects with the task's own TastemakerError, 'runtime' where the process died, and with that of `environment`.
   */
  ask<K extends TaskName>(task: K, args: TaskArguments<K>, place?: string): Promise<TaskResult<K>>;
  /** the process that is warm now; null for none */
  pid(): number | null;
  /** Refuses what has not been answered, and ends the process. */
  close(): Promise<void>;
}

export interface InspectorOptions {
  /** what computes runs computes this too */
  environment?: ProcessEnvironment;
  /** without a question for this long the process ends */
  idleMs?: number;
  /** a question that was overtaken at work may take this much longer; then its process is ended */
  overtakenMs?: number;
  processFile?: string;
}

const DEFAULTS: Required<InspectorOptions> = {
  environment: () => ({}),
  idleMs: 5 * 60_000,
  overtakenMs: 1500, // about what starting another process takes
  processFile: path.resolve(import.meta.dirname, '..', 'inspection', 'process.ts'),
};

interface Waiting {
  number: number;
  question: Question;
  place: string | null;
  /** it was at work when the process died, and is asked once more */
  isRepeated: boolean;
  /** nobody waits for it any more */
  isOvertaken: boolean;
  resolve(result: unknown): void;
  reject(reason: unknown): void;
}

/** Of all questions, those that are not answered yet; and the process that answers them. */
interface Desk {
  options: Required<InspectorOptions>;
  waiting: Waiting[];
  atWork: Waiting | null;
  warm: WarmProcess | null;
  idle: NodeJS.Timeout | undefined;
}

export function createInspector(options: InspectorOptions = {}): Inspector {
  const desk: Desk = { options: { ...DEFAULTS, ...options }, waiting: [], atWork: null, warm: null, idle: undefined };
  let count = 0;
  let isClosed = false;
  return {
    ask: <K extends TaskName>(task: K, args: TaskArguments<K>, place: string | null = null) => {
      if (isClosed) return Promise.reject(projectClosed());
      if (place !== null) overtake(desk, place);
      return new Promise<TaskResult<K>>((done, reject) => {
        const question = { task, args } as Question;
        const resolve = (result: unknown) => done(result as TaskResult<K>);
        desk.waiting.push({
          number: ++count,
          question,
          place,
          isRepeated: false,
          isOvertaken: false,
          resolve,
          reject,
        });
        next(desk);
      });
    },
    pid: () => desk.warm?.pid ?? null,
    close: async () => {
      isClosed = true;
      const unanswered = [...(desk.atWork ? [desk.atWork] : []), ...desk.waiting.splice(0)];
      desk.atWork = null;
      for (const { reject } of unanswered) reject(projectClosed());
      clearTimeout(desk.idle);
      await endProcess(desk);
    },
  };
}

/** Takes the next question up, where none is at work; where there is none, the process may go after a while. */
function next(desk: Desk): void {
  clearTimeout(desk.idle);
  if (desk.atWork) return;
  const asked = desk.waiting.shift();
  if (!asked) {
    desk.idle = setTimeout(() => void endProcess(desk), desk.options.idleMs).unref();
    return;
  }
  desk.atWork = asked;
  void put(desk, asked);
}

/** Sends a question to a process that computes on what runs would compute on now. */
async function put(desk: Desk, asked: Waiting): Promise<void> {
  try {
    const environment = await desk.options.environment();
    if (desk.warm && desk.warm.environment !== environmentWords(environment)) await endProcess(desk);
    if (desk.atWork !== asked) return; // closed, or overtaken, meanwhile
    desk.warm ??= startWarmProcess(desk.options.processFile, environment, {
      answer: (message) => answered(desk, message),
      death: (reason) => died(desk, reason),
    });
    desk.warm.send({ number: asked.number, ...asked.question });
  } catch (error) {
    if (desk.atWork !== asked) return;
    desk.atWork = null;
    asked.reject(error);
    next(desk);
  }
}

function answered(desk: Desk, message: AnswerMessage): void {
  const asked = desk.atWork;
  if (asked?.number !== message.number) return;
  desk.atWork = null;
  if ('result' in message) asked.resolve(message.result);
  else asked.reject(receivedError(message.fault));
  next(desk);
}

function died(desk: Desk, reason: TastemakerError): void {
  const asked = desk.atWork;
  const mayBeItsMemory = desk.warm?.hasAnswered() ?? false;
  desk.atWork = desk.warm = null;
  if (asked && mayBeItsMemory && !asked.isRepeated && !asked.isOvertaken)
    desk.waiting.unshift({ ...asked, isRepeated: true });
  else asked?.reject(reason);
  next(desk);
}

async function endProcess(desk: Desk): Promise<void> {
  const { warm } = desk;
  desk.warm = null;
  await warm?.end();
}

/** Whoever asked from this place has asked something else meanwhile, and waits for that. */
function overtake(desk: Desk, place: string): void {
  const [gone, kept] = [
    desk.waiting.filter((one) => one.place === place),
    desk.waiting.filter((one) => one.place !== place),
  ];
  desk.waiting.splice(0, Infinity, ...kept);
  for (const { reject } of gone) reject(overtaken());
  const asked = desk.atWork;
  if (asked?.place !== place || asked.isOvertaken) return;
  asked.isOvertaken = true;
  asked.reject(overtaken());
  setTimeout(async () => {
    if (desk.atWork !== asked) return;
    await endProcess(desk);
    if (desk.atWork !== asked) return; // closed meanwhile
    desk.atWork = null;
    next(desk);
  }, desk.options.overtakenMs).unref();
}

const overtaken = (): TastemakerError =>
  new TastemakerError('stopped', 'Something else was asked meanwhile.', 'The newer question is being answered.');
const projectClosed = (): TastemakerError =>
  new TastemakerError('bad-argument', 'The project was closed meanwhile.', 'Open it and try again.');
