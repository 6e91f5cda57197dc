// What a handler is given and must give: the table type that forbids a gap between the contract and the service.

import type { Arguments, CallName, Result } from '#core/contract/calls.ts';
import type { EventName, Events } from '#core/contract/events.ts';
import type { Preferences } from '#core/contract/app.ts';
import type { Project } from '#core/store/project.ts';
import type { RunQueue } from '#core/service/runs/queue.ts';
import type { Inspector } from './inspector.ts';

export type Emit = <K extends EventName>(event: K, data: Events[K]) => void;
/** The same with whose event it is: the id of a project, or null for what is of the program. */
export type Reach = <K extends EventName>(event: K, data: Events[K], project: string | null) => void;

/**
 * What every handler may use, bound to the project that was open when the call came, however long it works.
 * `project`, `runs`, `inspector` and `finder` throw 'bad-argument' ("No project is open.") where none is;
 * what `emit` says of a project that has been closed meanwhile reaches nobody.
 */
export interface Context {
  emit: Emit;
  readonly project: Project;
  readonly runs: RunQueue;
  /** questions about models, which it answers beside whatever runs */
  readonly inspector: Inspector;
  /** the same for questions that take seconds: in a process of its own, so that nobody waits behind them */
  readonly finder: Inspector;
  /** this person's settings on this machine; `changePreferences` writes them and tells every window */
  readonly preferences: Preferences;
  changePreferences(changes: Partial<Preferences>): Preferences;
  /** aborted when the project is about to be closed: what goes on for long ends now */
  readonly closing: AbortSignal;
  /** folder of preferences and logs */
  readonly home: string;
}

/**
 * One function a call. A file of handlers exports its part with `satisfies Partial<Handlers>`; service.ts puts them
 * together.
 */
export type Handlers = { [K in CallName]: (context: Context, args: Arguments<K>) => Result<K> | Promise<Result<K>> };
