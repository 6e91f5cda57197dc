// Chat formats as their documentation gives them: the template in Jinja, and the same text written by plain code, to
// compare with.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Message } from '#core/contract/prompts.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import type { TokenizerSettings } from '#core/tokenizer/tokenizer.ts';

export interface ChatFormat {
  template: string;
  /** added to the tokenizer, in this order */
  tokens: string[];
  bos: string | null;
  eos: string;
  /** how a conversation begins, and how a message stands in it */
  begin: string;
  turn: string;
  /** the format's word for the assistant */
  assistant: string;
  /** what is said by the system where nobody says anything */
  defaultSystem: string | null;
  /** what opens an answer */
  opening: string;
  /** the end of a turn, and what stands between two turns */
  end: string;
  between: string;
  /** whether there may be a message by the system */
  system: boolean;
  /** whether blanks around a message are taken off */
  trims: boolean;
}

export const FORMATS = JSON.parse(
  readFileSync(path.resolve('tests', 'fixtures', 'chat-formats.json'), 'utf8'),
) as Record<string, ChatFormat>;

/** The conversation as the format's documentation spells it. */
export function spelled(
  { begin, turn, assistant, defaultSystem, trims }: ChatFormat,
  messages: readonly Message[],
): string {
  const all: readonly Message[] =
    defaultSystem === null || messages[0]!.role === 'system'
      ? messages
      : [{ role: 'system', content: defaultSystem }, ...messages];
  return (
    begin +
    all
      .map(({ role, content }) =>
        turn
          .split('{role}')
          .join(role === 'assistant' ? assistant : role)
          .split('{content}')
          .join(trims ? content.trim() : content),
      )
      .join('')
  );
}

const TEXT =
  'The old ship lay in the harbour,\n\nand the keeper wrote a short letter to his sister.\n\n\nuser assistant system model ';

/** A byte-level tokenizer.json with further tokens, and the settings that go with it. */
export function chatTokenizer({
  tokens,
  bos,
  eos,
  template,
}: Pick<ChatFormat, 'tokens' | 'bos' | 'eos' | 'template'>): {
  json: Record<string, unknown>;
  settings: TokenizerSettings;
} {
  const json = trainBpe([TEXT.repeat(3)], 320);
  const first = Object.keys(json.model.vocab).length;
  const added = tokens.map((content, i) => ({ ...json.added_tokens[0]!, id: first + i, content }));
  return {
    json: { ...json, added_tokens: [...json.added_tokens, ...added] },
    settings: {
      tokenizerConfig: { eos_token: eos, ...(bos ? { bos_token: { content: bos } } : {}), chat_template: template },
      generationConfig: null,
      modelConfig: null,
      chatTemplate: null,
    },
  };
}
