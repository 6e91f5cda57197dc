// A Hugging Face config.json read into an architecture, in the current or the older spelling, and written back.

import { TastemakerError } from '#core/errors.ts';
import { brief } from '#core/formats/json-file.ts';
import type { Architecture, RopeScaling } from './architecture.ts';
import { families } from './families.ts';
import type { Activation, FamilyName } from './families.ts';

export type Config = Record<string, unknown>;

/** Parameters are listed by layer: a false number must not list more than fit in memory. */
const MOST_LAYERS = 10_000;

const ACTIVATIONS: Record<string, Activation> = { gelu: 'gelu', gelu_new: 'gelu-tanh', gelu_fast: 'gelu-tanh', gelu_pytorch_tanh: 'gelu-tanh', silu: 'silu', swish: 'silu' };
const GELUS = ['gelu', 'gelu_new', 'gelu_fast', 'gelu_pytorch_tanh'], SILUS = ['silu', 'swish'];

/** What config.json leaves unsaid, and the options that change the arithmetic with the values that the blocks implement. */
const FAMILY_CONFIGS: Record<FamilyName, { tied: boolean; epsilon: number; activation: string; rotary: number; options: Record<string, readonly unknown[]> }> = {
  gpt2: { tied: true, epsilon: 1e-5, activation: 'gelu_new', rotary: 1, options: { activation_function: GELUS, scale_attn_weights: [true], scale_attn_by_inverse_layer_idx: [false], add_cross_attention: [false] } },
  gpt_neox: { tied: false, epsilon: 1e-5, activation: 'gelu', rotary: 0.25, options: { hidden_act: GELUS, attention_bias: [true], use_parallel_residual: [true, false] } },
  llama: { tied: false, epsilon: 1e-6, activation: 'silu', rotary: 1, options: { hidden_act: SILUS, attention_bias: [false], mlp_bias: [false] } },
  qwen2: { tied: false, epsilon: 1e-6, activation: 'silu', rotary: 1, options: { hidden_act: SILUS, use_sliding_window: [false] } },
  qwen3: { tied: false, epsilon: 1e-6, activation: 'silu', rotary: 1, options: { hidden_act: SILUS, attention_bias: [false], use_sliding_window: [false] } },
};
export const FAMILY_NAMES = Object.keys(FAMILY_CONFIGS) as FamilyName[];

/** `file` is named in errors. An unknown family, option or size is refused with what works. */
export function readArchitecture(config: Config, file: string): Architecture {
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file}: ${what}.`, hint);
  };
  const family = config.model_type as FamilyName;
  if (typeof family !== 'string' || !Object.hasOwn(FAMILY_CONFIGS, family)) refuse(`"model_type" is ${brief(config.model_type)}, a family that is not known`, `Families that work: ${FAMILY_NAMES.join(', ')}.`);
  const fixed = FAMILY_CONFIGS[family];
  const number = (keys: string[], fallback?: number): number => {
    const value = keys.map((key) => config[key]).find((found) => found !== undefined && found !== null) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) return refuse(`"${keys[0]}" is missing or not a number`, 'Take config.json from the model it belongs to.');
    return value;
  };
  const count = (keys: string[], fallback?: number): number => {
    const value = number(keys, fallback);
    return Number.isInteger(value) && value > 0 && value <= 2 ** 31 ? value : refuse(`"${keys[0]}" is ${value}, not a whole number above 0`, 'Take config.json from the model it belongs to.');
  };
  for (const [key, wanted] of Object.entries(fixed.options)) {
    const value = config[key];
    if (value !== undefined && value !== null && !wanted.includes(value)) refuse(`"${key}" is ${brief(value)}`, `What works for ${family}: ${wanted.map((item) => JSON.stringify(item)).join(', ')}.`);
  }
  const kinds = config.layer_types;
  if (Array.isArray(kinds) && kinds.some((kind) => kind !== 'full_attention')) refuse(`"layer_types" holds ${brief(kinds.find((kind) => kind !== 'full_attention'))}`, 'What works: "full_attention" in every layer.');
  const channels = count(['hidden_size', 'n_embd']);
  const heads = count(['num_attention_heads', 'n_head']);
  const keyValueHeads = count(['num_key_value_heads'], heads);
  const headWidth = count(['head_dim'], channels / heads);
  if (heads % keyValueHeads !== 0) refuse(`${heads} heads do not divide into ${keyValueHeads} key-value heads`, 'Take config.json from the model it belongs to.');
  if (families[family].fused && (keyValueHeads !== heads || headWidth * heads !== channels)) refuse(`${heads} heads of ${headWidth} do not make the ${channels} channels`, 'Take config.json from the model it belongs to.');
  const activation = ACTIVATIONS[(config[family === 'gpt2' ? 'activation_function' : 'hidden_act'] ?? fixed.activation) as string]!; // one of the options
  const rope = readRope(config, fixed.rotary, number, refuse);
  const rotaryWidth = rope.share * headWidth;
  if (families[family].positions === 'rotary' && (rotaryWidth % 2 !== 0 || rotaryWidth < 2 || rotaryWidth > headWidth)) refuse(`the rotary part of a head would be ${rotaryWidth} of ${headWidth} numbers wide`, 'It is an even part of the head: check "partial_rotary_factor" (or "rotary_pct") and "head_dim".');
  const stops = tokenIds(config.eos_token_id), layers = count(['num_hidden_layers', 'n_layer']);
  if (layers > MOST_LAYERS) refuse(`"num_hidden_layers" is ${layers}, more than ${MOST_LAYERS}`, 'Take config.json from the model it belongs to.');
  return {
    family, channels, heads, keyValueHeads, headWidth, activation, rotaryWidth: families[family].positions === 'rotary' ? rotaryWidth : headWidth,
    vocabulary: count(['vocab_size']),
    layers,
    feedForward: count(['intermediate_size', 'n_inner'], family === 'gpt2' ? 4 * channels : undefined),
    parallel: family === 'gpt_neox' && config.use_parallel_residual !== false,
    context: count(['max_position_embeddings', 'n_positions', 'n_ctx']),
    normEpsilon: number(['rms_norm_eps', 'layer_norm_epsilon', 'layer_norm_eps'], fixed.epsilon),
    ropeTheta: rope.theta, ropeScaling: rope.scaling,
    tied: typeof config.tie_word_embeddings === 'boolean' ? config.tie_word_embeddings : fixed.tied,
    endOfText: stops[0] ?? 0,
    stops: stops.length ? stops : [0],
    pad: typeof config.pad_token_id === 'number' ? config.pad_token_id : null,
  };
}

/** One id or a list of them, as eos_token_id may be. */
export const tokenIds = (value: unknown): number[] => [value].flat().filter((id): id is number => Number.isInteger(id) && (id as number) >= 0);

function readRope(config: Config, usual: number, number: (keys: string[], fallback?: number) => number, refuse: (what: string, hint: string) => never): { theta: number; share: number; scaling: RopeScaling | null } {
  const rope = (config.rope_parameters ?? config.rope_scaling ?? {}) as Config;
  if (typeof rope !== 'object' || Array.isArray(rope)) refuse('the rope settings are not an object', 'Take config.json from the model it belongs to.');
  const type = rope.rope_type ?? rope.type ?? 'default';
  const own = (key: string): number | undefined => (typeof rope[key] === 'number' ? rope[key] : undefined);
  const theta = own('rope_theta') ?? number(['rope_theta', 'rotary_emb_base'], 10000), share = own('partial_rotary_factor') ?? number(['partial_rotary_factor', 'rotary_pct'], usual);
  if (!(theta > 0)) refuse(`"rope_theta" is ${theta}`, 'It is a number above 0, such as 10000.');
  if (type === 'default') return { theta, share, scaling: null };
  if (type !== 'llama3') refuse(`"rope_type" is ${brief(type)}`, 'What works: "default", "llama3".');
  const part = (key: string): number => own(key) ?? refuse(`the rope setting "${key}" is missing`, 'Take config.json from the model it belongs to.');
  return { theta, share, scaling: { factor: part('factor'), lowFrequencyFactor: part('low_freq_factor'), highFrequencyFactor: part('high_freq_factor'), originalContext: part('original_max_position_embeddings') } };
}

const WRITTEN: Record<Activation, string> = { gelu: 'gelu', 'gelu-tanh': 'gelu_new', silu: 'silu' };

/** The config.json that transformers reads back as the same model. */
export function writeArchitecture(model: Architecture): Config {
  const { family } = model, act = WRITTEN[model.activation];
  const common = {
    model_type: family, architectures: [families[family].classes.causal], vocab_size: model.vocabulary, tie_word_embeddings: model.tied, dtype: 'float32',
    bos_token_id: model.endOfText, eos_token_id: model.stops.length > 1 ? [...model.stops] : model.endOfText, pad_token_id: model.pad,
  };
  if (family === 'gpt2') {
    return {
      ...common, n_embd: model.channels, n_layer: model.layers, n_head: model.heads, n_positions: model.context, n_inner: model.feedForward,
      activation_function: act, layer_norm_epsilon: model.normEpsilon, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0,
    };
  }
  const scaling = model.ropeScaling, isNeox = family === 'gpt_neox';
  const rope = {
    ...(scaling ? { rope_type: 'llama3', factor: scaling.factor, low_freq_factor: scaling.lowFrequencyFactor, high_freq_factor: scaling.highFrequencyFactor, original_max_position_embeddings: scaling.originalContext } : { rope_type: 'default' }),
    rope_theta: model.ropeTheta, ...(isNeox ? { partial_rotary_factor: model.rotaryWidth / model.headWidth } : {}),
  };
  const sizes = { hidden_size: model.channels, num_hidden_layers: model.layers, num_attention_heads: model.heads, intermediate_size: model.feedForward, max_position_embeddings: model.context, hidden_act: act, rope_parameters: rope };
  if (isNeox) return { ...common, ...sizes, layer_norm_eps: model.normEpsilon, use_parallel_residual: model.parallel, attention_bias: true, hidden_dropout: 0, attention_dropout: 0 };
  return {
    ...common, ...sizes, num_key_value_heads: model.keyValueHeads, head_dim: model.headWidth, rms_norm_eps: model.normEpsilon,
    ...(family === 'llama' ? { attention_bias: false, mlp_bias: false } : { use_sliding_window: false, ...(family === 'qwen3' ? { attention_bias: false } : {}) }),
  };
}

const DTYPES = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

/** The same for weights of this type under one of the two heads; a score head is a classifier with one label, as transformers calls it. */
export function modelConfig(model: Architecture, head: 'language-model' | 'score', dtype: keyof typeof DTYPES): Config {
  const config = { ...writeArchitecture(model), dtype: DTYPES[dtype] };
  if (head === 'language-model') return config;
  return { ...config, architectures: [`${families[model.family].classes.stem}ForSequenceClassification`], num_labels: 1, problem_type: 'regression', id2label: { 0: 'score' }, label2id: { score: 0 } };
}
