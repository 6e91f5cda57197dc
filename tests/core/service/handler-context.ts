// A context for handlers without a service around them: arguments are checked as the service does, events are kept.

import { tmpdir } from 'node:os';
import { checkArguments } from '#core/contract/calls.ts';
import type { Arguments, CallName, Result } from '#core/contract/calls.ts';
import type { Notice } from '#core/contract/messages.ts';
import type { Context, Handlers } from '#core/service/handlers.ts';
import type { Inspector } from '#core/service/inspector.ts';
import type { Project } from '#core/store/project.ts';

export interface Handled<K extends CallName> {
  events: Notice[];
  call<N extends K>(name: N, args: Arguments<N>): Promise<Result<N>>;
}

/** Calls these handlers on an open project; `finder` answers where they ask for findings. */
export function handled<K extends CallName>(
  project: Project,
  handlers: Pick<Handlers, K>,
  { finder }: { finder?: Inspector } = {},
): Handled<K> {
  const events: Notice[] = [];
  const unused = (what: string) => (): never => {
    throw new Error(`${what} is not part of this test`);
  };
  const context: Context = {
    project,
    home: tmpdir(),
    closing: new AbortController().signal,
    emit: (event, data) => void events.push({ event, data, project: null } as Notice),
    preferences: {
      theme: 'system',
      keys: {},
      layout: 'stack',
      advance: true,
      sidebar: true,
      recent: [],
      lastFolder: null,
      device: 'auto',
    },
    changePreferences: unused('changing preferences'),
    get runs() {
      return unused('the queue of runs')();
    },
    get inspector() {
      return unused('asking models')();
    },
    get finder() {
      return finder ?? unused('asking for findings')();
    },
  };
  return {
    events,
    call: async (name, args) => {
      const checked = checkArguments(name, args);
      if (!checked.ok) throw new Error(checked.problem);
      return (await (handlers[name] as (context: Context, args: unknown) => unknown)(context, checked.args)) as Result<
        typeof name
      >;
    },
  };
}
