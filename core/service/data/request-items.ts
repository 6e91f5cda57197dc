// Asking for a ranking: samples come before the labelers beside those answers to their prompt that teach most.
//
// What an over-optimised sample teaches, it teaches beside an answer of another making: the reference, one of before
// the
// training, another policy's. Beside a second sample of the same run it says next to nothing.

import { TastemakerError } from '#core/errors.ts';
import type { Completion } from '#core/contract/samples.ts';
import type { Policy } from '#core/contract/models.ts';
import { answerNumber } from '#core/store/answers.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { listFlags } from '#core/store/flags.ts';
import { addItems, MOST_ANSWERS, partsOf } from '#core/store/items.ts';
import type { NewItem } from '#core/store/items.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { chainOf } from '#core/runs/model-chain.ts';
import { importedCompletion } from './imported-completion.ts';

/** Answers that an item of one chosen sample has at most. */
const FEW = 4;
const TEACHING = 'among answers by another policy, from before the training, or the reference';
const ANY = 'beside another answer to the same prompt';

/**
 * Who wrote a completion (the policy, or the run that is to make it), then what that was made from, down to the root.
 */
type Lineage = readonly string[];

function lineageOf({ policyId, runId, step, writer }: Completion, policies: readonly Policy[]): Lineage {
  const from = (id: number | null): string[] => {
    const policy = policies.find((one) => one.id === id);
    return policy
      ? chainOf(policies, policy)
          .map((one) => `policy ${one.id}`)
          .toReversed()
      : [];
  };
  if (policyId !== null) return from(policyId);
  if (runId === null) return [`writer ${writer ?? ''}`];
  const made = policies.find((policy) => policy.runId === runId && policy.kind !== 'reward');
  if (step === 0) return made ? from(made.parentId) : [`start of ${runId}`]; // before its first update
  return made ? from(made.id) : [`run ${runId}`, `start of ${runId}`];
}

/** Which of the others teach most beside the chosen, at most `most`: one of each making, the reference first. */
function partnersOf(
  chosen: readonly Completion[],
  others: readonly Completion[],
  reference: number | null,
  policies: readonly Policy[],
  most: number,
): Completion[] {
  const [lineage, writers] = [
    lineageOf(chosen[0]!, policies),
    new Map(others.map((other) => [other, lineageOf(other, policies)[0]!])),
  ];
  const bases = policies.filter(({ kind }) => kind === 'base').map(({ id }) => `policy ${id}`);
  // from the root on, which is the healthiest
  const before = [...lineage.slice(1).toReversed(), ...bases.filter((name) => name !== lineage[0])];
  const first = Math.min(...chosen.map(({ step }) => step ?? Infinity));
  const healthy =
    before.map((writer) => others.findLast((other) => writers.get(other) === writer)).find(Boolean) ??
    others
      .filter(({ runId, step }) => runId !== null && runId === chosen[0]!.runId && step !== null && step < first)
      .sort((a, b) => a.step! - b.step!)[0];
  const isOther = (other: Completion) =>
    writers.get(other) !== lineage[0] &&
    other !== healthy &&
    writers.get(other) !== (healthy && writers.get(healthy)) &&
    answerNumber(other.text) !== reference;
  const wanted = [
    others.find(({ text }) => answerNumber(text) === reference),
    healthy,
    others.findLast((other) => other.policyId !== null && isOther(other)) ?? others.findLast(isOther),
  ];
  return [...new Set(wanted.filter((one) => one !== undefined))].slice(0, most);
}

/** One of each text. */
const different = (completions: readonly Completion[]): Completion[] =>
  [...new Map(completions.toReversed().map((one) => [answerNumber(one.text), one])).values()].toReversed();

/**
 * The answers to a prompt that can stand beside others: none that is flagged, and its reference, which becomes a
 * completion.
 */
function answersTo(
  project: Project,
  promptId: number,
  withReference: boolean,
): { answers: Completion[]; reference: number | null } {
  const [prompt] = listPrompts(project, { ids: [promptId] });
  const text = withReference && prompt!.reference?.trim() ? prompt!.reference : null;
  let own = listCompletions(project, { promptId });
  if (text !== null && !own.some((one) => answerNumber(one.text) === answerNumber(text))) {
    addCompletions(project, [importedCompletion(promptId, text, null, 'reference')]);
    own = listCompletions(project, { promptId });
  }
  const flagged = new Set(
    listFlags(project, { completionIds: own.map(({ id }) => id) }).map(({ completionId }) => completionId),
  );
  return { answers: own.filter(({ id }) => !flagged.has(id)), reference: text === null ? null : answerNumber(text) };
}

/** The items of the samples that were chosen of one prompt. */
function itemsOf(
  project: Project,
  promptId: number,
  given: readonly Completion[],
  reason: string | null,
  policies: readonly Policy[],
): NewItem[] {
  const chosen = different(given);
  const ofOneMaking = new Set(chosen.map((one) => lineageOf(one, policies)[0])).size === 1;
  const { answers, reference } = ofOneMaking ? answersTo(project, promptId, true) : { answers: [], reference: null };
  const taken = new Set(chosen.map(({ text }) => answerNumber(text)));
  const others = different(answers.filter(({ text }) => !taken.has(answerNumber(text))));
  const most = Math.max(1, FEW - chosen.length);
  const own = reason === null ? [] : [reason];
  let partners = partnersOf(chosen, others, reference, policies, most);
  let why: string | null = partners.length > 0 ? [...own, TEACHING].join('; ') : reason;
  if (chosen.length === 1 && partners.length === 0 && others.length > 0)
    [partners, why] = [others.slice(-1), [...own, ANY].join('; ')];
  const parts = partners.length > 0 ? partsOf(chosen, MOST_ANSWERS - partners.length, 1) : partsOf(chosen);
  return parts.map((part) => {
    const all = [...part, ...partners];
    return {
      promptId,
      completionIds: all.map(({ id }) => id),
      source: 'inspect',
      reason: why,
      policyId: all.every(({ policyId }) => policyId === all[0]!.policyId) ? all[0]!.policyId : null,
    };
  });
}

/**
 * Puts completions before the labelers, one item a prompt (or more, of even sizes, where they are over nine), each text
 * once.
 * Samples of one making are joined by at most three answers that teach most. Returns the number of items; 'bad-data'
 * where
 * nothing can be compared. Call it inside a transaction.
 */
export function requestItems(project: Project, completionIds: readonly number[], reason: string | null): number {
  const policies = listPolicies(project);
  const byPrompt = Map.groupBy(listCompletions(project, { ids: completionIds }), ({ promptId }) => promptId);
  const items = [...byPrompt].flatMap(([promptId, given]) => itemsOf(project, promptId, given, reason, policies));
  if (items.length === 0)
    throw new TastemakerError(
      'bad-data',
      'There is nothing to compare: none of these prompts has a second, different answer.',
      'Sample more answers to them first, or choose two answers of one prompt.',
    );
  return addItems(project, items).length;
}
