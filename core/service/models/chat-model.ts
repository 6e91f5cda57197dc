// Whether a model can take a conversation: it, or the base of an adapter, has a chat template.

import fs from 'node:fs';
import path from 'node:path';
import { tokenizerHome } from '#core/formats/adapter-base.ts';
import { isGguf, readGguf } from '#core/formats/gguf.ts';
import { readJsonObject } from '#core/formats/json-file.ts';
import { templateOf } from '#core/formats/tokenizer-files.ts';

/** Looks at the small files beside the tokenizer only; false where they cannot be read, for that is said elsewhere. */
export function hasChatTemplate(model: string): boolean {
  try {
    const home = tokenizerHome(model);
    if (isGguf(home)) return typeof readGguf(home).metadata['tokenizer.chat_template'] === 'string';
    if (fs.existsSync(path.join(home, 'chat_template.jinja'))) return true;
    const settings = path.join(home, 'tokenizer_config.json');
    return fs.existsSync(settings) && templateOf(readJsonObject(settings).chat_template) !== null;
  } catch {
    return false;
  }
}
