// Every format that preference data can be read in, by name.

import type { Format } from './format.ts';
import { OPENAI_FORMATS } from './read-openai.ts';
import { OUR_FORMATS } from './read-ours.ts';
import { PAIR_FORMATS } from './read-pairs.ts';
import { SQUALITY_FORMATS } from './read-squality.ts';
import { TOKEN_FORMATS } from './read-token-ids.ts';
import { TOOL_FORMATS } from './read-tools.ts';

export const FORMATS: readonly Format[] = [
  ...OUR_FORMATS,
  ...PAIR_FORMATS,
  ...OPENAI_FORMATS,
  ...TOKEN_FORMATS,
  ...TOOL_FORMATS,
  ...SQUALITY_FORMATS,
];
