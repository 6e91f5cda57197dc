// What is shown of a comparison: the order of its prompts, how strongly a change of probability is coloured, tables.

import type { ComparedPrompt, Comparison } from '#core/contract/compare.ts';
import { signed } from '#renderer/components/inspect/token-colours.ts';
import type { Tint } from '#renderer/components/inspect/token-colours.ts';

/** A larger change has the full colour: e^4 is 55 times as likely. */
export const FULL = 4;
export const tintOf = ({ a, b }: { a: number; b: number }): Tint => signed(b - a, FULL);

const gain = ({ a, b }: ComparedPrompt): number => (b.score ?? 0) - (a.score ?? 0);
interface Order {
  name: string;
  needsScores: boolean;
  compare(one: ComparedPrompt, other: ComparedPrompt): number;
}
export const ORDERS = {
  moved: {
    name: 'largest change of probability first',
    needsScores: false,
    compare: (one, other) => other.moved - one.moved,
  },
  gained: { name: 'score gained most first', needsScores: true, compare: (one, other) => gain(other) - gain(one) },
  lost: { name: 'score lost most first', needsScores: true, compare: (one, other) => gain(one) - gain(other) },
} as const satisfies Record<string, Order>;
export type OrderName = keyof typeof ORDERS;

/** A row a prompt. */
export const answersTable = ({ a, b, rows }: Comparison): (string | number | null)[][] => [
  ['prompt', 'policy_a', 'policy_b', 'answer_a', 'answer_b', 'score_a', 'score_b', 'change', 'moved'],
  ...rows.map((row) => [row.promptId, a, b, row.a.text, row.b.text, row.a.score, row.b.score, row.change, row.moved]),
];

/** A row a token of the second's answers. */
export const tokensTable = ({ rows }: Pick<Comparison, 'rows'>): (string | number | null)[][] => [
  ['prompt', 'token_index', 'token', 'logprob_a', 'logprob_b', 'change'],
  ...rows.flatMap(({ promptId, tokens }) => tokens.map(({ token, a, b }, t) => [promptId, t, token, a, b, b - a])),
];
