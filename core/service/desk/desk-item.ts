// An item as the desk shows it: each different answer once, in an order of its own, with what the labeler has said so
// far.
//
// Labelling is blind: nothing here says who wrote an answer, which policy sampled it twice, or that an item is a hidden
// repeat.

import type { Completion } from '#core/contract/samples.ts';
import type { DeskItem, Draft, QueueName } from '#core/contract/desk.ts';
import type { Item, Ranking } from '#core/contract/rankings.ts';
import { createRandom } from '#core/random.ts';
import { alike } from '#core/store/answers.ts';
import { listCompletions } from '#core/store/completions.ts';
import { openDraft } from '#core/store/drafts.ts';
import type { Repeat } from '#core/store/drafts.ts';
import { listFlags } from '#core/store/flags.ts';
import { currentGuidelines } from '#core/store/guidelines.ts';
import { getItem } from '#core/store/items.ts';
import { listMarks } from '#core/store/marks.ts';
import type { Project } from '#core/store/project.ts';
import { shownPrompt } from '#core/store/excerpts.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { listRatings } from '#core/store/ratings.ts';
import { reasonOf, reasonOfRepeat } from '#core/store/desk-queues.ts';
import { repeatOf, withoutTraces } from './desk-repeats.ts';
import { labelerState, queueOf } from './desk-state.ts';
import { tokenSpans } from './token-spans.ts';

const ELSEWHERE = 'You came to it from elsewhere.';
const NOTHING_TO_COMPARE = 'All its answers are the same text, so there is nothing to compare: no queue asks about it.';

/**
 * The different answers as they are shown to a labeler, each as the completions that say it, of which the first stands
 * for
 * all: in the same order every time, in another one in a hidden repeat.
 */
export function shownAnswers(
  project: Project,
  { id, completionIds }: Item,
  labelerId: number,
  repeat: Repeat | null,
): number[][] {
  const order = createRandom(0, `desk/${id}/${labelerId}/${repeat ? 1 : 0}`).shuffled(alike(project, completionIds));
  const first =
    repeat &&
    listRankings(project, { id: repeat.repeatOf })[0]?.shownOrder.filter((shown) =>
      order.some(([leader]) => leader === shown),
    );
  return first && order.every(([leader], i) => leader === first[i]) ? [...order.slice(1), order[0]!] : order;
}

/** A draft or ranking with one rank an answer. */
function ofAnswers<D extends Pick<Draft, 'ranks'> | Ranking>(said: D, answers: readonly (readonly number[])[]): D {
  const leaders = new Set(answers.map(([leader]) => leader!));
  const order = 'shownOrder' in said ? { shownOrder: said.shownOrder.filter((id) => leaders.has(id)) } : {};
  return { ...said, ...order, ranks: said.ranks.filter(({ completionId }) => leaders.has(completionId)) };
}

type Answer = DeskItem['answers'][number];

/**
 * What was said of completions with the same text, as of one answer: marks where the text is the same to the letter, of
 * two ratings the first.
 */
function together(own: readonly Answer[]): Answer {
  const [leader] = own as [Answer, ...Answer[]];
  return {
    ...leader,
    times: own.length,
    flagged: own.some(({ flagged }) => flagged),
    ratings: Object.assign({}, ...own.map(({ ratings }) => ratings).toReversed()),
    marks: own
      .filter(({ text }) => text === leader.text)
      .flatMap(({ marks }) => marks.map((mark) => ({ ...mark, completionId: leader.completionId }))),
  };
}

/** After how many tokens the length limit ended an answer. Of what came without ids that is not known. */
const cutOffOf = ({ finish, tokenIds }: Completion): number | null => (finish === 'length' ? tokenIds.length : null);

/** The item for a labeler who comes to it in this queue. */
export async function deskItem(
  project: Project,
  labelerId: number,
  queueName: QueueName,
  itemId: number,
): Promise<DeskItem> {
  const state = labelerState(project, labelerId);
  const item = getItem(project, itemId);
  const repeat = repeatOf(project, state, itemId, labelerId);
  if (repeat) state.repeats.set(itemId, repeat);
  else state.repeats.delete(itemId);
  const { draft, ranking } = openDraft(project, itemId, labelerId, repeat);
  const shown = shownAnswers(project, item, labelerId, repeat);
  const ids = shown.flat();
  const completions = new Map(listCompletions(project, { ids }).map((completion) => [completion.id, completion]));
  const marks = Map.groupBy(listMarks(project, { completionIds: ids, labelerId }), ({ completionId }) => completionId);
  const ratings = listRatings(project, { completionIds: ids, labelerId }).filter(
    ({ low, high, value }) => low === 1 && high === 7 && Number.isInteger(value),
  ); // what a file brought on another scale is not shown as if it were on this one
  const flagged = new Set(
    listFlags(project, { completionIds: ids, labelerId }).map(({ completionId }) => completionId),
  );
  const queue = queueOf(project, queueName, labelerId);
  const whole: DeskItem = {
    itemId,
    prompt: {
      ...shownPrompt(listPrompts(project, { ids: [item.promptId] })[0]!),
      reference: null,
      facts: null,
      extra: null,
    }, // which would name the reference among the answers
    answers: ids.map((completionId) => ({
      completionId,
      text: completions.get(completionId)!.text,
      times: 1,
      cutOff: cutOffOf(completions.get(completionId)!),
      spans: [],
      marks: marks.get(completionId) ?? [],
      flagged: flagged.has(completionId),
      ratings: Object.fromEntries(
        ratings.filter((rating) => rating.completionId === completionId).map(({ axis, value }) => [axis, value]),
      ),
    })),
    draft: ofAnswers(draft, shown),
    ranking: ranking && { ...ofAnswers(ranking, shown), repeatOf: null },
    flagged: listFlags(project, { itemId, labelerId }).length > 0,
    reason:
      shown.length < 2
        ? NOTHING_TO_COMPARE
        : repeat
          ? (reasonOfRepeat(queueName) ?? ELSEWHERE)
          : (reasonOf(queue, itemId) ??
            (ranking ? 'You submitted it before; submitting again replaces that.' : ELSEWHERE)),
    guidelines: currentGuidelines(project).version,
  };
  const { answers, ...rest } = repeat ? withoutTraces(project, whole, labelerId, repeat) : whole;
  const each = new Map(answers.map((answer) => [answer.completionId, answer]));
  const leaders = shown.map(([leader]) => completions.get(leader!)!);
  // then all, or the cut would tell which were sampled
  const asWords = leaders.some(({ tokenIds }) => tokenIds.length === 0);
  const spans = await tokenSpans(
    project,
    asWords ? leaders.map((completion) => ({ ...completion, tokenIds: [] })) : leaders,
  );
  return {
    ...rest,
    answers: shown.map((own, i) => ({
      ...together(own.map((id) => each.get(id)!)),
      spans: spans[i]!.filter(({ start, end }) => end > start),
    })),
  };
}
