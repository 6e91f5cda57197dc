// Shortens Reddit posts to so many tokens of a model as they are imported, as P20 did, and says how many (D8).

import { TastemakerError } from '#core/errors.ts';
import { parseTldrPrompt, truncatePost } from '#core/formats/prompts.ts';
import type { PromptRow } from '#core/formats/prompts.ts';
import { encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { modelFolder } from './model-reference.ts';

export interface Shortened {
  rows: PromptRow[];
  notes: string[];
}

/**
 * What `--max-tokens N --tokenizer NAME|PATH` does to prompts; null where neither is given. A post that is too long
 * loses its
 * end, a prompt of any other form stays as it is and is counted. 'bad-argument' where one of the two is missing,
 * 'too-long'
 * for a post whose title alone is too long.
 */
export function shorteningOf(
  limit: number | null,
  model: string | null,
  project: string | null,
): ((rows: PromptRow[]) => Promise<Shortened>) | null {
  if (limit === null && model === null) return null;
  if (limit === null || model === null)
    throw new TastemakerError(
      'bad-argument',
      '--max-tokens and --tokenizer go together: posts are shortened to so many tokens of that model.',
      'Give both, such as --max-tokens 500 --tokenizer base.',
    );
  return async (rows) => {
    const tokenizer = await loadTokenizer(await modelFolder(model, project));
    const lengths = (await encodePrompts(tokenizer, rows)).map((ids) => ids.length);
    let shortened = 0;
    let others = 0;
    const kept: PromptRow[] = [];
    for (const [i, row] of rows.entries()) {
      const isLong = lengths[i]! > limit;
      const post = isLong && row.messages === null ? parseTldrPrompt(row.text) : null;
      if (post) shortened++;
      else if (isLong) others++;
      kept.push(
        post
          ? {
              ...row,
              text: await truncatePost(
                post,
                limit,
                async (text) => (await encodePrompts(tokenizer, [{ text, messages: null }]))[0]!.length,
              ),
            }
          : row,
      );
    }
    const are = (count: number, what: string) =>
      `${count.toLocaleString('en')} ${what}${count === 1 ? ' was' : 's were'}`;
    return {
      rows: kept,
      notes: [
        `${are(shortened, 'post')} shortened to ${limit} tokens of ${model}.`,
        ...(others > 0
          ? [
              `${others.toLocaleString('en')} ${others === 1 ? 'prompt is longer and no post: it was taken as it is' : 'prompts are longer and no posts: they were taken as they are'}.`,
            ]
          : []),
      ],
    };
  };
}
