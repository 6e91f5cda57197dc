// Who may speak to the host: this machine's own name in Host, our own page as Origin, and the two secrets that the
// token was exchanged for.
//
// A page of another site can make the person's browser ask 127.0.0.1, even under a name of its own (DNS rebinding): the
// checks of Host and Origin stop that. Other users of this machine can connect too: the token stops them. Their servers
// can listen on ports of their own, and cookies know no ports: the browser brings them ours. So the cookie alone opens
// nothing: the page also shows a key, which it keeps in its sessionStorage, and that is told apart by port.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const ONCE_MS = 60_000;
export const KEY_HEADER = 'x-tastemaker-key';

export interface Access {
  /**
   * why a request is refused, or null: `asks` says what it must show besides a right Host; the key comes as a header
   */
  refuse(request: IncomingMessage, asks: { origin: boolean; cookie: boolean; key?: boolean }): string | null;
  /** The header that gives the cookie, and the key, where the token is a right one. */
  exchange(token: unknown): { cookie: string; key: string } | null;
  isKey(given: unknown): boolean;
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

/** How often a header came: Node keeps the first of several. */
const countOf = ({ rawHeaders }: IncomingMessage, name: string): number =>
  rawHeaders.filter((one, i) => i % 2 === 0 && one.toLowerCase() === name).length;

export function createAccess(port: number): Access {
  const hosts = ['127.0.0.1', 'localhost', '[::1]'].map((name) => `${name}:${port}`);
  const token = secret();
  const cookie = secret();
  const key = secret();
  const name = `tastemaker-${port}`; // cookies do not know ports: the name tells two hosts apart
  const once = new Map<string, number>();

  const cookiesOf = (request: IncomingMessage) =>
    (request.headers.cookie ?? '')
      .split(/;\s*/)
      .filter((pair) => pair.startsWith(`${name}=`))
      .map((pair) => pair.slice(name.length + 1));
  const isForOnce = (given: string): boolean => {
    const until = once.get(given);
    once.delete(given);
    return until !== undefined && until > Date.now();
  };

  const isKey = (given: unknown): boolean => typeof given === 'string' && same(given, key);

  return {
    token,
    isKey,
    refuse: (request, asks) => {
      const { host, origin } = request.headers;
      const twice = ['host', 'origin'].find((header) => countOf(request, header) > 1);
      if (twice) return `it has more than one ${twice === 'host' ? 'Host' : 'Origin'}`;
      if (!hosts.includes(host ?? '')) return `the Host is ${JSON.stringify(host ?? null)}`;
      if (asks.origin && origin !== `http://${host}`) return `the Origin is ${JSON.stringify(origin ?? null)}`;
      if (asks.cookie && !cookiesOf(request).some((given) => same(given, cookie))) return 'there is no valid cookie';
      if (asks.key && !isKey(request.headers[KEY_HEADER])) return 'it does not show the key of this start';
      return null;
    },
    exchange: (given) => {
      if (typeof given !== 'string' || !(same(given, token) || isForOnce(given))) return null;
      return { cookie: `${name}=${cookie}; HttpOnly; SameSite=Strict; Path=/`, key };
    },
    tokenForOnce: () => {
      const fresh = secret();
      once.set(fresh, Date.now() + ONCE_MS);
      return fresh;
    },
  };
}
