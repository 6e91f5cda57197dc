// The window's only way to the service: typed calls and events, over Electron's bridge or a WebSocket to the browser
// host.

import { getCurrentScope, onScopeDispose, ref, shallowReadonly } from 'vue';
import type { Arguments, CallName, ProgramCall, Result } from '#core/contract/calls.ts';
import type { EventName, Events } from '#core/contract/events.ts';
import type { Fault, Notice, Reply, Request } from '#core/contract/messages.ts';
import { askOtherTabs, handKeyOn, keepKey, KEY_HEADER, keyOfTab } from './session-key.ts';
import { createSocketLink } from './socket-link.ts';

/** What Electron's preload hands in; in a browser there is none. */
interface Workbench {
  call(request: Request): Promise<Reply>;
  on(listener: (notice: Notice) => void): () => void;
  onCommand?(listener: (action: string) => void): () => void;
  choose?(what: 'folder' | 'file' | 'new-folder', title: string): Promise<string | null>;
  pathOf?(file: File): string;
}
declare global {
  interface Window {
    workbench?: Workbench;
  }
}

/** A call that the service refused: a sentence, and a hint that says what to do. */
export class ServiceFault extends Error {
  readonly code: string;
  readonly hint: string;
  constructor({ code, message, hint }: Fault) {
    super(message);
    this.name = 'ServiceFault';
    this.code = code;
    this.hint = hint;
  }
}

/** Told by the service, or by this window itself of an answer that came when the project had been closed. */
const OF_ANOTHER = ['wrong-project', 'project-closed'];
/** What was asked of a project that is not shown any more: nobody waits for it. */
export const isOfAnother = (error: unknown): boolean =>
  error instanceof ServiceFault && OF_ANOTHER.includes(error.code);

/** Anything thrown, as something FaultNote can show. */
export function faultOf(error: unknown): Fault {
  if (error instanceof ServiceFault) return { code: error.code, message: error.message, hint: error.hint };
  return { code: 'crash', message: error instanceof Error ? error.message : String(error), hint: '' };
}

const state = ref<'open' | 'lost'>('open');
const refused = ref(false);
export const connection = shallowReadonly(state);
/** The host does not know this page: its address has no token, or one of an earlier start. */
export const sessionRefused = shallowReadonly(refused);

interface Link {
  call(request: Request): Promise<Reply>;
}
let link: Link | null = null;
// beyond what an earlier page of this window has used: the host knows a repeated id
let lastId = Date.now() * 1000;
const listeners = new Map<EventName, Set<(data: never) => void>>();

/** The project that this window shows; an object of its own for each opening. */
let shown: { readonly id: string | null } = { id: null };
/** To be called with every state that is taken over; what was bound to the project before speaks for it alone. */
export function showProject(id: string | null): void {
  if (id !== shown.id) shown = { id };
}

function hear(notice: Notice): void {
  if (notice.project !== null && notice.project !== shown.id) return;
  if (notice.event === 'project.leaving') void leave();
  for (const listener of listeners.get(notice.event) ?? []) (listener as (data: unknown) => void)(notice.data);
}

const unwritten = new Set<() => Promise<unknown>>();
/** The project is about to be closed: what is typed and not written goes to it now, while it is there. */
async function leave(): Promise<void> {
  const { id } = shown;
  // fields are saved when they are left
  if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
  await Promise.allSettled([...unwritten].map((write) => write()));
  await ask('project.left', {}, id).catch(() => undefined);
}

/** After something may have been missed: hears from the service what is open. */
async function catchUp(): Promise<void> {
  const { project, settings, labelers } = await call('app.state', {});
  hear({ event: 'project.changed', project: null, data: { project, settings, labelers } });
}

/**
 * Trades the token in the address for the cookie and the key, and takes it out of the address. False where the host
 * refuses it.
 */
async function openSession(): Promise<boolean> {
  const token = /^#\/?token=([^&]+)$/.exec(location.hash)?.[1];
  if (token === undefined) return (keyOfTab() ?? (await askOtherTabs())) !== null;
  history.replaceState(null, '', '#/home');
  const answer = await fetch('/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: decodeURIComponent(token) }),
  });
  if (!answer.ok) return false;
  keepKey(((await answer.json()) as { key: string }).key);
  return true;
}

const withKey = (): Record<string, string> => ({ [KEY_HEADER]: keyOfTab() ?? '' });

/** Connects; until then calls wait. */
export async function connect(): Promise<void> {
  if (link) return;
  if (window.workbench) {
    window.workbench.on(hear);
    link = window.workbench;
    return;
  }
  const client = crypto.randomUUID();
  const socketLink = createSocketLink({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/socket?client=${client}`,
    hear,
    changed: (now) => {
      if (now === 'open' && state.value === 'lost') void catchUp().catch(() => undefined);
      state.value = now;
    },
    key: () => keyOfTab() ?? '',
    isRefused: async () => [401, 403].includes((await fetch('/session', { headers: withKey() })).status),
    refused: () => (refused.value = true),
  });
  link = socketLink;
  const known = await openSession().catch(() => true); // no answer at all: the socket finds out
  if (!known) return void (refused.value = true);
  handKeyOn();
  socketLink.open();
}

async function ask<K extends CallName>(name: K, args: Arguments<K>, project: string | null): Promise<Result<K>> {
  if (!link) await connect();
  const reply = await link!.call({ id: ++lastId, call: name, args: JSON.parse(JSON.stringify(args)), project });
  if ('fault' in reply) throw new ServiceFault(reply.fault);
  return reply.result as Result<K>;
}

/** Asks the service something that is of no project; rejects with a ServiceFault. */
export const call = <K extends ProgramCall>(name: K, args: Arguments<K>): Promise<Result<K>> => ask(name, args, null);

/** Listens to an event of the service until the returned function is called, or whatever is being set up now ends. */
export function on<E extends EventName>(event: E, listener: (data: Events[E]) => void): () => void {
  const set = listeners.get(event) ?? new Set();
  listeners.set(event, set.add(listener as (data: never) => void));
  const off = () => void set.delete(listener as (data: never) => void);
  if (getCurrentScope()) onScopeDispose(off);
  return off;
}

export interface ProjectService {
  /** the id of the project, null where none is open */
  project: string | null;
  /**
   * Asks the service in this project; rejects with a ServiceFault, also where the project has been closed meanwhile.
   */
  call<K extends CallName>(name: K, args: Arguments<K>): Promise<Result<K>>;
  /** Hears what is told of this project, and of the program as long as this project is shown. */
  on<E extends EventName>(event: E, listener: (data: Events[E]) => void): () => void;
  /** `write` is called before the project is closed, and waited for. */
  beforeClosing(write: () => Promise<unknown>): void;
}

/**
 * What stores and components speak through, asked for when they are set up: bound to the project that is shown then, so
 * that whatever they do late (after an answer, a timer, an upload) is meant for that project and for no other.
 */
export function useProjectService(): ProjectService {
  const opened = shown;
  return {
    project: opened.id,
    async call(name, args) {
      try {
        const result = await ask(name, args, opened.id);
        if (opened === shown) return result;
      } catch (error) {
        if (opened === shown && isOfAnother(error)) void catchUp().catch(() => undefined);
        if (opened === shown || isOfAnother(error)) throw error;
      }
      throw new ServiceFault({ code: 'project-closed', message: 'The project was closed meanwhile.', hint: '' });
    },
    on: (event, listener) => on(event, (data) => opened === shown && listener(data)),
    beforeClosing(write) {
      unwritten.add(write);
      if (getCurrentScope()) onScopeDispose(() => unwritten.delete(write));
    },
  };
}

/** Menu items of the desktop shell; nothing in a browser. */
export const onCommand = (listener: (action: string) => void): (() => void) =>
  window.workbench?.onCommand?.(listener) ?? (() => {});

/** The system's own dialog where there is one. */
export const systemDialog = (): Workbench['choose'] => window.workbench?.choose;

/** A dropped folder has a path in the desktop shell; a browser does not say where it lies. */
export const canHandFolders = (): boolean => window.workbench !== undefined;

/** Where a dropped file lies: its own path in the desktop shell; in a browser it is uploaded to the host first. */
export async function pathOfFile(file: File): Promise<string> {
  const path = window.workbench?.pathOf?.(file);
  if (path) return path;
  const answer = await fetch(`/upload?name=${encodeURIComponent(file.name)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...withKey() },
    body: file,
  });
  const body = (await answer.json().catch(() => null)) as { path?: string; fault?: Fault } | null;
  if (body?.path) return body.path;
  throw new ServiceFault(
    body?.fault ?? {
      code: 'bad-file',
      message: `The file ${file.name} could not be handed to the service.`,
      hint: 'Type its path instead: the service reads files of its own machine.',
    },
  );
}
