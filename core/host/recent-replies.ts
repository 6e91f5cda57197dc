// The last answers of each window, so that a call sent again after a lost connection is answered, not carried out twice.

import type { Reply, Request } from '#core/contract.ts';

const KEPT_REPLIES = 200, KEPT_CHARACTERS = 16 * 2 ** 20;
const KEPT_CLIENTS = 64;

interface Client { answers: Map<number, Answer>; characters: number; /** the largest id whose answer has been dropped */ dropped: number }
interface Answer { text: Promise<string>; length: number }

export interface RecentReplies {
  /** The answer to a call of this window as JSON; the same id always gets the same one. */
  answer(client: string, request: Request): Promise<string>;
}

export function createRecentReplies(call: (request: Request) => Promise<Reply>): RecentReplies {
  const clients = new Map<string, Client>(); // in order of use

  function clientOf(name: string): Client {
    const client = clients.get(name) ?? { answers: new Map(), characters: 0, dropped: -1 };
    clients.delete(name);
    clients.set(name, client);
    for (const [old] of clients) {
      if (clients.size <= KEPT_CLIENTS) break;
      clients.delete(old);
    }
    return client;
  }

  return {
    answer: (name, request) => {
      const client = clientOf(name);
      const known = client.answers.get(request.id);
      if (known) return known.text;
      if (request.id <= client.dropped) {
        const fault = { code: 'crash', message: `The answer to "${request.call}" was lost with the connection.`, hint: 'Look at what is there, and do it again where it is missing.' };
        return Promise.resolve(JSON.stringify({ id: request.id, fault } satisfies Reply));
      }
      const answer: Answer = { text: call(request).then((reply) => JSON.stringify(reply)), length: 0 };
      client.answers.set(request.id, answer);
      void answer.text.then((text) => {
        answer.length = text.length;
        client.characters += text.length;
        forget(client);
      });
      return answer.text;
    },
  };
}

/** Drops the oldest answers that have been given; calls at work stay. */
function forget(client: Client): void {
  for (const [id, { length }] of client.answers) {
    if (client.answers.size <= KEPT_REPLIES && client.characters <= KEPT_CHARACTERS) return;
    if (length === 0) continue;
    client.answers.delete(id);
    client.characters -= length;
    client.dropped = Math.max(client.dropped, id);
  }
}
