// A WebSocket that loses nothing: it shows its key, reconnects by itself and asks again, under the same id, what was
// not answered.

import type { Fault, Notice, Reply, Request } from '#core/contract/messages.ts';
import { LONGEST_REQUEST } from '#core/wire.ts';

/** How the host closes a connection whose key is not that of its start (core/host/sockets.ts). */
const UNKNOWN = 4401;

export interface SocketLinkOptions {
  url: string;
  /** the first message of every connection shows it */
  key(): string;
  hear(notice: Notice): void;
  changed(state: 'open' | 'lost'): void;
  /** Asked after a connection that never opened: is it that the host does not know us? */
  isRefused(): Promise<boolean>;
  refused(): void;
  /** milliseconds before the first new attempt, and the most between two */
  wait?: { first: number; most: number };
}
export interface SocketLink {
  open(): void;
  call(request: Request): Promise<Reply>;
  close(): void;
}
interface Pending {
  text: string;
  resolve(reply: Reply): void;
}

const tooLong = (length: number): Fault => ({
  code: 'bad-argument',
  message: `This is too long to be sent at once: ${(length / 1e6).toFixed(1)} million characters.`,
  hint: 'Shorten the text, or choose fewer rows.',
});

export function createSocketLink({
  url,
  key,
  hear,
  changed,
  isRefused,
  refused,
  wait = { first: 250, most: 5000 },
}: SocketLinkOptions): SocketLink {
  const pending = new Map<number, Pending>();
  let socket: WebSocket | null = null;
  let delay = wait.first;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  function open(): void {
    clearTimeout(timer);
    let opened = false;
    const current = new WebSocket(url);
    socket = current;
    current.addEventListener('open', () => {
      opened = true;
      delay = wait.first;
      current.send(JSON.stringify({ key: key() }));
      changed('open');
      for (const { text } of pending.values()) current.send(text);
    });
    current.addEventListener('message', (message: MessageEvent<string>) => {
      const said = JSON.parse(message.data) as Reply | Notice;
      if ('event' in said) return hear(said);
      pending.get(said.id)?.resolve(said);
      pending.delete(said.id);
    });
    current.addEventListener('close', ({ code }) => {
      if (closed || socket !== current) return;
      changed('lost');
      if (code === UNKNOWN) return refused();
      void again(opened);
    });
  }

  async function again(opened: boolean): Promise<void> {
    if (!opened && (await isRefused().catch(() => false))) return refused();
    if (closed) return;
    timer = setTimeout(open, delay * (0.75 + Math.random() / 2));
    delay = Math.min(wait.most, delay * 2);
  }

  return {
    open,
    call: (request) =>
      new Promise((resolve) => {
        const text = JSON.stringify(request);
        if (text.length > LONGEST_REQUEST / 4 && new TextEncoder().encode(text).length > LONGEST_REQUEST)
          // the host would close the connection, again and again
          return resolve({ id: request.id, fault: tooLong(text.length) });
        pending.set(request.id, { text, resolve });
        if (socket?.readyState === 1) socket.send(text);
      }),
    close() {
      closed = true;
      clearTimeout(timer);
      socket?.close();
    },
  };
}
