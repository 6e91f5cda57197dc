// What was taken back or done again, in a sentence that names the answers as the desk does.

import type { Rank } from '#core/contract/rankings.ts';
import type { Event } from '#core/store/events.ts';

/** `nameOf`: a completion's letter on the desk, or null where it is not shown there. */
export function undoSentence(
  event: Event,
  which: 'undo' | 'redo',
  nameOf: (completionId: number) => string | null,
): string {
  return `${which === 'undo' ? 'Took back' : 'Did again'}: ${phraseOf(event, nameOf)}`;
}

function phraseOf({ kind, detail }: Event, nameOf: (completionId: number) => string | null): string {
  const answer = (id: unknown) =>
    typeof id === 'number' && nameOf(id) !== null ? `answer ${nameOf(id)}` : 'an answer';
  const count = (list: unknown, one: string, many: string) =>
    Array.isArray(list) && list.length !== 1 ? `${list.length} ${many}` : `1 ${one}`;
  switch (kind) {
    case 'draft.change':
      return changePhrase(detail, answer, nameOf);
    case 'ranking.submit':
      return (
        { ranked: 'the submitted ranking', 'none-acceptable': '“none acceptable”', skipped: 'the skip' }[
          detail['status'] as string
        ] ?? 'the submission'
      );
    case 'ranking.add':
      return 'a new ranking';
    case 'ranking.replace':
      return 'a changed ranking';
    case 'ranking.delete':
      return 'the removal of a ranking';
    case 'flag.set':
      return `${detail['flagged'] ? 'the flag' : 'the removal of the flag'} on ${detail['completionId'] === undefined ? 'the item' : answer(detail['completionId'])}`;
    case 'rating.set':
      return `${String(detail['axis'])} ${String(detail['value'])} for ${answer(detail['completionId'])}`;
    case 'rating.delete':
      return `the cleared rating${detail['axis'] ? ` “${String(detail['axis'])}”` : ''} of ${answer(detail['completionId'])}`;
    case 'mark.add':
      return `the mark “${String(detail['label'])}” in ${answer(detail['completionId'])}`;
    case 'mark.replace':
      return `a changed mark in ${answer(detail['completionId'])}`;
    case 'mark.delete':
      return `the removal of a mark in ${answer(detail['completionId'])}`;
    case 'prompt.remove':
      return `the removal of ${count(detail['promptIds'], 'prompt', 'prompts')}`;
    case 'model.remove':
      return `the removal of the model “${String(detail['name'])}”`;
    case 'import':
      return 'the import';
    default:
      return 'the last change';
  }
}

function changePhrase(
  detail: Record<string, unknown>,
  answer: (id: unknown) => string,
  nameOf: (completionId: number) => string | null,
): string {
  const changed = detail['changed'] as string[];
  const phrases: Record<string, () => string> = {
    ranks: () => {
      const [now, was] = [detail['ranks'], detail['was']].map(
        (ranks) => new Map((ranks as Rank[]).map(({ completionId, rank }) => [completionId, rank])),
      );
      const all = [...new Set([...now!.keys(), ...was!.keys()])].filter((id) => now!.get(id) !== was!.get(id));
      // an answer once, however many completions say it
      const touched = [...new Map(all.map((id) => [nameOf(id) ?? id, id])).values()];
      if (touched.length !== 1) return touched.length === 0 ? 'the order of the ranks' : 'a changed order';
      const rank = now!.get(touched[0]!);
      return rank === undefined
        ? `the cleared rank of ${answer(touched[0])}`
        : `rank ${rank} for ${answer(touched[0])}`;
    },
    confidence: () =>
      detail['confidence'] === null ? 'the cleared confidence' : `confidence ${String(detail['confidence'])}`,
    note: () => 'what was typed in the note',
    naive: () => 'what you thought had happened',
  };
  return changed.map((name) => phrases[name]!()).join(' and ');
}
