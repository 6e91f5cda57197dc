// The padding token of an exported reward model: never one that ends texts.
//
// transformers reads the score at the last token that is not padding. Were padding and end-of-text the same token, it
// would
// look past the end-of-text that our completions end with, at a token that was never scored.

import fs from 'node:fs';
import path from 'node:path';
import { addedTokens, namedToken } from '#core/formats/tokenizer-files.ts';
import type { TokenizerFiles } from '#core/formats/gguf-tokenizer.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import type { Architecture } from '#core/models/architecture.ts';

export interface Padding {
  id: number;
  content: string | null;
}

const ENDS = /end|eos|eot|stop|<\/s>/i;
const MADE_FOR_IT = /pad/i;
const NEVER_WRITTEN = /unk|unused|reserved|extra|fim|filename|mask/i;

/** The model's own where it ends no text, else another special token of the tokenizer; null where there is none. */
export function paddingOf({ pad, stops, vocabulary }: Architecture, files: TokenizerFiles | null): Padding | null {
  const added = files ? addedTokens(files) : [];
  const named = (key: string) => (files ? namedToken(files, key) : null);
  const ends = new Set([
    ...stops,
    ...added.filter(({ content }) => content === named('eos_token')).map(({ id }) => id),
  ]);
  if (pad !== null && pad < vocabulary && !ends.has(pad))
    return { id: pad, content: added.find(({ id }) => id === pad)?.content ?? null };
  const free = added.filter(
    ({ id, content, special }) => special && id < vocabulary && !ends.has(id) && !ENDS.test(content),
  );
  const rank = ({ content }: { content: string }) =>
    content === named('pad_token')
      ? 0
      : MADE_FOR_IT.test(content)
        ? 1
        : NEVER_WRITTEN.test(content)
          ? 2
          : content === named('bos_token')
            ? 4
            : 3;
  const chosen = free.toSorted((a, b) => rank(a) - rank(b))[0];
  return chosen ? { id: chosen.id, content: chosen.content } : null;
}

/** Has the tokenizer files in `folder` fill up rows with this token, on the right. */
export function usePadding(folder: string, { content }: Padding): void {
  for (const [name, more] of [
    ['tokenizer_config.json', { padding_side: 'right' }],
    ['special_tokens_map.json', {}],
  ] as const) {
    const file = path.join(folder, name);
    if (content !== null && fs.existsSync(file))
      fs.writeFileSync(file, `${JSON.stringify({ ...readJsonObject(file), pad_token: content, ...more }, null, 2)}\n`);
  }
}
