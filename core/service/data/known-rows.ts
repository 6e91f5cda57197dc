// What the project holds already, asked once for the rows of an import that are at hand.

import type { Labeler } from '#core/contract/rankings.ts';
import type { Message } from '#core/contract/prompts.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { listMarks } from '#core/store/marks.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { completionTexts, countSpelled, findPrompt } from '#core/store/prompts.ts';
import type { CompletionText } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';

/** What makes two rankings by a labeler the same, whatever their confidence and notes. */
export const rankingKey = (
  labelerId: number,
  status: string,
  ranks: readonly { completionId: number; rank: number }[],
): string =>
  JSON.stringify([
    labelerId,
    status,
    ranks.map(({ completionId, rank }) => [completionId, rank]).sort((a, b) => a[0]! - b[0]!),
  ]);
export const ratingKey = (completionId: number, labelerId: number, axis: string): string =>
  `${completionId}/${labelerId}/${axis}`;
export const markKey = (mark: {
  completionId: number;
  labelerId: number;
  start: number;
  end: number;
  label: string;
  note: string | null;
}): string => JSON.stringify([mark.completionId, mark.labelerId, mark.start, mark.end, mark.label, mark.note]);

export function lookUp(project: Project) {
  const remember = <K, V>(ask: (key: K) => V) => {
    const known = new Map<K, V>();
    return (key: K): V => {
      if (!known.has(key)) known.set(key, ask(key));
      return known.get(key)!;
    };
  };
  const policies = new Map(listPolicies(project).map(({ name, id }) => [name, id]));
  const labelers = new Map<string, Labeler>(listLabelers(project).map((labeler) => [labeler.name, labeler]));
  const texts = remember((text: string) => findPrompt(project, text));
  const conversations = remember((key: string) => findPrompt(project, ...(JSON.parse(key) as [string, Message[]])));
  const completions = remember((promptId: number) => completionTexts(project, promptId));
  const idsOf = (promptId: number) => completions(promptId).map(({ id }) => id);
  return {
    prompt: (text: string, messages: Message[] | null) =>
      messages ? conversations(JSON.stringify([text, messages])) : texts(text),
    /** whether the project has a prompt of this spelling */
    spelled: (spelling: Buffer) => countSpelled(project, spelling) > 0,
    completions,
    rankings: remember(
      (promptId: number) =>
        new Set(
          listRankings(project, { promptIds: [promptId] }).map(({ labelerId, status, ranks }) =>
            rankingKey(labelerId, status, ranks),
          ),
        ),
    ),
    ratings: remember(
      (promptId: number) =>
        new Map(
          listRatings(project, { completionIds: idsOf(promptId) }).map((rating) => [
            ratingKey(rating.completionId, rating.labelerId, rating.axis),
            rating.value,
          ]),
        ),
    ),
    marks: remember((promptId: number) => new Set(listMarks(project, { completionIds: idsOf(promptId) }).map(markKey))),
    policyId: (name: string) => policies.get(name),
    labeler: (name: string) => labelers.get(name),
  };
}
export type LookUp = ReturnType<typeof lookUp>;

/**
 * Which of these completions each answer is, or undefined: the first that has its text and is by whoever wrote it (an
 * answer that does not say is any with its text), no completion twice.
 */
export function matchAnswers<C extends CompletionText>(
  answers: readonly { text: string; writer: string | null }[],
  completions: readonly C[],
  policyId: (name: string) => number | undefined,
): (C | undefined)[] {
  const used = new Set<C>();
  return answers.map(({ text, writer }) => {
    const by = writer === null ? null : policyId(writer);
    const found = completions.find(
      (one) =>
        one.text === text &&
        !used.has(one) &&
        (writer === null || one.writer === writer || (one.policyId !== null && one.policyId === by)),
    );
    if (found) used.add(found);
    return found;
  });
}
