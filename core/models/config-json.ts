// A Hugging Face config.json read into an architecture, in the current or the older spelling, and written back.

import { TastemakerError } from '#core/errors.ts';
import { brief } from '#core/formats/json-file.ts';
import { settingsOf } from '#core/formats/settings.ts';
import type { Settings } from '#core/formats/settings.ts';
import type { Architecture, RopeScaling } from './architecture.ts';
import { families } from './families.ts';
import { HEADS } from './heads.ts';
import type { HeadName } from './heads.ts';
import { headKey } from './stored-head.ts';
import type { Activation, FamilyName } from './families.ts';

export type Config = Record<string, unknown>;

/** Parameters are listed by layer: a false number must not list more than fit in memory. */
const MOST_LAYERS = 10_000;
const HINT = 'Take config.json from the model it belongs to.';

const ACTIVATIONS: Record<string, Activation> = {
  gelu: 'gelu',
  gelu_new: 'gelu-tanh',
  gelu_fast: 'gelu-tanh',
  gelu_pytorch_tanh: 'gelu-tanh',
  silu: 'silu',
  swish: 'silu',
};
const GELUS = ['gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'];
const SILUS = ['silu', 'swish'];

/**
 * How a family's config.json calls the sizes; several names of one size must agree. `nullable` are those whose null
 * means that nothing is said.
 */
interface Keys {
  channels: readonly string[];
  layers: readonly string[];
  heads: readonly string[];
  context: readonly string[];
  feedForward: string;
  epsilon: string;
  activation: string;
  theta: readonly string[];
  share: readonly string[];
  nullable: readonly string[];
}
const COMMON: Keys = {
  channels: ['hidden_size'],
  layers: ['num_hidden_layers'],
  heads: ['num_attention_heads'],
  context: ['max_position_embeddings'],
  feedForward: 'intermediate_size',
  epsilon: 'rms_norm_eps',
  activation: 'hidden_act',
  theta: ['rope_theta'],
  share: ['partial_rotary_factor'],
  nullable: ['num_key_value_heads', 'head_dim'],
};
/**
 * One entry a family: its names, what config.json leaves unsaid, and the options that change the arithmetic with the
 * values that the blocks implement.
 */
const FAMILY_CONFIGS: Record<
  FamilyName,
  {
    keys: Keys;
    tied: boolean;
    normEpsilon: number;
    usual: string;
    rotary: number;
    options: Record<string, readonly unknown[]>;
  }
> = {
  gpt2: {
    keys: {
      ...COMMON,
      channels: ['n_embd', 'hidden_size'],
      layers: ['n_layer', 'num_hidden_layers'],
      heads: ['n_head', 'num_attention_heads'],
      context: ['n_positions', 'max_position_embeddings'],
      feedForward: 'n_inner',
      epsilon: 'layer_norm_epsilon',
      activation: 'activation_function',
      nullable: ['n_inner'],
    },
    tied: true,
    normEpsilon: 1e-5,
    usual: 'gelu_new',
    rotary: 1,
    options: {
      activation_function: GELUS,
      scale_attn_weights: [true],
      scale_attn_by_inverse_layer_idx: [false],
      add_cross_attention: [false],
    },
  },
  gpt_neox: {
    keys: {
      ...COMMON,
      epsilon: 'layer_norm_eps',
      theta: ['rotary_emb_base', 'rope_theta'],
      share: ['rotary_pct', 'partial_rotary_factor'],
      nullable: [],
    },
    tied: false,
    normEpsilon: 1e-5,
    usual: 'gelu',
    rotary: 0.25,
    options: { hidden_act: GELUS, attention_bias: [true], use_parallel_residual: [true, false] },
  },
  llama: {
    keys: COMMON,
    tied: false,
    normEpsilon: 1e-6,
    usual: 'silu',
    rotary: 1,
    options: { hidden_act: SILUS, attention_bias: [false], mlp_bias: [false] },
  },
  qwen2: {
    keys: COMMON,
    tied: false,
    normEpsilon: 1e-6,
    usual: 'silu',
    rotary: 1,
    options: { hidden_act: SILUS, use_sliding_window: [false] },
  },
  qwen3: {
    keys: COMMON,
    tied: false,
    normEpsilon: 1e-6,
    usual: 'silu',
    rotary: 1,
    options: { hidden_act: SILUS, attention_bias: [false], use_sliding_window: [false] },
  },
};
export const FAMILY_NAMES = Object.keys(FAMILY_CONFIGS) as FamilyName[];

/** The settings of a config.json, each read by its key and type. */
export const configSettings = (config: Config, file: string): Settings => settingsOf(config, file, { hint: HINT });

/**
 * What `endOfText` is of an architecture whose config.json names no end: whoever reads the folder looks for it
 * elsewhere.
 */
export const NO_END = -1;

/**
 * `file` is named in errors. An unknown family, option or size is refused with what works, and a key in an unexpected
 * form by its name.
 */
export function readArchitecture(config: Config, file: string): Architecture {
  const read = configSettings(config, file);
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file}: ${what}.`, hint);
  };
  const family = read.raw('model_type') as FamilyName;
  if (typeof family !== 'string' || !Object.hasOwn(FAMILY_CONFIGS, family))
    read.refuse(
      'model_type',
      `is ${brief(config['model_type'])}, a family that is not known`,
      `Families that work: ${FAMILY_NAMES.join(', ')}.`,
    );
  const { keys, tied, normEpsilon, usual, rotary, options } = FAMILY_CONFIGS[family];
  if (read.has('quantization_config'))
    read.refuse(
      'quantization_config',
      'says that the weights are quantised, which is not read',
      'Save the model again without quantisation, as F32, F16 or BF16, or take it as GGUF.',
    );
  for (const [key, wanted] of Object.entries(options)) read.oneOf(key, wanted);
  const count = (key: string, otherwise?: number): number =>
    read.whole(key, { least: 1, orNull: keys.nullable.includes(key) }) ?? otherwise ?? read.refuse(key, 'is missing');
  const size = (names: readonly string[], most = 2 ** 31): number =>
    agreed(read, names, (key) => read.whole(key, { least: 1, most })) ?? read.refuse(names[0]!, 'is missing');
  const channels = size(keys.channels);
  const heads = size(keys.heads);
  const layers = size(keys.layers, MOST_LAYERS);
  checkLayerTypes(read, layers);
  const { fused, positions } = families[family];
  const keyValueHeads = fused ? heads : count('num_key_value_heads', heads);
  const headWidth = fused ? channels / heads : count('head_dim', channels / heads);
  if (!Number.isInteger(headWidth)) refuse(`${heads} heads do not divide the ${channels} channels`, HINT);
  if (heads % keyValueHeads !== 0) refuse(`${heads} heads do not divide into ${keyValueHeads} key-value heads`, HINT);
  const rope =
    positions === 'rotary'
      ? readRope(read, keys, rotary, family === 'gpt_neox')
      : { theta: 10000, share: 1, scaling: null };
  const rotaryWidth = rope.share * headWidth;
  if (positions === 'rotary' && (rotaryWidth % 2 !== 0 || rotaryWidth < 2 || rotaryWidth > headWidth))
    refuse(
      `the rotary part of a head would be ${rotaryWidth} of ${headWidth} numbers wide`,
      'It is an even part of the head: check "partial_rotary_factor" (or "rotary_pct") and "head_dim".',
    );
  const vocabulary = count('vocab_size');
  const stops = read.ids('eos_token_id', { orNull: true }) ?? [];
  const pad = read.whole('pad_token_id', { least: -1, orNull: true }) ?? -1;
  const begin = read.whole('bos_token_id', { least: -1, orNull: true });
  const beyond = stops.find((id) => id >= vocabulary);
  if (beyond !== undefined) read.refuse('eos_token_id', `is ${beyond}, but there are only ${vocabulary} tokens`);
  return {
    family,
    channels,
    heads,
    keyValueHeads,
    headWidth,
    activation: ACTIVATIONS[read.text(keys.activation) ?? usual]!,
    rotaryWidth, // one of the options
    vocabulary,
    layers,
    feedForward: count(keys.feedForward, family === 'gpt2' ? 4 * channels : undefined),
    parallel: family === 'gpt_neox' && (read.flag('use_parallel_residual') ?? true),
    context: size(keys.context),
    normEpsilon: read.number(keys.epsilon, { least: 0 }) ?? normEpsilon,
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    tied: read.flag('tie_word_embeddings') ?? tied,
    endOfText: stops[0] ?? NO_END,
    stops,
    pad: pad < 0 || pad >= vocabulary ? null : pad, // -1 is how older programs write that there is none
    beginOfText: begin !== undefined && begin >= 0 && begin < vocabulary ? begin : null,
  };
}

/** What the first of these keys that is there says, once all that are there say the same. */
function agreed(
  read: Settings,
  names: readonly string[],
  valueOf: (key: string) => number | undefined,
): number | undefined {
  const said = names.map((key) => ({ key, value: valueOf(key) })).filter(({ value }) => value !== undefined);
  const other = said.find(({ value }) => value !== said[0]!.value);
  return other
    ? read.refuse(other.key, `is ${other.value}, but "${said[0]!.key}" is ${said[0]!.value}`)
    : said[0]?.value;
}

function checkLayerTypes(read: Settings, layers: number): void {
  const kinds = read.texts('layer_types', { orNull: true });
  if (!kinds) return;
  const other = kinds.find((kind) => kind !== 'full_attention');
  if (other !== undefined)
    read.refuse('layer_types', `holds ${brief(other)}`, 'What works: "full_attention" in every layer.');
  if (kinds.length !== layers) read.refuse('layer_types', `lists ${kinds.length} layers, but there are ${layers}`);
}

const ROPE_KEYS = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];
const STRETCHED_KEYS = ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'];
const isObject = (value: unknown): value is Config =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of "rope_parameters" and the older "rope_scaling" the one that says something. */
function ropeSettings(read: Settings): Settings | null {
  const [now, before] = ['rope_parameters', 'rope_scaling']
    .map((key) => ({ key, found: read.object(key, { orNull: true }) }))
    .filter(({ found }) => found && found.keys().length > 0);
  if (now && before && JSON.stringify(read.raw(now.key)) !== JSON.stringify(read.raw(before.key)))
    read.refuse(before.key, `says other than "${now.key}"`, 'Keep the one that the model was trained with.');
  const kinds = now?.found?.keys().filter((key) => isObject(now.found!.raw(key))) ?? [];
  // what the file means is not what transformers makes of it, which is the default
  if (now && kinds.length > 0)
    read.refuse(
      now.key,
      `holds settings by kind of layer (${kinds.map((key) => brief(key)).join(', ')})`,
      'Write those that the model was trained with directly into it: all layers of these families are of one kind.',
    );
  return now?.found ?? null;
}

function readRope(
  read: Settings,
  keys: Keys,
  usual: number,
  partial: boolean,
): { theta: number; share: number; scaling: RopeScaling | null } {
  const rope = ropeSettings(read);
  const number = (names: readonly string[]) => agreed(read, names, (key) => read.number(key, { above: 0 }));
  const above = { theta: number(keys.theta), share: number(keys.share) };
  const theta = rope?.number('rope_theta', { above: 0 }) ?? above.theta ?? 10000;
  const share = rope?.number('partial_rotary_factor', { above: 0 }) ?? above.share ?? usual;
  if (share !== 1 && !partial)
    (rope?.has('partial_rotary_factor') ? rope : read).refuse(
      'partial_rotary_factor',
      `is ${share}`,
      'What works in this family: 1, the whole head.',
    );
  if (!rope) return { theta, share, scaling: null };
  const [type = 'default', older = type] = [rope.text('rope_type') ?? rope.text('type'), rope.text('type')];
  if (older !== type) rope.refuse('type', `is ${brief(older)}, but "rope_type" is ${brief(type)}`);
  if (type !== 'default' && type !== 'llama3')
    rope.refuse(rope.has('rope_type') ? 'rope_type' : 'type', `is ${brief(type)}`, 'What works: "default", "llama3".');
  const other = rope
    .keys()
    .find((key) => rope.has(key) && ![...ROPE_KEYS, ...(type === 'llama3' ? STRETCHED_KEYS : [])].includes(key));
  if (other !== undefined)
    rope.refuse(
      other,
      `is ${brief(rope.raw(other))}, which rotary positions of the type "${type}" do not have`,
      'Name the type that it belongs to, or take the setting away.',
    );
  if (type === 'default') return { theta, share, scaling: null };
  const part = (key: string): number => rope.number(key, { above: 0 }) ?? rope.refuse(key, 'is missing');
  const scaling = {
    factor: part('factor'),
    lowFrequencyFactor: part('low_freq_factor'),
    highFrequencyFactor: part('high_freq_factor'),
    originalContext: part('original_max_position_embeddings'),
  };
  if (scaling.highFrequencyFactor <= scaling.lowFrequencyFactor)
    rope.refuse(
      'high_freq_factor',
      `is ${scaling.highFrequencyFactor}, not above "low_freq_factor", ${scaling.lowFrequencyFactor}`,
    );
  return { theta, share, scaling };
}

const WRITTEN: Record<Activation, string> = { gelu: 'gelu', 'gelu-tanh': 'gelu_new', silu: 'silu' };

/** The config.json that transformers reads back as the same model. */
export function writeArchitecture(model: Architecture): Config {
  const { family } = model;
  const act = WRITTEN[model.activation];
  const common = {
    model_type: family,
    architectures: [families[family].classes.causal],
    vocab_size: model.vocabulary,
    tie_word_embeddings: model.tied,
    dtype: 'float32',
    bos_token_id: model.beginOfText,
    eos_token_id: model.stops.length > 1 ? [...model.stops] : model.endOfText,
    pad_token_id: model.pad,
  };
  if (family === 'gpt2') {
    return {
      ...common,
      n_embd: model.channels,
      n_layer: model.layers,
      n_head: model.heads,
      n_positions: model.context,
      n_inner: model.feedForward,
      activation_function: act,
      layer_norm_epsilon: model.normEpsilon,
      resid_pdrop: 0,
      embd_pdrop: 0,
      attn_pdrop: 0,
    };
  }
  const scaling = model.ropeScaling;
  const isNeox = family === 'gpt_neox';
  const rope = {
    ...(scaling
      ? {
          rope_type: 'llama3',
          factor: scaling.factor,
          low_freq_factor: scaling.lowFrequencyFactor,
          high_freq_factor: scaling.highFrequencyFactor,
          original_max_position_embeddings: scaling.originalContext,
        }
      : { rope_type: 'default' }),
    rope_theta: model.ropeTheta,
    ...(isNeox ? { partial_rotary_factor: model.rotaryWidth / model.headWidth } : {}),
  };
  const sizes = {
    hidden_size: model.channels,
    num_hidden_layers: model.layers,
    num_attention_heads: model.heads,
    intermediate_size: model.feedForward,
    max_position_embeddings: model.context,
    hidden_act: act,
    rope_parameters: rope,
  };
  if (isNeox)
    return {
      ...common,
      ...sizes,
      layer_norm_eps: model.normEpsilon,
      use_parallel_residual: model.parallel,
      attention_bias: true,
      hidden_dropout: 0,
      attention_dropout: 0,
    };
  return {
    ...common,
    ...sizes,
    num_key_value_heads: model.keyValueHeads,
    head_dim: model.headWidth,
    rms_norm_eps: model.normEpsilon,
    ...(family === 'llama'
      ? { attention_bias: false, mlp_bias: false }
      : { use_sliding_window: false, ...(family === 'qwen3' ? { attention_bias: false } : {}) }),
  };
}

const DTYPES = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/**
 * The same for weights of this type under a head.
 */
export function modelConfig(model: Architecture, head: HeadName, dtype: keyof typeof DTYPES): Config {
  return {
    ...writeArchitecture(model),
    dtype: DTYPES[dtype],
    ...HEADS[head].config(families[model.family].classes.stem),
    ...headKey(head),
  };
}
