// The last answers of each window, so that a call sent again after a lost connection is answered, not carried out
// twice.

import type { Reply, Request } from '#core/contract/messages.ts';
import { LONGEST_REPLY } from '#core/wire.ts';

const KEPT_REPLIES = 200;
/** Of all windows together: a window that was loaded anew leaves its answers behind. */
const KEPT_CHARACTERS = 16 * 2 ** 20;
/** What an answer takes besides its text. */
const EACH = 500;
/**
 * A window that is forgotten altogether could have a call carried out twice: of thousands, only the longest unused are.
 */
const KEPT_CLIENTS = 5000;

interface Client {
  answers: Map<number, Answer>;
  /** the largest id whose answer has been dropped */ dropped: number;
}
interface Answer {
  text: Promise<string>;
  length: number;
}

export interface RecentReplies {
  /** The answer to a call of this window as JSON; the same id always gets the same one. Never rejects. */
  answer(client: string, request: Request): Promise<string>;
  /** characters of the answers that are kept */
  kept(): number;
}

export function createRecentReplies(call: (request: Request) => Promise<Reply>): RecentReplies {
  const clients = new Map<string, Client>(); // in order of use
  let characters = 0;

  function clientOf(name: string): Client {
    const client = clients.get(name) ?? { answers: new Map(), dropped: -1 };
    clients.delete(name);
    clients.set(name, client);
    for (const [old, { answers }] of clients) {
      if (clients.size <= KEPT_CLIENTS) break;
      for (const { length } of answers.values()) characters -= length;
      clients.delete(old);
    }
    return client;
  }

  /** Drops the oldest answers of a window that have been given, as long as `more` says so; calls at work stay. */
  function forget(client: Client, more: () => boolean): void {
    for (const [id, { length }] of client.answers) {
      if (!more()) return;
      if (length === 0) continue;
      client.answers.delete(id);
      characters -= length;
      client.dropped = Math.max(client.dropped, id);
    }
  }

  /** Within the bounds again: those of this window, then of all, the longest unused first. */
  function tidy(client: Client): void {
    forget(client, () => client.answers.size > KEPT_REPLIES);
    for (const one of clients.values()) {
      if (characters <= KEPT_CHARACTERS) return;
      forget(one, () => characters > KEPT_CHARACTERS);
    }
  }

  return {
    kept: () => characters,
    answer: (name, request) => {
      const client = clientOf(name);
      const known = client.answers.get(request.id);
      if (known) return known.text;
      if (request.id <= client.dropped)
        return Promise.resolve(faultText(request.id, `The answer to "${request.call}" was lost with the connection.`));
      const answer: Answer = { text: answered(call, request), length: 0 };
      client.answers.set(request.id, answer);
      void answer.text.then((text) => {
        if (client.answers.get(request.id) !== answer || clients.get(name) !== client) return; // forgotten meanwhile
        answer.length = text.length + EACH;
        characters += answer.length;
        tidy(client);
      });
      return answer.text;
    },
  };
}

const faultText = (id: number, message: string): string =>
  JSON.stringify({
    id,
    fault: { code: 'crash', message, hint: 'Look at what is there, and do it again where it is missing.' },
  } satisfies Reply);

/** The reply as JSON; a fault where it cannot be written or is longer than a window is sent. */
async function answered(call: (request: Request) => Promise<Reply>, request: Request): Promise<string> {
  try {
    const text = JSON.stringify(await call(request));
    return text.length <= LONGEST_REPLY
      ? text
      : faultText(
          request.id,
          `The answer to "${request.call.slice(0, 60)}" is longer than ${LONGEST_REPLY / 2 ** 20} MiB, the most that a window is sent at once.`,
        );
  } catch (error) {
    return faultText(
      request.id,
      `The answer to "${request.call.slice(0, 60)}" could not be written: ${String(error)}.`,
    );
  }
}
