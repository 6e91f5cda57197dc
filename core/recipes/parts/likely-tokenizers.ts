// Whose the token ids of older projects may be: the tokenizer that lies today beside the model that wrote them.

import { policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { writersOfUnknownIds } from '#core/store/run-completions.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

/**
 * Hashes by policy, for those that wrote completions of which no one noted the tokenizer; null where it cannot be read
 * any more.
 */
export async function likelyTokenizers(project: Project): Promise<Map<number, string | null>> {
  const writers = writersOfUnknownIds(project);
  const hashes = await Promise.all(
    writers.map((id) =>
      loadTokenizer(policyPath(project, policyById(project, id)))
        .then(({ hash }) => hash)
        .catch(() => null),
    ),
  );
  return new Map(writers.map((id, i) => [id, hashes[i]!]));
}
