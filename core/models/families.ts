// The families of models as data: how each names its parameters, and which of the shared blocks' choices it makes.
//
// A family is one row. To add one, find its names in a published model's file and say what its blocks do; if the blocks
// in
// transformer.ts lack a choice it makes, add the choice there once.

export type FamilyName = 'gpt2' | 'gpt_neox' | 'llama' | 'qwen2' | 'qwen3';
export type Activation = 'gelu' | 'gelu-tanh' | 'silu';

export interface Family {
  norm: 'layer' | 'rms';
  positions: 'learned' | 'rotary';
  /** up(x) through an activation, or act(gate(x)) · up(x) */
  gated: boolean;
  biases: 'all' | 'query-key-value' | 'none';
  /** gpt2 stores matrices as [in, out], the others as [out, in] */
  layout: 'in-out' | 'out-in';
  /** where one matrix makes query, key and value: all queries first, or each head's three together */
  fused: 'in-a-row' | 'by-head' | null;
  /**
   * transformers' class names, for config.json: with a language-model head, and what stands before
   * "ForSequenceClassification"
   */
  classes: { causal: string; stem: string };
  /** `{}` stands for the block's number */
  names: {
    embedding: string;
    positions: string | null;
    firstNorm: string;
    /** one fused matrix or three */
    queryKeyValue: readonly [string] | readonly [string, string, string];
    /** norms of each head's queries and keys */
    headNorms: readonly [string, string] | null;
    attentionOut: string;
    secondNorm: string;
    gate: string | null;
    up: string;
    down: string;
    finalNorm: string;
    head: string;
  };
}

const LLAMA_NAMES = {
  embedding: 'model.embed_tokens',
  positions: null,
  firstNorm: 'model.layers.{}.input_layernorm',
  queryKeyValue: [
    'model.layers.{}.self_attn.q_proj',
    'model.layers.{}.self_attn.k_proj',
    'model.layers.{}.self_attn.v_proj',
  ],
  headNorms: null,
  attentionOut: 'model.layers.{}.self_attn.o_proj',
  secondNorm: 'model.layers.{}.post_attention_layernorm',
  gate: 'model.layers.{}.mlp.gate_proj',
  up: 'model.layers.{}.mlp.up_proj',
  down: 'model.layers.{}.mlp.down_proj',
  finalNorm: 'model.norm',
  head: 'lm_head',
} as const;
const LLAMA: Family = {
  norm: 'rms',
  positions: 'rotary',
  gated: true,
  biases: 'none',
  layout: 'out-in',
  fused: null,
  classes: { causal: 'LlamaForCausalLM', stem: 'Llama' },
  names: LLAMA_NAMES,
};

export const families: Record<FamilyName, Family> = {
  gpt2: {
    norm: 'layer',
    positions: 'learned',
    gated: false,
    biases: 'all',
    layout: 'in-out',
    fused: 'in-a-row',
    classes: { causal: 'GPT2LMHeadModel', stem: 'GPT2' },
    names: {
      embedding: 'transformer.wte',
      positions: 'transformer.wpe',
      firstNorm: 'transformer.h.{}.ln_1',
      queryKeyValue: ['transformer.h.{}.attn.c_attn'],
      headNorms: null,
      attentionOut: 'transformer.h.{}.attn.c_proj',
      secondNorm: 'transformer.h.{}.ln_2',
      gate: null,
      up: 'transformer.h.{}.mlp.c_fc',
      down: 'transformer.h.{}.mlp.c_proj',
      finalNorm: 'transformer.ln_f',
      head: 'lm_head',
    },
  },
  gpt_neox: {
    norm: 'layer',
    positions: 'rotary',
    gated: false,
    biases: 'all',
    layout: 'out-in',
    fused: 'by-head',
    classes: { causal: 'GPTNeoXForCausalLM', stem: 'GPTNeoX' },
    names: {
      embedding: 'gpt_neox.embed_in',
      positions: null,
      firstNorm: 'gpt_neox.layers.{}.input_layernorm',
      queryKeyValue: ['gpt_neox.layers.{}.attention.query_key_value'],
      headNorms: null,
      attentionOut: 'gpt_neox.layers.{}.attention.dense',
      secondNorm: 'gpt_neox.layers.{}.post_attention_layernorm',
      gate: null,
      up: 'gpt_neox.layers.{}.mlp.dense_h_to_4h',
      down: 'gpt_neox.layers.{}.mlp.dense_4h_to_h',
      finalNorm: 'gpt_neox.final_layer_norm',
      head: 'embed_out',
    },
  },
  llama: LLAMA,
  qwen2: { ...LLAMA, biases: 'query-key-value', classes: { causal: 'Qwen2ForCausalLM', stem: 'Qwen2' } },
  qwen3: {
    ...LLAMA,
    classes: { causal: 'Qwen3ForCausalLM', stem: 'Qwen3' },
    names: { ...LLAMA_NAMES, headNorms: ['model.layers.{}.self_attn.q_norm', 'model.layers.{}.self_attn.k_norm'] },
  },
};
