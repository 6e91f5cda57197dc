// Every tensor of a model's files is accounted for: read, a buffer that is computed anew, or surplus, which is named or
// refused.

import { TastemakerError } from '#core/errors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import type { Architecture } from './architecture.ts';
import { families } from './families.ts';

/** What programs save beside the weights and compute anew when they read them. */
const BUFFERS = /(^|\.)rotary_emb\.(inv_freq|cos_cached|sin_cached)$/;
const FAMILY_BUFFERS: Readonly<Record<string, RegExp>> = {
  gpt2: /(^|\.)h\.\d+\.(attn|crossattention)\.(bias|masked_bias)$/,
  gpt_neox: /(^|\.)layers\.\d+\.attention\.(bias|masked_bias)$/,
};

const HEAD =
  /(^|[._])(heads?|scores?|scorer|classifier|classification|embed_out|output|outputs|reward|rewards|value|critic|regression|logits|v_head)([._]|$)/i;
const NORM = /norm|(^|[._])ln(_|\.|\d)/i;

/** Names are cut where someone made them endless. */
export const quotedTensor = (name: string): string => JSON.stringify(name.slice(0, 200));

export const isHeadName = (name: string): boolean => HEAD.test(name);

/** What a tensor is that nobody reads: why it is refused, or null for one that changes nothing. */
function meaningOf(name: string, shape: readonly number[], { channels, layers, family }: Architecture): string | null {
  const { names } = families[family];
  const stem = names.firstNorm.slice(names.embedding.indexOf('.') + 1, names.firstNorm.indexOf('{}'));
  const block = new RegExp(`(?:^|\\.)${stem.replaceAll('.', '\\.')}(\\d+)\\.`).exec(name)?.[1];
  if (block !== undefined && Number(block) >= layers)
    return `beyond the layers that config.json speaks of, which are ${layers}`;
  if (name.endsWith('bias'))
    return `but config.json speaks of no such ${HEAD.test(name) && block === undefined ? 'heads' : 'biases'}`;
  if (block !== undefined)
    return `but config.json speaks of no such ${NORM.test(name) ? 'norms' : 'parts of its layers'}`;
  if (HEAD.test(name) || (shape.length === 2 && shape.includes(channels)))
    return 'but config.json speaks of no such heads';
  if (NORM.test(name) || (shape.length === 1 && shape[0] === channels))
    return 'but config.json speaks of no such norms';
  return null;
}

/** Shown names of a few tensors, and how many there are beyond. */
function listed(names: readonly string[]): string {
  const most = 5;
  return `${names.slice(0, most).map(quotedTensor).join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`;
}

/**
 * Sentences about what the files hold besides what is `read` (names as in the files). 'bad-model' for a bias, a norm, a
 * layer or a head that config.json does not speak of; `known` are those that are left aside for a reason said
 * elsewhere.
 */
export function accountForTensors(
  place: string,
  stored: Weights,
  architecture: Architecture,
  read: ReadonlySet<string>,
  known: readonly string[] = [],
): string[] {
  const { names } = families[architecture.family];
  const prefix = names.embedding.slice(0, names.embedding.indexOf('.') + 1);
  const buffers = FAMILY_BUFFERS[architecture.family];
  const surplus = stored
    .names()
    .filter((name) => !read.has(name) && !known.includes(name) && !BUFFERS.test(name) && !buffers?.test(name));
  const twice = surplus.find(
    (name) => read.has(prefix + name) || (name.startsWith(prefix) && read.has(name.slice(prefix.length))),
  );
  if (twice !== undefined)
    throw new TastemakerError(
      'bad-model',
      `${place} holds the tensor ${quotedTensor(twice)} twice, with and without "${prefix}".`,
      'Keep the one that belongs to the model.',
    );
  const refused = surplus
    .map((name) => ({ name, why: meaningOf(name, stored.shape(name), architecture) }))
    .filter(({ why }) => why !== null);
  const [first] = refused;
  if (first) {
    const more = refused.length > 1 ? ` (and ${listed(refused.slice(1).map(({ name }) => name))})` : '';
    throw new TastemakerError(
      'bad-model',
      `${place} holds ${quotedTensor(first.name)}${more}, ${first.why}.`,
      `Take config.json from the model that these weights belong to; a ${architecture.family} model with other parts is not read.`,
    );
  }
  return surplus.length
    ? [`Not read, for a ${architecture.family} model has no part of that name: ${listed(surplus)}.`]
    : [];
}
