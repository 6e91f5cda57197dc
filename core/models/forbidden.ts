// Texts that may not come out: which tokens would complete one of them, after every token that was written.
//
// A list of token sequences (transformers' bad_words_ids) keeps one spelling from coming out: the same text in other
// tokens passes, and so does one whose last token goes on beyond it. Here the texts are one automaton over bytes (Aho
// and Corasick 1975), and every token of the vocabulary is a step of it: a token is out of reach where reading its
// bytes would complete a text, however that text is cut into tokens. Most tokens do the same in every state; tokens
// that do are of one kind, so that the table is states × kinds, not states × vocabulary.

import { constant } from '#core/autodiff/graph.ts';
import type { Graph, Tensor } from '#core/autodiff/graph.ts';
import { add, mul, whole } from '#core/autodiff/ops/elementwise.ts';
import { gather } from '#core/autodiff/ops/indexing.ts';
import { TastemakerError } from '#core/errors.ts';

export interface Forbidden {
  /** the same for two that forbid the same under the same vocabulary */
  key: string;
  /** S states; 0 is the beginning, where nothing of a text stands yet */
  states: number;
  /** K kinds of tokens */
  kinds: number;
  /** the kind of every row of the vocabulary [V] */
  kindOf: Int32Array;
  /** the state after a token of a kind, or COMPLETES [S, K] */
  next: Int32Array;
}

const COMPLETES = -1;
/** what a logit out of reach loses */
const REMOVED = -1e9;
const MOST_BYTES = 4096; // of all texts together: the table grows with them

/**
 * The automaton of these texts over a vocabulary whose tokens spell `spellings`, as bytes of UTF-8 [V]; what spells
 * nothing (ends, holes) changes no state and is never out of reach. Null where there is no text. 'bad-argument' of more
 * than 4,096 bytes.
 */
export function forbid(texts: readonly string[], spellings: readonly Uint8Array[]): Forbidden | null {
  const patterns = [...new Set(texts.flatMap((text) => [text.normalize('NFC'), text.normalize('NFD'), text]))]
    .filter((text) => text !== '')
    .sort()
    .map((text) => new TextEncoder().encode(text));
  if (patterns.length === 0) return null;
  const bytes = patterns.reduce((sum, { length }) => sum + length, 0);
  if (bytes > MOST_BYTES)
    throw new TastemakerError(
      'bad-argument',
      `The forbidden texts have ${bytes.toLocaleString('en')} bytes; at most ${MOST_BYTES.toLocaleString('en')} can be kept from coming out.`,
      'Forbid fewer or shorter texts.',
    );
  const automaton = byteAutomaton(patterns);
  const known = new Map<string, { kind: number; step: Step }>();
  const kindOf = Int32Array.from(spellings, (spelling) => {
    const step = stepOf(automaton, spelling);
    const name = `${step.usual} ${step.others.join(' ')}`;
    if (!known.has(name)) known.set(name, { kind: known.size, step });
    return known.get(name)!.kind;
  });
  const [S, K] = [automaton.states, known.size];
  const next = new Int32Array(S * K);
  for (const { kind, step } of known.values()) {
    for (let s = 0; s < S; s++) next[s * K + kind] = step.usual;
    for (const [s, to] of step.others) next[s * K + kind] = to;
  }
  return { key: JSON.stringify(texts), states: S, kinds: K, kindOf, next };
}

interface ByteAutomaton {
  states: number;
  /** [states, 256] */
  next: Int32Array;
  /** how many bytes of a text stand there */
  depth: number[];
  /** a text ends there */
  complete: boolean[];
  /** by byte, the states from which it goes further than it would from the beginning */
  goingOn: number[][];
}

function byteAutomaton(patterns: readonly Uint8Array[]): ByteAutomaton {
  const children: Map<number, number>[] = [new Map()];
  const depth = [0];
  const complete = [false];
  for (const pattern of patterns) {
    let at = 0;
    for (const byte of pattern) {
      let child = children[at]!.get(byte);
      if (child === undefined) {
        child = children.length;
        children[at]!.set(byte, child);
        children.push(new Map());
        depth.push(depth[at]! + 1);
        complete.push(false);
      }
      at = child;
    }
    complete[at] = true;
  }
  const states = children.length;
  const next = new Int32Array(states * 256);
  const shorter = new Int32Array(states); // the longest text's beginning that this one ends with
  const order = [0];
  for (const state of order) {
    complete[state] ||= complete[shorter[state]!]!;
    for (let byte = 0; byte < 256; byte++) {
      const child = children[state]!.get(byte);
      const back = state === 0 ? 0 : next[shorter[state]! * 256 + byte]!;
      next[state * 256 + byte] = child ?? back;
      if (child === undefined) continue;
      shorter[child] = back;
      order.push(child);
    }
  }
  const goingOn = Array.from({ length: 256 }, (_, byte) =>
    Array.from({ length: states }, (__, state) => state).filter((state) => depth[next[state * 256 + byte]!]! > 1),
  );
  return { states, next, depth, complete, goingOn };
}

/** What a token does: the state it leads to from most states, and the states where it is otherwise. */
interface Step {
  usual: number;
  others: [state: number, to: number][];
}

function stepOf({ states, next, depth, complete, goingOn }: ByteAutomaton, spelling: Uint8Array): Step {
  if (spelling.length === 0)
    return { usual: 0, others: Array.from({ length: states - 1 }, (_, s) => [s + 1, s + 1] as [number, number]) };
  /** null: from some byte on it is as from the beginning */
  const walk = (from: number): number | null => {
    let state = from;
    for (let i = 0; i < spelling.length; i++) {
      state = next[state * 256 + spelling[i]!]!;
      if (complete[state]) return COMPLETES;
      if (from !== 0 && depth[state]! <= i + 1) return null;
    }
    return state;
  };
  const usual = walk(0)!;
  if (usual === COMPLETES) return { usual, others: [] }; // wherever one is
  const others = goingOn[spelling[0]!]!.flatMap((state): [number, number][] => {
    const to = state === 0 ? null : walk(state);
    return to === null ? [] : [[state, to]];
  });
  return { usual, others };
}

/** The state before each token of what was written. */
export function statesBefore({ kinds, kindOf, next }: Forbidden, ids: readonly number[]): Int32Array {
  let state = 0;
  return Int32Array.from(ids, (id) => {
    const before = state;
    state = Math.max(0, next[state * kinds + kindOf[id]!]!);
    return before;
  });
}

/** Logits [N, V] with the tokens out of reach that would complete a text; states int32 [N]. */
export function allowed({ states: S, kinds: K, kindOf, next }: Forbidden, logits: Tensor, states: Tensor): Tensor {
  const costs = constant(
    logits.graph,
    'float32',
    [S, K],
    Array.from(next, (to) => (to === COMPLETES ? REMOVED : 0)),
  );
  return add(logits, gather(gather(costs, states), constant(logits.graph, 'int32', [kindOf.length], kindOf), 1));
}

/** The states after one more token a row; both int32 [B]. */
export function stateAfter(
  graph: Graph,
  { kinds: K, kindOf, next }: Forbidden,
  states: Tensor,
  tokens: Tensor,
): Tensor {
  const to = constant(
    graph,
    'int32',
    [next.length],
    next.map((state) => Math.max(0, state)),
  );
  const kinds = gather(constant(graph, 'int32', [kindOf.length], kindOf), tokens);
  return gather(to, add(mul(states, whole(states, K)), kinds));
}
