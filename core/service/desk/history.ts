// What a labeler has submitted, newest first, in the words of the desk: to look at again, and to change.

import type { Judged } from '#core/contract/desk.ts';
import type { Ranking } from '#core/contract/rankings.ts';
import { requireRow } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { excerptsOf } from '#core/store/prompts.ts';
import { newestRankings } from '#core/store/rankings.ts';
import type { Handlers } from '#core/service/handlers.ts';

const EXCERPT = 200;

/**
 * The letters under which the answers were shown, best first, ties together; an answer that came more than once stands
 * once.
 */
function orderOf({ shownOrder, ranks }: Ranking): string[][] {
  const rankOf = new Map(ranks.map(({ completionId, rank }) => [completionId, rank]));
  const shown = shownOrder.flatMap((id, i) =>
    rankOf.has(id) ? [{ letter: String.fromCharCode(65 + i), rank: rankOf.get(id)! }] : [],
  );
  return [
    ...Map.groupBy(
      shown.toSorted((a, b) => a.rank - b.rank),
      ({ rank }) => rank,
    ).values(),
  ].map((tier) => tier.map(({ letter }) => letter));
}

/** A hidden repeat stands here as any other ranking: nothing says that it was one. */
export function judged(project: Project, labelerId: number, limit: number, before?: number): Judged[] {
  requireRow(project, 'labelers', labelerId);
  const rankings = newestRankings(project, labelerId, limit, before);
  const prompts = excerptsOf(
    project,
    rankings.map(({ promptId }) => promptId),
    EXCERPT,
  );
  return rankings.map((ranking) => ({
    rankingId: ranking.id,
    itemId: ranking.itemId!,
    at: ranking.createdAt,
    prompt: prompts.get(ranking.promptId) ?? '',
    status: ranking.status,
    order: orderOf(ranking),
    confidence: ranking.confidence,
    note: ranking.note,
  }));
}

export const historyHandlers = {
  'desk.history': ({ project }, { labelerId, before, limit }) => ({ rows: judged(project, labelerId, limit, before) }),
} satisfies Partial<Handlers>;
