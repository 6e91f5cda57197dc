// The one error class: a code a program can match, a sentence a person can read, a hint that says what to do.

/** What kind of thing went wrong; the command line exits with 2 for every one of them. */
export type ErrorCode =
  | 'bad-argument' // a flag, setting or command that does not exist or is out of range
  | 'bad-file' // a file that is missing, truncated, foreign or malformed
  | 'bad-data' // a row that names something unknown or breaks a rule
  | 'bad-model' // a model folder that does not hold together: shapes, tokenizer, unknown family
  | 'bad-graph' // a graph built with the wrong shapes or types (a programming mistake)
  | 'too-long' // a prompt that does not fit the context
  | 'not-finite' // a loss or gradient that is NaN or infinite
  | 'wrong-project' // a call that is meant for a project that is not the open one
  | 'moved' // the open project's folder was moved, removed or replaced
  | 'stopped' // a person called it off
  | 'locked' // another process is writing to the project
  | 'newer-version' // a file written by a later version of the program
  | 'disk' // the disk is full or read-only
  | 'runtime'; // the runtime refused something we believed in

/**
 * `message` is one plain sentence naming what and where; `hint` says how to fix it, in words that fit the window too;
 * `atCommandLine` is what only the command line adds to it: its flags and commands.
 */
export class TastemakerError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly atCommandLine: string;
  constructor(code: ErrorCode, message: string, hint: string, atCommandLine = '') {
    super(message);
    this.name = 'TastemakerError';
    this.code = code;
    this.hint = hint;
    this.atCommandLine = atCommandLine;
  }
}

/** What went wrong, in a sentence, whatever was thrown. */
export const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** What a window is told of an error. */
export const shownError = ({ code, message, hint }: TastemakerError) => ({ code, message, hint });

/** An error on its way between processes and threads of this program. */
export interface SentError {
  code: ErrorCode;
  message: string;
  hint: string;
  atCommandLine: string;
}
export const sentError = ({ code, message, hint, atCommandLine }: TastemakerError): SentError => ({
  code,
  message,
  hint,
  atCommandLine,
});
/** The error that was sent, on the other side. */
export const receivedError = ({ code, message, hint, atCommandLine }: SentError): TastemakerError =>
  new TastemakerError(code, message, hint, atCommandLine);
