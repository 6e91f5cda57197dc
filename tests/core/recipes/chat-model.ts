// A tiny chat model: a byte-level tokenizer with a format's special tokens and template, and weights that often end a
// turn.

import fs from 'node:fs';
import path from 'node:path';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint } from '#core/models/checkpoint.ts';
import type { HeadName } from '#core/models/heads.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { createTokenizer, loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';

export interface ChatFormat {
  template: string;
  tokens: string[];
  bos: string | null;
  eos: string;
  end: string;
  opening: string;
  system: boolean;
  trims: boolean;
}
export const FORMATS = JSON.parse(
  fs.readFileSync(path.resolve('tests', 'fixtures', 'chat-formats.json'), 'utf8'),
) as Record<string, ChatFormat>;

const TEXT =
  'The old ship lay in the harbour,\n\nand the keeper wrote a short letter to his sister.\n\n\nuser assistant system model ';

/**
 * How the tokenizers of chat models cut a text into words (Llama 3, Qwen): line breaks stay together, whatever follows
 * them.
 */
const WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** tokenizer.json and tokenizer_config.json. */
function files({ template, tokens, bos, eos }: Pick<ChatFormat, 'template' | 'tokens' | 'bos' | 'eos'>) {
  const json = trainBpe([TEXT.repeat(3)], 320);
  const first = Object.keys(json.model.vocab).length;
  const added = tokens.map((content, i) => ({ ...json.added_tokens[0]!, id: first + i, content }));
  const cut = {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: WORDS }, behavior: 'Isolated', invert: false },
      { ...json.pre_tokenizer, use_regex: false },
    ],
  };
  return {
    json: { ...json, pre_tokenizer: cut, added_tokens: [...json.added_tokens, ...added] },
    config: { eos_token: eos, ...(bos ? { bos_token: bos } : {}), chat_template: template },
  };
}

/** The tokenizer of a format, `template` instead of its own where given (null: none). */
export function chatTokenizer(format: ChatFormat, template: string | null = format.template): Tokenizer {
  const { json, config } = files(format);
  return createTokenizer(
    json,
    {
      tokenizerConfig: { ...config, chat_template: template },
      generationConfig: null,
      modelConfig: null,
      chatTemplate: null,
    },
    'chat/tokenizer.json',
  );
}

/**
 * A model folder whose next token is the end of a turn with the probability `ends`. Its config.json knows of no end but
 * the format's eos.
 */
export async function writeChatModel(
  folder: string,
  format: ChatFormat,
  { ends = 0.2, head = 'language-model' as HeadName } = {},
): Promise<void> {
  const { json, config } = files(format);
  const C = 16;
  fs.mkdirSync(`${folder}-tokenizer`, { recursive: true });
  fs.writeFileSync(path.join(`${folder}-tokenizer`, 'tokenizer.json'), JSON.stringify(json));
  fs.writeFileSync(path.join(`${folder}-tokenizer`, 'tokenizer_config.json'), JSON.stringify(config));
  const tokenizer = await loadTokenizer(`${folder}-tokenizer`);
  const V = tokenizer.vocabularySize;
  const end = tokenizer.answerShape!.endId;
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: V,
    channels: C,
    layers: 1,
    heads: 2,
    feedForward: 32,
    context: 128,
    endOfText: tokenizer.endOfText,
    pad: 1,
  });
  const weights = freshWeights(parameters(architecture), 1, 1, 0.1);
  const embedding = weights['transformer.wte.weight']!;
  // the norm's output has a constant part along one channel, and only the end of a turn answers to it
  for (let id = 0; id < V; id++) embedding[id * C] = id === end ? 1 : 0;
  weights['transformer.ln_f.weight']![0] = 0;
  weights['transformer.ln_f.bias']![0] = Math.log((V * ends) / (1 - ends));
  const score = {
    'score.weight': Float32Array.from({ length: C }, (_, i) => Math.sin(i + 1)),
    'score.bias': new Float32Array(1),
  };
  saveCheckpoint(
    folder,
    { architecture, head, weights: head === 'linear' ? { ...weights, ...score } : weights },
    { tokenizerFrom: `${folder}-tokenizer` },
  );
}
