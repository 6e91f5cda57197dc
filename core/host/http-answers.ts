// How the host answers over HTTP: with JSON, or with a refusal that is one line in its log.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Fault } from '#core/contract/messages.ts';

/** On every answer; what a page may load is what `connect-src 'self'` and the rest allow: nothing from elsewhere. */
const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), microphone=(), geolocation=(), usb=(), serial=(), hid=()',
};

export type Refuse = (
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  why: string,
  fault?: Fault,
) => void;

/** What was asked for, as a log may show it. */
export const shownUrl = ({ url = '' }: IncomingMessage): string => JSON.stringify(url.slice(0, 200));

export function setHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
}

export function answerJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
}

/** Refuses requests, each with a fault that the window can show and a line for `log`. */
export function createRefuse(log: (line: string) => void): Refuse {
  return (request, response, status, why, fault) => {
    log(`${status} ${request.method} ${shownUrl(request)}: ${why}`);
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    const told: Fault = fault ?? {
      code: 'bad-argument',
      message: `Refused: ${why}.`,
      hint: 'Open the address that Tastemaker printed when it started; through a tunnel, keep its port.',
    };
    response.end(JSON.stringify({ fault: told }));
  };
}
