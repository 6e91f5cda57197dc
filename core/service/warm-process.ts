// One process that answers questions about models, for as long as it is wanted: what it says, and how it ended.

import { fork } from 'node:child_process';
import { TastemakerError } from '#core/errors.ts';
import type { AnswerMessage, QuestionMessage } from '#core/inspection/process.ts';

export interface WarmProcess {
  readonly pid: number | null;
  /** what it was told to compute on, in words to compare */
  readonly environment: string;
  /** whether it has answered before: what it dies of may be what it holds */
  hasAnswered(): boolean;
  send(question: QuestionMessage): void;
  /** Ends it, and resolves when it is gone; its death is not told. */
  end(): Promise<void>;
}

type Environment = Readonly<Record<string, string>>;
export const environmentWords = (environment: Environment): string => JSON.stringify(environment);

/** `death` is called once, with a sentence for whoever waits for an answer. */
export function startWarmProcess(
  file: string,
  environment: Environment,
  { answer, death }: { answer(message: AnswerMessage): void; death(reason: TastemakerError): void },
): WarmProcess {
  const child = fork(file, [], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
    serialization: 'advanced',
    env: { ...process.env, ...environment },
  });
  const gone = Promise.withResolvers<void>();
  let answers = 0;
  let unwanted = false;
  let lastWords = '';
  const die = (how: string, wasKilled: boolean): void => {
    gone.resolve();
    if (!unwanted) death(diedOf(how, lastWords, wasKilled));
    unwanted = true;
  };
  child.stderr?.on('data', (data: Buffer) => (lastWords = `${lastWords}${data}`.slice(-4000)));
  child.on('message', (message: AnswerMessage) => {
    answers++;
    if (!unwanted) answer(message);
  });
  child.once('error', (error) => {
    lastWords ||= error.message;
    if (child.pid === undefined) die('it could not be started', false); // there is nothing to be closed
  });
  child.once('close', (code, signal) => die(signal ?? `exit code ${code}`, signal === 'SIGKILL'));
  return {
    pid: child.pid ?? null,
    environment: environmentWords(environment),
    hasAnswered: () => answers > 0,
    send: (question) => void child.send(question, () => {}), // where it cannot be sent, death is told
    end: () => {
      unwanted = true;
      child.kill('SIGKILL');
      return gone.promise;
    },
  };
}

function diedOf(how: string, lastWords: string, wasKilled: boolean): TastemakerError {
  return new TastemakerError(
    'runtime',
    `The process that worked on it ended early (${how}): ${lastWords.trim().split('\n').at(-1) ?? ''}`,
    wasKilled
      ? 'It may have run out of memory: use a smaller model, or fewer and shorter completions.'
      : 'Try again; if it happens again, please report this line.',
  );
}
