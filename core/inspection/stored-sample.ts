// A sample of the project as a question to a model has it: its prompt, its text, the ids it was written as.

import type { Completion } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { likelyTokenizers } from '#core/recipes/parts/likely-tokenizers.ts';
import { listCompletions } from '#core/store/completions.ts';
import { listPrompts } from '#core/store/prompts.ts';
import type { Project } from '#core/store/project.ts';
import type { WrittenText } from './read-text.ts';

/** 'bad-data' where the project has no such completion. */
export function storedCompletion(project: Project, completionId: number): Completion {
  const [completion] = listCompletions(project, { ids: [completionId] });
  if (!completion)
    throw new TastemakerError(
      'bad-data',
      `There is no completion ${completionId} in the project.`,
      'It may have been removed; look at the list again.',
    );
  return completion;
}

/** 'bad-data' where the project has no such completion. */
export async function storedSample(project: Project, completionId: number): Promise<WrittenText> {
  const completion = storedCompletion(project, completionId);
  const { promptId, policyId, text, tokenIds: ids, tokenizer, finish } = completion;
  const [prompt] = listPrompts(project, { ids: [promptId] });
  const isUnknown = tokenizer === null && ids.length > 0 && policyId !== null;
  const likely = isUnknown ? ((await likelyTokenizers(project)).get(policyId) ?? null) : null;
  return {
    prompt: { text: prompt!.text, messages: prompt!.messages },
    answer: text,
    ended: finish === 'stop',
    sampled: { ids, tokenizer, likely },
  };
}
