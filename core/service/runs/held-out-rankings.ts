// The rankings that a reward model was validated on, with its scores beside the labeler's ranks, worst first.

import fs from 'node:fs';
import type { HeldOutRanking } from '#core/contract/runs.ts';
import { readJsonl } from '#core/formats/jsonl.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { ValidationRow } from '#core/recipes/parts/reward-validation.ts';
import { listCompletions } from '#core/store/completions.ts';
import type { Project } from '#core/store/project.ts';
import { unlinkedPath } from '#core/unlinked.ts';
import { listPrompts } from '#core/store/prompts.ts';

/** Characters of a text in a list. */
const EXCERPT = 1000;

/** The share of pairs with different ranks that the scores order the same way; null where there is none. */
function agreedOf({ ranks, scores }: ValidationRow): number | null {
  const pairs = ranks.flatMap((a, i) => ranks.flatMap((b, j) => (a < b ? [scores[i]! > scores[j]!] : [])));
  return pairs.length ? pairs.filter(Boolean).length / pairs.length : null;
}

/** Part of them; those whose texts are gone from the project are left out. */
export function heldOutRankings(
  project: Project,
  runId: string,
  offset: number,
  limit: number,
): { total: number; rows: HeldOutRanking[] } {
  const file = unlinkedPath(runFolderOf(project.folder, runId), 'validation.jsonl');
  if (!fs.existsSync(file)) return { total: 0, rows: [] };
  const all = readJsonl(file, (row) => row as ValidationRow).rows.map((row) => ({ row, agreed: agreedOf(row) }));
  const sorted = all.toSorted((a, b) => (a.agreed ?? 2) - (b.agreed ?? 2));
  const part = sorted.slice(offset, offset + limit);
  const prompts = new Map(
    listPrompts(project, { ids: part.map(({ row }) => row.promptId) }).map((prompt) => [
      prompt.id,
      prompt.messages?.at(-1)?.content ?? prompt.text,
    ]),
  );
  const texts = new Map(
    listCompletions(project, { ids: part.flatMap(({ row }) => row.completionIds) }).map(({ id, text }) => [id, text]),
  );
  const rows = part.flatMap(({ row, agreed }): HeldOutRanking[] => {
    const prompt = prompts.get(row.promptId);
    if (prompt === undefined) return [];
    const answers = row.completionIds.map((completionId, i) => ({
      completionId,
      text: (texts.get(completionId) ?? '(no longer in the project)').slice(0, EXCERPT),
      rank: row.ranks[i]!,
      score: row.scores[i]!,
    }));
    return [
      {
        promptId: row.promptId,
        prompt: prompt.slice(0, EXCERPT),
        labeler: row.labeler,
        answers: answers.toSorted((a, b) => a.rank - b.rank),
        agreed,
      },
    ];
  });
  return { total: all.length, rows };
}
