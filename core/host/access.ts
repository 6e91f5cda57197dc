// Who may speak to the host: this machine's own name in Host, our own page as Origin, and the cookie that the token was exchanged for.
//
// A page of another site can make the person's browser ask 127.0.0.1, even under a name of its own (DNS rebinding): the
// checks of Host and Origin stop that. Other users of this machine can connect too: the token stops them.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ONCE_MS = 60_000;

export interface Access {
  /** why a request is refused, or null: `asks` says what it must show besides a right Host */
  refuse(request: IncomingMessage, asks: { origin: boolean; cookie: boolean }): string | null;
  /** The header that gives the cookie, where the token is a right one. */
  exchange(token: unknown): string | null;
  /** for the person who started the host */
  token: string;
  /** A token that works once and within a minute: it may be seen by others, for example among a process's arguments. */
  tokenForOnce(): string;
}

const secret = (): string => randomBytes(32).toString('base64url');

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export function createAccess(port: number): Access {
  const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
  const token = secret(), cookie = secret(), name = `tastemaker-${port}`; // cookies do not know ports: the name tells two hosts apart
  const once = new Map<string, number>();

  const cookiesOf = (request: IncomingMessage) => (request.headers.cookie ?? '').split(/;\s*/).filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
  const isForOnce = (given: string): boolean => {
    const until = once.get(given);
    once.delete(given);
    return until !== undefined && until > Date.now();
  };

  return {
    token,
    refuse: (request, asks) => {
      const { host, origin } = request.headers;
      if (!hosts.includes(host ?? '')) return `the Host is ${JSON.stringify(host ?? null)}`;
      if (asks.origin && origin !== `http://${host}`) return `the Origin is ${JSON.stringify(origin ?? null)}`;
      if (asks.cookie && !cookiesOf(request).some((given) => same(given, cookie))) return 'there is no valid cookie';
      return null;
    },
    exchange: (given) => {
      if (typeof given !== 'string' || !(same(given, token) || isForOnce(given))) return null;
      return `${name}=${cookie}; HttpOnly; SameSite=Strict; Path=/`;
    },
    tokenForOnce: () => {
      const fresh = secret();
      once.set(fresh, Date.now() + ONCE_MS);
      return fresh;
    },
  };
}
