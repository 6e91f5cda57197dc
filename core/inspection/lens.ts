// The logit lens: what a model would write at each position if it stopped after each layer, alone or beside another
// checkpoint (docs/algorithms/lens.md).

import type { Lens, LensDifference, LensLayer, ReadText } from '#core/contract/inspect.ts';
import { TastemakerError } from '#core/errors.ts';
import { readWriting, requireFits, requireSameTokens } from './read-text.ts';
import type { WrittenText } from './read-text.ts';
import { requireWriter } from './held-models.ts';
import type { HeldModel, HeldModels, ModelPlace } from './held-models.ts';
import { readLayers } from './lens-graphs.ts';

/**
 * At most `size` positions of a text whose length the asker does not know; `from` null: the page of that size in which
 * the answer begins.
 */
export interface LensPage {
  from: number | null;
  size: number;
}

export interface LensQuestion extends WrittenText {
  model: ModelPlace;
  /** another checkpoint that reads the same tokens; null for none */
  beside: ModelPlace | null;
  /** 0 is the embedding, L what the last block made; null for all */
  layers: readonly number[] | null;
  /** positions from and to before, or a page of them; null for all */
  positions: readonly [number, number] | LensPage | null;
  /** how many of the likeliest tokens, at least 1 */
  count: number;
}

const MOST_TOKENS = 2 ** 17; // best tokens in one answer: layers × positions × count

/**
 * 'bad-argument' of a model that cannot write, a text without tokens, layers or positions that are not there, and
 * checkpoints that cannot stand beside one another; 'too-long' where the text does not fit, or the answer would not.
 */
export async function lens(models: HeldModels, question: LensQuestion): Promise<Lens> {
  const model = await models.of(question.model);
  requireWriter(model);
  const text = await readWriting(model, question);
  requireFits(model, text.ids.length);
  const layers = question.layers ?? Array.from({ length: model.checkpoint.architecture.layers + 1 }, (_, l) => l);
  const positions = positionsOf(question.positions, text);
  const asked = { ids: text.ids, from: positions[0], to: positions[1], layers, count: question.count };
  requirePositions(text.ids.length, positions);
  requireRoom(layers.length, positions, question.count);
  requireLayers(model, layers);
  const own = await readBy(model, asked);
  if (question.beside === null) return { ...text, positions, layers: own, beside: null, difference: null };
  const other = await models.of(question.beside);
  requireWriter(other);
  requireSameTokens(model, other);
  requireFits(other, text.ids.length);
  requireLayers(other, layers);
  requireSameDepth(model, other);
  const beside = await readBy(other, asked);
  return { ...text, positions, layers: own, beside, difference: own.map((layer, i) => difference(beside[i]!, layer)) };
}

/** An answer begins at the position before it: there its first token is what follows. */
function positionsOf(wanted: LensQuestion['positions'], { ids, prompt }: ReadText): [number, number] {
  if (wanted === null) return [0, ids.length];
  if (!('size' in wanted)) return [...wanted];
  const { size, from } = wanted;
  const begin = from ?? Math.floor(Math.max(0, prompt - 1) / size) * size;
  return [begin, Math.min(begin + size, ids.length)];
}

async function readBy(model: HeldModel, asked: Parameters<typeof readLayers>[1]): Promise<LensLayer[]> {
  const { tokenizer, name } = model;
  const layers = await readLayers(model, asked);
  return layers.map(({ ids, logprobs, ...numbers }) => {
    if (![...numbers.norms, ...numbers.entropies, ...numbers.divergences].every(Number.isFinite))
      throw new TastemakerError(
        'not-finite',
        `The numbers of “${name}” after layer ${numbers.layer} are not finite.`,
        'Its weights are damaged or too large: add it once more to see what is said of them, or take an earlier checkpoint.',
      );
    const best = ids.map((row, p) =>
      row
        .map((id, i) => ({ id, token: tokenizer.token(id), logprob: logprobs[p]![i]! }))
        .filter(({ id }) => tokenizer.isToken(id)),
    );
    return { ...numbers, best };
  });
}

/** a less b, position by position. */
function difference(a: LensLayer, b: LensLayer): LensDifference {
  const less = (x: readonly number[], y: readonly number[]) => x.map((value, p) => value - y[p]!);
  const known = (x: readonly (number | null)[], y: readonly (number | null)[]) =>
    x.map((value, p) => (value === null ? null : value - y[p]!));
  return {
    layer: a.layer,
    entropies: less(a.entropies, b.entropies),
    divergences: less(a.divergences, b.divergences),
    nextLogprobs: known(a.nextLogprobs, b.nextLogprobs),
    nextRanks: known(a.nextRanks, b.nextRanks),
    norms: less(a.norms, b.norms),
  };
}

function requireLayers({ checkpoint, name }: HeldModel, layers: readonly number[]): void {
  const { layers: L } = checkpoint.architecture;
  const strange = layers.find((layer) => !Number.isInteger(layer) || layer < 0 || layer > L);
  if (strange === undefined) return;
  throw new TastemakerError(
    'bad-argument',
    `“${name}” has the layers 0, its embedding, to ${L}; there is no layer ${strange}.`,
    'Ask for layers that it has.',
  );
}

function requirePositions(tokens: number, [from, to]: readonly [number, number]): void {
  if (from >= 0 && from < to && to <= tokens) return;
  throw new TastemakerError(
    'bad-argument',
    `The text has the positions 0 to ${tokens - 1}; ${from} to before ${to} is no part of it.`,
    'Ask for a part of the text.',
  );
}

function requireRoom(layers: number, [from, to]: readonly [number, number], count: number): void {
  if (layers * (to - from) * count <= MOST_TOKENS) return;
  throw new TastemakerError(
    'too-long',
    `${layers} layers at ${to - from} positions with ${count} tokens each are more than a lens shows at once.`,
    `Ask for at most ${Math.floor(MOST_TOKENS / (layers * count))} positions, fewer layers or fewer tokens.`,
  );
}

function requireSameDepth(one: HeldModel, other: HeldModel): void {
  const [L, M] = [one, other].map(({ checkpoint }) => checkpoint.architecture.layers) as [number, number];
  if (L === M) return;
  throw new TastemakerError(
    'bad-argument',
    `“${one.name}” has ${L} layers and “${other.name}” has ${M}, so that they cannot be compared layer by layer.`,
    'Compare checkpoints of one model, or look at each by itself.',
  );
}
