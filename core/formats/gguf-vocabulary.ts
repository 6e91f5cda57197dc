// What GGUF says of the tokens of a vocabulary: of which kind each is, and which of them end a text.
import type { GgufMetadata } from './gguf.ts';
import { metadataReader } from './gguf-metadata.ts';

/** The kinds of tokens that we tell apart, of 1 to 6. */
export const TOKEN_KINDS = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;
export const END_KEYS = ['tokenizer.ggml.eos_token_id', 'tokenizer.ggml.eot_token_id', 'tokenizer.ggml.eom_token_id'];

/** The ids at which a text ends, first the one that is written to end one; [] where the file names none. */
export function ggufStops(metadata: GgufMetadata, file: string): number[] {
  const read = metadataReader(metadata, file);
  return [...new Set(END_KEYS.map((key) => read.whole(key, 0)).filter((id) => id !== undefined))];
}
