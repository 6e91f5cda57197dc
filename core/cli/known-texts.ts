// Finding prompts and completions of a project by their text, for files that name them so, and adding the missing ones.

import type { Split } from '#core/contract.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';

/** A completion that came from a file: it was not sampled here, so it has no tokens and no true sampling parameters (maxNew 0 says so). */
export const importedCompletion = (promptId: number, text: string, policyId: number | null): NewCompletion => ({
  promptId, policyId, text, tokenIds: [], logprobs: [], samplingLogprobs: [], finish: 'stop', sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 0, seed: 0 }, runId: null,
});

/** Ids of the project's prompts by text, grown by those of `texts` it lacks where `add` says their split. */
export function promptIdsByText(project: Project, texts: readonly string[], source: string, add: ((text: string) => Split) | null): Map<string, number> {
  const ids = new Map(listPrompts(project).map(({ id, text }) => [text, id]));
  const missing = add ? [...new Set(texts)].filter((text) => !ids.has(text)) : [];
  const added = addPrompts(project, missing.map((text) => ({ text, source, split: add!(text) })));
  missing.forEach((text, i) => ids.set(text, added[i]!));
  return ids;
}

/** Completion ids of one prompt by text; the first of equal texts counts. */
export interface KnownCompletions {
  find(promptId: number, text: string): number | undefined;
  /** Adds it, without a policy, where the prompt has none of this text. */
  ensure(promptId: number, text: string): number;
  added(): number;
}

export function knownCompletions(project: Project): KnownCompletions {
  const key = (promptId: number, text: string) => `${promptId}/${text}`;
  const ids = new Map<string, number>();
  let added = 0;
  for (const { id, promptId, text } of listCompletions(project)) if (!ids.has(key(promptId, text))) ids.set(key(promptId, text), id);
  const find = (promptId: number, text: string) => ids.get(key(promptId, text));
  return {
    find,
    ensure: (promptId, text) => {
      const known = find(promptId, text);
      if (known !== undefined) return known;
      const [id] = addCompletions(project, [importedCompletion(promptId, text, null)]) as [number];
      ids.set(key(promptId, text), id);
      added++;
      return id;
    },
    added: () => added,
  };
}
