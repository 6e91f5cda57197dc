// What a model is made of: one description for all families, read from a Hugging Face config.json and written back.
//
// B batch, T tokens, C channels, V vocabulary, H heads, d width of a head, F feed-forward width. A family is a row of
// names and choices here; the blocks in transformer.ts are the same for all.

import { TastemakerError } from '#core/errors.ts';

export type FamilyName = 'gpt2' | 'llama';

/** Llama 3's stretching of the slow rotary frequencies. */
export interface RopeScaling {
  factor: number;
  lowFrequencyFactor: number;
  highFrequencyFactor: number;
  originalContext: number;
}

export interface Architecture {
  family: FamilyName;
  vocabulary: number; // V
  channels: number; // C
  layers: number;
  heads: number; // H
  keyValueHeads: number;
  headWidth: number; // d
  feedForward: number; // F
  context: number;
  normEpsilon: number;
  ropeTheta: number;
  ropeScaling: RopeScaling | null;
  /** the output matrix is the embedding matrix */
  tied: boolean;
  endOfText: number;
  pad: number | null;
}

/** Where a block's parameters are found; `{}` stands for the block's number. */
export interface Family {
  norm: 'layer' | 'rms';
  positions: 'learned' | 'rotary';
  mlp: 'gelu' | 'gated-silu';
  biases: boolean;
  /** gpt2 stores matrices as [in, out], the others as [out, in] */
  layout: 'in-out' | 'out-in';
  names: {
    embedding: string;
    positions: string | null;
    firstNorm: string;
    /** one fused matrix or three */
    queryKeyValue: readonly [string] | readonly [string, string, string];
    attentionOut: string;
    secondNorm: string;
    gate: string | null;
    up: string;
    down: string;
    finalNorm: string;
    head: string;
  };
}

export const families: Record<FamilyName, Family> = {
  gpt2: {
    norm: 'layer', positions: 'learned', mlp: 'gelu', biases: true, layout: 'in-out',
    names: {
      embedding: 'transformer.wte', positions: 'transformer.wpe',
      firstNorm: 'transformer.h.{}.ln_1', queryKeyValue: ['transformer.h.{}.attn.c_attn'], attentionOut: 'transformer.h.{}.attn.c_proj',
      secondNorm: 'transformer.h.{}.ln_2', gate: null, up: 'transformer.h.{}.mlp.c_fc', down: 'transformer.h.{}.mlp.c_proj',
      finalNorm: 'transformer.ln_f', head: 'lm_head',
    },
  },
  llama: {
    norm: 'rms', positions: 'rotary', mlp: 'gated-silu', biases: false, layout: 'out-in',
    names: {
      embedding: 'model.embed_tokens', positions: null,
      firstNorm: 'model.layers.{}.input_layernorm',
      queryKeyValue: ['model.layers.{}.self_attn.q_proj', 'model.layers.{}.self_attn.k_proj', 'model.layers.{}.self_attn.v_proj'],
      attentionOut: 'model.layers.{}.self_attn.o_proj',
      secondNorm: 'model.layers.{}.post_attention_layernorm', gate: 'model.layers.{}.mlp.gate_proj', up: 'model.layers.{}.mlp.up_proj', down: 'model.layers.{}.mlp.down_proj',
      finalNorm: 'model.norm', head: 'lm_head',
    },
  },
};

export interface Parameter {
  name: string;
  shape: readonly number[];
  /** how a model from scratch starts */
  start: 'normal' | 'residual' | 'zero' | 'one';
  /** whether weight decay applies: matrices yes, norms and biases no */
  decay: boolean;
}

/** Every parameter of the trunk and, where it is not tied, the output matrix; names as in the file. */
export function parameters(model: Architecture): Parameter[] {
  const { norm, layout, biases, names } = families[model.family];
  const { channels: C, vocabulary: V, feedForward: F } = model;
  const queryWidth = model.heads * model.headWidth, keyWidth = model.keyValueHeads * model.headWidth;
  const list: Parameter[] = [];
  const matrix = (name: string, input: number, output: number, start: Parameter['start'] = 'normal') => {
    list.push({ name: `${name}.weight`, shape: layout === 'in-out' ? [input, output] : [output, input], start, decay: true });
    if (biases) list.push({ name: `${name}.bias`, shape: [output], start: 'zero', decay: false });
  };
  const gains = (name: string) => {
    list.push({ name: `${name}.weight`, shape: [C], start: 'one', decay: false });
    if (norm === 'layer') list.push({ name: `${name}.bias`, shape: [C], start: 'zero', decay: false });
  };
  list.push({ name: `${names.embedding}.weight`, shape: [V, C], start: 'normal', decay: true });
  if (names.positions) list.push({ name: `${names.positions}.weight`, shape: [model.context, C], start: 'normal', decay: true });
  for (let layer = 0; layer < model.layers; layer++) {
    const at = (name: string) => name.replace('{}', String(layer));
    gains(at(names.firstNorm));
    const widths = names.queryKeyValue.length === 1 ? [queryWidth + 2 * keyWidth] : [queryWidth, keyWidth, keyWidth];
    names.queryKeyValue.forEach((name, i) => matrix(at(name), C, widths[i]!));
    matrix(at(names.attentionOut), queryWidth, C, 'residual');
    gains(at(names.secondNorm));
    if (names.gate) matrix(at(names.gate), C, F);
    matrix(at(names.up), C, F);
    matrix(at(names.down), F, C, 'residual');
  }
  gains(names.finalNorm);
  if (!model.tied) list.push({ name: `${names.head}.weight`, shape: [V, C], start: 'normal', decay: true });
  return list;
}

type Config = Record<string, unknown>;

/** Reads a config.json in the current or the older spelling; `file` is named in errors. */
export function readArchitecture(config: Config, file: string): Architecture {
  const refuse = (what: string, hint: string): never => {
    throw new TastemakerError('bad-model', `${file}: ${what}.`, hint);
  };
  const family = config.model_type as FamilyName;
  if (!Object.hasOwn(families, String(family))) refuse(`model_type ${JSON.stringify(config.model_type)} is not known`, `Families that work: ${Object.keys(families).join(', ')}.`);
  const number = (keys: string[], fallback?: number): number => {
    const value = keys.map((key) => config[key]).find((found) => found !== undefined && found !== null) ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) return refuse(`"${keys[0]}" is missing or not a number`, 'Take config.json from the model it belongs to.');
    return value;
  };
  const count = (keys: string[], fallback?: number): number => {
    const value = number(keys, fallback);
    return Number.isInteger(value) && value > 0 && value <= 2 ** 31 ? value : refuse(`"${keys[0]}" is ${value}, not a whole number above 0`, 'Take config.json from the model it belongs to.');
  };
  for (const [key, wanted] of Object.entries(SUPPORTED[family])) {
    const value = config[key];
    if (value !== undefined && value !== null && !wanted.includes(value as never)) refuse(`"${key}" is ${JSON.stringify(value)}`, `What works for ${family}: ${wanted.map((item) => JSON.stringify(item)).join(', ')}.`);
  }
  const channels = count(['hidden_size', 'n_embd']);
  const heads = count(['num_attention_heads', 'n_head']);
  const keyValueHeads = count(['num_key_value_heads'], heads);
  const headWidth = count(['head_dim'], channels / heads);
  if (heads % keyValueHeads !== 0) refuse(`${heads} heads do not divide into ${keyValueHeads} key-value heads`, 'Take config.json from the model it belongs to.');
  const end = Array.isArray(config.eos_token_id) ? config.eos_token_id[0] : config.eos_token_id;
  return {
    family, channels, heads, keyValueHeads, headWidth,
    vocabulary: count(['vocab_size']),
    layers: count(['num_hidden_layers', 'n_layer']),
    feedForward: count(['intermediate_size', 'n_inner'], family === 'gpt2' ? 4 * channels : undefined),
    context: count(['max_position_embeddings', 'n_positions', 'n_ctx']),
    normEpsilon: number(['rms_norm_eps', 'layer_norm_epsilon'], 1e-5),
    ...readRope(config, number, refuse),
    tied: typeof config.tie_word_embeddings === 'boolean' ? config.tie_word_embeddings : family === 'gpt2',
    endOfText: typeof end === 'number' ? end : 0,
    pad: typeof config.pad_token_id === 'number' ? config.pad_token_id : null,
  };
}

/** Options that change the arithmetic, with the values the blocks implement. */
const SUPPORTED: Record<FamilyName, Record<string, readonly unknown[]>> = {
  gpt2: { activation_function: ['gelu_new', 'gelu_pytorch_tanh'], scale_attn_weights: [true], scale_attn_by_inverse_layer_idx: [false], add_cross_attention: [false] },
  llama: { hidden_act: ['silu'], attention_bias: [false], mlp_bias: [false] },
};

function readRope(config: Config, number: (keys: string[], fallback?: number) => number, refuse: (what: string, hint: string) => never): { ropeTheta: number; ropeScaling: RopeScaling | null } {
  const rope = (config.rope_parameters ?? config.rope_scaling ?? {}) as Config;
  const type = rope.rope_type ?? rope.type ?? 'default';
  const ropeTheta = typeof rope.rope_theta === 'number' ? rope.rope_theta : number(['rope_theta'], 10000);
  if (type === 'default') return { ropeTheta, ropeScaling: null };
  if (type !== 'llama3') refuse(`rope_type ${JSON.stringify(type)} is not known`, 'What works: "default", "llama3".');
  const part = (key: string): number => (typeof rope[key] === 'number' ? rope[key] : refuse(`the rope setting "${key}" is missing`, 'Take config.json from the model it belongs to.'));
  return { ropeTheta, ropeScaling: { factor: part('factor'), lowFrequencyFactor: part('low_freq_factor'), highFrequencyFactor: part('high_freq_factor'), originalContext: part('original_max_position_embeddings') } };
}

/** The config.json that transformers reads back as the same model. */
export function writeArchitecture(model: Architecture): Config {
  const ends = { bos_token_id: model.endOfText, eos_token_id: model.endOfText, pad_token_id: model.pad };
  const common = { vocab_size: model.vocabulary, tie_word_embeddings: model.tied, dtype: 'float32', ...ends };
  if (model.family === 'gpt2') {
    return {
      model_type: 'gpt2', architectures: ['GPT2LMHeadModel'], ...common,
      n_embd: model.channels, n_layer: model.layers, n_head: model.heads, n_positions: model.context, n_inner: model.feedForward,
      activation_function: 'gelu_new', layer_norm_epsilon: model.normEpsilon, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0,
    };
  }
  const scaling = model.ropeScaling;
  const rope = scaling
    ? { rope_type: 'llama3', factor: scaling.factor, low_freq_factor: scaling.lowFrequencyFactor, high_freq_factor: scaling.highFrequencyFactor, original_max_position_embeddings: scaling.originalContext }
    : { rope_type: 'default' };
  return {
    model_type: 'llama', architectures: ['LlamaForCausalLM'], ...common,
    hidden_size: model.channels, num_hidden_layers: model.layers, num_attention_heads: model.heads, num_key_value_heads: model.keyValueHeads, head_dim: model.headWidth,
    intermediate_size: model.feedForward, max_position_embeddings: model.context, rms_norm_eps: model.normEpsilon, hidden_act: 'silu', attention_bias: false, mlp_bias: false,
    rope_parameters: { ...rope, rope_theta: model.ropeTheta },
  };
}
