// Every format that preference data can be written in, by name.

import { OPENAI_WRITERS } from './write-openai.ts';
import { OUR_WRITERS } from './write-ours.ts';
import { PAIR_WRITERS } from './write-pairs.ts';
import { TABLE_WRITERS } from './write-tables.ts';
import { TOOL_WRITERS } from './write-tools.ts';
import type { Writer } from './writer.ts';

export const WRITERS: readonly Writer[] = [
  ...OUR_WRITERS,
  ...OPENAI_WRITERS,
  ...PAIR_WRITERS,
  ...TOOL_WRITERS,
  ...TABLE_WRITERS,
];
