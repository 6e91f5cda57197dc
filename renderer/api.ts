// The window's only way to the service: typed calls and events, over Electron's bridge or a WebSocket to the browser host.

import { ref, shallowReadonly } from 'vue';
import type { Arguments, CallName, EventName, Events, Fault, Notice, Reply, Request, Result } from '#core/contract.ts';
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
  interface Window { workbench?: Workbench }
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

interface Link { call(request: Request): Promise<Reply> }
let link: Link | null = null;
// beyond what an earlier page of this window has used: the host knows a repeated id
let lastId = Date.now() * 1000;
const listeners = new Map<EventName, Set<(data: never) => void>>();

function hear(notice: Notice): void {
  for (const listener of listeners.get(notice.event) ?? []) (listener as (data: unknown) => void)(notice.data);
}

/** Trades the token in the address for a cookie, and takes it out of the address. False where the host refuses it. */
async function openSession(): Promise<boolean> {
  const token = /^#\/?token=([^&]+)$/.exec(location.hash)?.[1];
  if (token === undefined) return true;
  history.replaceState(null, '', '#/home');
  const answer = await fetch('/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token: decodeURIComponent(token) }) });
  return answer.ok;
}

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
    changed: (now) => (state.value = now),
    isRefused: async () => [401, 403].includes((await fetch('/session')).status),
    refused: () => (refused.value = true),
  });
  link = socketLink;
  const known = await openSession().catch(() => true); // no answer at all: the socket finds out
  if (known) socketLink.open();
  else refused.value = true;
}

/** Asks the service; rejects with a ServiceFault. */
export async function call<K extends CallName>(name: K, args: Arguments<K>): Promise<Result<K>> {
  if (!link) await connect();
  const reply = await link!.call({ id: ++lastId, call: name, args: JSON.parse(JSON.stringify(args)) });
  if ('fault' in reply) throw new ServiceFault(reply.fault);
  return reply.result as Result<K>;
}

/** Listens to an event of the service until the returned function is called. */
export function on<E extends EventName>(event: E, listener: (data: Events[E]) => void): () => void {
  const set = listeners.get(event) ?? new Set();
  listeners.set(event, set.add(listener as (data: never) => void));
  return () => void set.delete(listener as (data: never) => void);
}

/** Menu items of the desktop shell; nothing in a browser. */
export const onCommand = (listener: (action: string) => void): (() => void) => window.workbench?.onCommand?.(listener) ?? (() => {});

/** The system's own dialog where there is one. */
export const systemDialog = (): Workbench['choose'] => window.workbench?.choose;

/** Where a dropped file lies: its own path in the desktop shell; in a browser it is uploaded to the host first. */
export async function pathOfFile(file: File): Promise<string> {
  const path = window.workbench?.pathOf?.(file);
  if (path) return path;
  const answer = await fetch(`/upload?name=${encodeURIComponent(file.name)}`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: file });
  const body = (await answer.json().catch(() => null)) as { path?: string; fault?: Fault } | null;
  if (body?.path) return body.path;
  throw new ServiceFault(body?.fault ?? { code: 'bad-file', message: `The file ${file.name} could not be handed to the service.`, hint: 'Type its path instead: the service reads files of its own machine.' });
}
