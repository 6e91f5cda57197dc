// A text without one token of its answer, for every token of the answer: the score, or ln p of what follows.
//
// What comes before the token that is left out stands in the row once, for all: a row is
//   [the text][the rest after the first token left out][the rest after the second]...
// and a rest sees itself and as much of the text as comes before its gap. So n tokens cost n²/2 places, not n².
//
// T places of a row, Q of them read.

import type { Program } from '#core/autodiff/compile.ts';
import { checkpointParameters, scalesOf } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { readHead } from '#core/models/heads.ts';
import { tokenLogprobs } from '#core/models/token-logprobs.ts';
import { overLogits, trunk } from '#core/models/transformer.ts';
import { weightTypes } from '#core/models/weight-types.ts';
import { coarseLength } from './held-models.ts';
import type { Graphs } from './lens-graphs.ts';

/** The rest of a text after the token at `gap`, and the place in its row at which it stands. */
interface Rest {
  gap: number;
  place: number;
}

/** As many tokens of the text as its rests see, and the rests. */
interface RestRow {
  seen: number;
  rests: Rest[];
  length: number;
}

const ROW = 384; // places: of 192 to 768 the fastest on answers of 50 tokens, for attention grows with a row's square

/** Rows for the gaps `from` to the end of a text of so many tokens, filled one after the other. */
export function restRows(tokens: number, from: number): RestRow[] {
  const room = Math.max(ROW, 2 * tokens);
  const rows: RestRow[] = [];
  for (let gap = from; gap < tokens;) {
    const rests: Rest[] = [];
    let length = 0; // of the rests; the next one would make it `tokens - gap - 1` longer, and take `gap` of the text
    while (gap < tokens && length + tokens - 1 <= room) {
      rests.push({ gap, place: length });
      length += tokens - ++gap;
    }
    const seen = gap - 1;
    rows.push({ seen, rests: rests.map((one) => ({ ...one, place: seen + one.place })), length: seen + length });
  }
  return rows;
}

/** The place in the row of the token that stands at `index` where the one at the gap is left out. */
const placeOf = ({ gap, place }: Rest, index: number): number => (index < gap ? index : place + index - gap);

/** Scores [Q] of the places, or ln p [Q] of the targets after them; one row of T places. */
function restProgram(checkpoint: Checkpoint, T: number, Q: number): Program {
  const { architecture, head } = checkpoint;
  const isWriter = head === 'language-model';
  const row = { dtype: 'int32', shape: [1, T] } as const;
  const at = { dtype: 'int32', shape: [1, Q] } as const;
  return {
    state: {},
    frozen: weightTypes(checkpointParameters(checkpoint)),
    feeds: {
      ids: row,
      positions: row,
      segments: row,
      sees: row,
      at,
      ...(isWriter ? { targets: { dtype: 'int32', shape: [Q] } } : {}),
    },
    step: ({ graph, frozen, feeds }) => {
      const model = { architecture, weights: frozen, adapters: scalesOf(checkpoint), graph, forward: true };
      const [ids, positions, segments, sees] = [feeds.ids!, feeds.positions!, feeds.segments!, feeds.sees!];
      const taps = trunk(model, { ids, positions, segments, sees, at: feeds.at! });
      const y = isWriter
        ? overLogits(model, taps.hidden, [feeds.targets!], (logits, [targets]) => [tokenLogprobs(logits, targets!)])[0]!
        : readHead(head, model, taps);
      return { state: {}, outputs: { y } };
    },
  };
}

/** A place that is read, and the token that is asked about there, of a model that writes. */
interface Asked {
  place: number;
  target: number;
}

async function readRow(
  model: Graphs,
  text: readonly number[],
  { seen, rests, length }: RestRow,
  asked: readonly Asked[],
): Promise<number[]> {
  const T = coarseLength(length);
  const Q = coarseLength(asked.length);
  const [ids, positions, segments, sees] = Array.from({ length: 4 }, () => new Int32Array(T)) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  for (let t = 0; t < seen; t++) [ids[t], positions[t], sees[t]] = [text[t]!, t, seen];
  rests.forEach(({ gap, place }, k) => {
    for (let i = gap + 1; i < text.length; i++) {
      const t = place + i - gap - 1;
      [ids[t], positions[t], segments[t], sees[t]] = [text[i]!, i - 1, k + 1, gap];
    }
  });
  for (let t = length; t < T; t++) segments[t] = rests.length + 1; // padding sees itself
  const at = Int32Array.from({ length: Q }, (_, q) => asked[q]?.place ?? 0);
  const targets = Int32Array.from({ length: Q }, (_, q) => asked[q]?.target ?? 0);
  const isWriter = model.checkpoint.head === 'language-model';
  const graph = await model.graph(JSON.stringify(['rests', T, Q]), () => restProgram(model.checkpoint, T, Q));
  const feeds = { ids, positions, segments, sees, at, ...(isWriter ? { targets } : {}) };
  const { outputs } = await graph.run({}, model.checkpoint.weights, feeds);
  return Array.from((outputs.y!.data as Float32Array).subarray(0, asked.length));
}

/** Scores of a text without each token of the answer, read at the last token that is not passed over. */
export async function scoresWithout(
  model: Graphs,
  text: readonly number[],
  prompt: number,
  passedOver: number | null,
): Promise<number[]> {
  const scores: number[] = [];
  for (const row of restRows(text.length, prompt)) {
    const asked = row.rests.map((rest) => {
      const left = text.toSpliced(rest.gap, 1);
      return {
        place: placeOf(
          rest,
          Math.max(
            0,
            left.findLastIndex((id) => id !== passedOver),
          ),
        ),
        target: 0,
      };
    });
    scores.push(...(await readRow(model, text, row, asked)));
  }
  return scores;
}

/** Σ ln p of the tokens after each token of the answer, where that token is left out. */
export async function logprobsWithout(model: Graphs, text: readonly number[], prompt: number): Promise<number[]> {
  const sums: number[] = [];
  for (const row of restRows(text.length, prompt)) {
    const asked = row.rests.map((rest) =>
      text.slice(rest.gap + 1).map((target, k) => ({ place: placeOf(rest, rest.gap + k - 1), target })),
    );
    const found = await readRow(model, text, row, asked.flat());
    let first = 0;
    for (const { length } of asked) sums.push(found.slice(first, (first += length)).reduce((sum, x) => sum + x, 0));
  }
  return sums;
}
