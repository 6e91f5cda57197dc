// The service: checks arguments and project of every call at this one place, answers it, and turns what goes wrong into
// a fault.

import path from 'node:path';
import { CALLS, checkArguments } from '#core/contract/calls.ts';
import { EVENT_OF } from '#core/contract/events.ts';
import type { CallName } from '#core/contract/calls.ts';
import type { EventName } from '#core/contract/events.ts';
import type { Fault, Reply, Request } from '#core/contract/messages.ts';
import type { Preferences } from '#core/contract/app.ts';
import { TastemakerError, shownError } from '#core/errors.ts';
import { LONGEST_REPLY, tooMuchToSend } from '#core/wire.ts';
import { asFileError } from '#core/formats/file-access.ts';
import { logFolder } from './app.ts';
import { createCallTable } from './call-table.ts';
import { followDemo } from './demo.ts';
import { probeSoon, proberOf } from '#core/service/models/probing.ts';
import type { Context, Emit, Handlers, Reach } from './handlers.ts';
import { createHardware } from '#core/service/hardware/hardware.ts';
import { openLog } from './log.ts';
import { openPreferences } from './preferences.ts';
import { requireInPlace } from '#core/store/whereabouts.ts';
import { projectChanged, strayedNote } from './project-summary.ts';
import { createSession, noProject } from './session.ts';
import type { OpenProject, Session } from './session.ts';

export interface Service {
  /** Never rejects. Calls may overlap; those that open and close projects wait for each other. */
  handle(request: Request): Promise<Reply>;
  /** How many windows look on. */
  watched(windows: number): void;
  /** Closes the open project whole; its runs go on in their processes. */
  close(): Promise<void>;
}

/** After these the project's counts are told anew, once for all that come within COUNT_MS. */
const COUNTED: ReadonlySet<EventName> = new Set(['labels.changed', 'data.changed', 'models.changed']);
const COUNT_MS = 500;
/** How often it is looked whether the open project still lies where it was opened. */
const PLACE_MS = 2000;
/** Calls that need nothing of the project's folder: they are answered also when it has gone. */
const NEED_NO_PLACE: ReadonlySet<CallName> = new Set<CallName>([
  'project.close',
  'project.left',
  'project.saveCopy',
  'imports.cancel',
  'desk.progress',
  'guidelines.get',
  'prompts.page',
  'prompts.get',
  'search.find',
  'models.list',
  'recipes.list',
  'runs.list',
  'samples.page',
  'samples.measures',
]);
/** Calls that close the project: closing does not wait for them. */
const CLOSING: ReadonlySet<CallName> = new Set<CallName>(['project.close', 'project.restore', 'project.saveCopy']);

/** `home` holds preferences.json and logs/; `reach` reaches every window. */
export function createService({ emit: reach, home }: { emit: Reach; home: string }): Service {
  const log = openLog(path.join(logFolder(home), 'service.log'));
  const preferences = openPreferences(home);
  for (const notice of preferences.notices) log(notice);
  const emit: Emit = (event, data) => reach(event, data, null);
  const soon = soonOrLogged(log);
  let windows = 0;
  const hardware = createHardware({ home, preferences, emit });
  const session = createSession({
    emit: reach,
    environment: hardware.environment,
    windows: () => windows,
    hear: (opened, event, data) => {
      if (COUNTED.has(event)) news.countSoon();
      if (event === 'models.changed') probeSoon(proberOf(opened, emitOf(opened)));
      if (event === 'run.changed')
        soon(() => followDemo(opened, (data as { run: Parameters<typeof followDemo>[1] }).run, emitOf(opened)));
    },
  });
  const news = tellOfProject(session, emit, soon);
  /** What a call tells: with its project's id, and nothing of a project that has been closed while it was at work. */
  const emitOf =
    (opened: OpenProject | null): Emit =>
    (event, data) => {
      const ofProject = EVENT_OF[event] === 'project';
      if ((ofProject || event === 'project.changed') && session.current() !== opened) return;
      if (COUNTED.has(event)) news.countSoon();
      if (opened && event === 'models.changed') probeSoon(proberOf(opened, emitOf(opened)));
      reach(event, data, ofProject ? opened!.id : null);
    };
  const changePreferences = (changes: Partial<Preferences>): Preferences => {
    const changed = preferences.change(changes);
    emit('preferences.changed', { preferences: changed });
    return changed;
  };
  const answering: Answering = {
    session,
    table: createCallTable({ session, preferences, home, hardware, emitOf }),
    contextOf: (opened) => contextOf(opened, { home, emit: emitOf(opened), read: preferences.read, changePreferences }),
    faultOf: (call, error, projectClosed) => {
      const known = asKnown(error);
      if (known?.code === 'moved') soon(news.lookForPlace);
      if (!known && !projectClosed) log(`${call}: ${stackOf(error)}`);
      return known ? shownError(known) : projectClosed ? closedMeanwhile(call) : mistakeIn(call, home);
    },
  };
  return {
    handle: (request) => handle(answering, request),
    watched: (count) => {
      windows = count;
      hardware.watched(count);
    },
    close: async () => {
      news.end();
      await Promise.all([session.close({ atOnce: true }), hardware.close()]);
    },
  };
}

type Soon = (work: () => void) => void;
/** After the event that caused it has been told; a failure is logged, for nobody waits for it. */
const soonOrLogged =
  (log: (line: string) => void): Soon =>
  (work) =>
    void setImmediate(() => {
      try {
        work();
      } catch (error) {
        log(stackOf(error));
      }
    });

/** Tells of the open project what no call tells: its counts after they have changed, and that its folder has gone. */
function tellOfProject(session: Session, emit: Emit, soon: Soon) {
  let counting: NodeJS.Timeout | null = null;
  /** What was told last of where the project is; told anew when it has gone, and when it is back. */
  let told = { of: null as OpenProject | null, text: 'null' };
  function lookForPlace(): void {
    const opened = session.current();
    const text = opened ? JSON.stringify(strayedNote(opened.project)) : 'null';
    if (told.of !== opened) told = { of: opened, text: 'null' };
    if (opened && text !== told.text) emit('project.changed', projectChanged(opened.project));
    told.text = text;
  }
  const looking = setInterval(() => soon(lookForPlace), PLACE_MS).unref();
  return {
    lookForPlace,
    countSoon: (): void => {
      counting ??= setTimeout(() => {
        counting = null;
        const opened = session.current();
        if (opened) emit('project.changed', projectChanged(opened.project));
      }, COUNT_MS);
    },
    end: (): void => {
      clearTimeout(counting ?? undefined);
      clearInterval(looking);
    },
  };
}

/** What a call finds: the program's own, and what is open; a part of what is open is asked for when it is used. */
const contextOf = (
  opened: OpenProject | null,
  program: Pick<Context, 'home' | 'emit' | 'changePreferences'> & { read(): Preferences },
): Context => ({
  emit: program.emit,
  home: program.home,
  changePreferences: program.changePreferences,
  get project() {
    return need(opened).project;
  },
  get runs() {
    return need(opened).runs;
  },
  get inspector() {
    return need(opened).inspector;
  },
  get finder() {
    return need(opened).finder;
  },
  get preferences() {
    return program.read();
  },
  get closing() {
    return need(opened).closing.signal;
  },
});

/** What answering a call needs. */
interface Answering {
  session: Session;
  table: Handlers;
  contextOf(opened: OpenProject | null): Context;
  faultOf(call: string, error: unknown, projectClosed: boolean): Fault;
}

async function handle(
  { session, table, contextOf: contextFor, faultOf }: Answering,
  { id, call, args, project = null }: Request,
): Promise<Reply> {
  const checked = checkArguments(call, args);
  if (!checked.ok)
    return {
      id,
      fault: { code: 'bad-argument', message: checked.problem, hint: 'This is a mistake of the program that asked.' },
    };
  const isOfProject = CALLS[checked.name].of === 'project';
  // whoever is refused has been told before what is open now
  if (isOfProject && (session.current()?.id ?? null) !== project) await session.settled();
  const opened = session.current();
  const refusal = isOfProject ? refusalOf(opened, project) : null;
  if (refusal) return { id, fault: shownError(refusal) };
  try {
    if (isOfProject && opened && !NEED_NO_PLACE.has(checked.name)) requireInPlace(opened.project);
    const handler = table[checked.name] as (context: Context, given: unknown) => unknown;
    const result = handler(contextFor(opened), checked.args);
    if (result instanceof Promise && opened && isOfProject && !CLOSING.has(checked.name)) {
      opened.working.add(result);
      void result.finally(() => opened.working.delete(result)).catch(() => {}); // whoever awaits it below hears of it
    }
    return replyWith(id, checked.name, await result);
  } catch (error) {
    return { id, fault: faultOf(call, error, opened !== null && session.current() !== opened) };
  }
}

const closedMeanwhile = (call: string): Fault => ({
  code: 'bad-argument',
  message: `The project was closed while "${call}" was at work in it.`,
  hint: 'Open it and try again.',
});
const mistakeIn = (call: string, home: string): Fault => ({
  code: 'crash',
  message: `Tastemaker made a mistake in "${call}" and could not answer.`,
  hint: `What was saved before is saved. The details are in ${path.join(logFolder(home), 'service.log')}.`,
});

/** The answer, or a fault where it is more than a window can be sent: it would be cut off, and ask again for ever. */
function replyWith(id: number, call: string, result: unknown): Reply {
  const much = tooMuchToSend(result, LONGEST_REPLY);
  if (much === null) return { id, result };
  const message =
    much === 'deep'
      ? `The answer to "${call}" holds values nested too deep to be sent.`
      : `The answer to "${call}" is longer than ${LONGEST_REPLY / 2 ** 20} MiB, the most that a window is sent at once.`;
  return {
    id,
    fault: { code: 'too-long', message, hint: 'Ask for fewer rows, or shorten the texts where they came from.' },
  };
}

/** Why a call that is meant for the project of this id is not carried out now; null where it is. */
function refusalOf(opened: OpenProject | null, meant: string | null): TastemakerError | null {
  if ((opened?.id ?? null) === meant) return null; // also that none is open: a handler that needs one says so
  const now = opened ? `"${opened.project.name}" is open now` : 'No project is open any more';
  const why = !opened
    ? 'this was meant for one that was'
    : meant
      ? 'this was meant for another project'
      : 'this does not say that it is meant for it';
  return new TastemakerError(
    'wrong-project',
    `${now}, and ${why}: nothing was changed.`,
    'Open the project that it was meant for, and do it again there.',
  );
}

function need(opened: OpenProject | null): OpenProject {
  if (!opened) throw noProject();
  return opened;
}

/** Errors that say what is wrong: ours, and the operating system's refusals of a file. */
function asKnown(error: unknown): TastemakerError | null {
  if (error instanceof TastemakerError) return error;
  const { syscall, path: file, dest } = error as { syscall?: unknown; path?: unknown; dest?: unknown };
  const found =
    error instanceof Error && typeof syscall === 'string' ? asFileError(error, String(dest ?? file ?? 'A file')) : null;
  return found instanceof TastemakerError ? found : null;
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
