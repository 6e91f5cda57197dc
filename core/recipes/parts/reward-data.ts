// The rankings and references that a reward model learns from, and which of them it never sees: as the project has
// them, and as token ids.
//
// The split is the project's: train learns, validation validates, test is not here. Where no validation prompt has been
// ranked, a
// share of the train prompts is held back, by a hash of each prompt's own text: neither seeds nor other labels move it.

import { createHash } from 'node:crypto';
import type { Message, Prompt } from '#core/contract/prompts.ts';
import { createRandom } from '#core/random.ts';
import { normalPrompt } from '#core/spelling.ts';
import { inRows } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import type { Project } from '#core/store/project.ts';
import type { SelectedRanking } from '#core/store/selection.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { learningPrompts } from './dataset.ts';
import { encodeAnswers, encodePrompts, sharedTokens } from './prompt-tokens.ts';
import type { Answer, SharedToken } from './prompt-tokens.ts';

interface RankedPrompt {
  promptId: number;
  prompt: string;
  messages: Message[] | null;
}
/** A row of data.jsonl: one ranking. What is optional is absent in runs of older versions. */
export interface RankingRow extends RankedPrompt {
  /** whether it is learnt from, or validated on because its prompt is the project's validation or was held back here */
  use?: 'train' | 'validation' | 'held back';
  labeler?: string;
  confidence?: number | null;
  completionIds: number[];
  /** who wrote each completion */
  policies?: (string | null)[];
  completions: string[];
  ids: (number[] | null)[];
  /** hash of the tokenizer that the ids are of; where no one knows, of the one beside the model that wrote them */
  tokenizers?: (string | null)[];
  likely?: (string | null)[];
  ended: boolean[];
  ranks: number[];
}
/** Another: a reference completion for the zero point. */
export interface ReferenceRow extends RankedPrompt {
  reference: string;
}
export type RewardRow = RankingRow | ReferenceRow;

/** Whether a train prompt is among the `share` that is held back where the project has none for validation. */
export function isHeldBack({ prompt, messages }: Pick<RankedPrompt, 'prompt' | 'messages'>, share: number): boolean {
  const hash = createHash('sha256')
    .update(`held back from reward models\n${normalPrompt(prompt, messages)}`)
    .digest();
  return hash.readUIntBE(0, 6) / 2 ** 48 < share;
}

/**
 * Rows of rankings; `share` of the train prompts is held back where no validation prompt is among them. `likely` are
 * the tokenizers beside the models, by policy.
 */
export function rankingRows(
  rankings: readonly SelectedRanking[],
  share: number,
  likely: ReadonlyMap<number, string | null> = new Map(),
): RankingRow[] {
  const own = rankings.some(({ prompt }) => prompt.split === 'validation');
  const useOf = ({ split, text, messages }: Prompt): RankingRow['use'] =>
    split === 'validation'
      ? 'validation'
      : !own && isHeldBack({ prompt: text, messages }, share)
        ? 'held back'
        : 'train';
  return rankings.map(({ prompt, answers, ranks, labeler, confidence }) => ({
    promptId: prompt.id,
    prompt: prompt.text,
    messages: prompt.messages,
    use: useOf(prompt),
    labeler,
    confidence,
    completionIds: answers.map(({ id }) => id),
    policies: answers.map(({ by }) => by),
    completions: answers.map(({ text }) => text),
    ids: answers.map(({ tokenIds }) => (tokenIds.length ? tokenIds : null)),
    tokenizers: answers.map(({ tokenizer }) => tokenizer),
    likely: answers.map(({ policyId }) => likely.get(policyId ?? -1) ?? null),
    ended: answers.map(({ finish }) => finish === 'stop'),
    ranks: [...ranks],
  }));
}

/** Texts that the zero point is read off: enough that its error is a sixteenth of their spread. */
export const ZERO_TEXTS = 256;
const SPARE = 4; // times as many are kept, for some may not fit the model

/** References of train prompts, a random sample in random order where there are more than the zero point takes. */
export function referenceRows(project: Project, seed: number): ReferenceRow[] {
  const all = learningPrompts(project).filter(({ split, reference }) => split === 'train' && reference !== null);
  const rows = all.map(({ id, text, messages, reference }) => ({
    promptId: id,
    prompt: text,
    messages,
    reference: reference!,
  }));
  return sampled(rows, seed, SPARE * ZERO_TEXTS);
}

/** All of a list, or `most` at random and in random order. */
export const sampled = <T>(list: readonly T[], seed: number, most = ZERO_TEXTS): T[] =>
  list.length <= ZERO_TEXTS ? [...list] : createRandom(seed, 'reward/zero').shuffled(list).slice(0, most);

/** A ranking as token ids. */
export interface Element extends Group {
  promptId: number;
  use: NonNullable<RankingRow['use']>;
  labeler: string | null;
  confidence: number | null;
  completionIds: number[];
  policies: (string | null)[];
  prompt: number[];
  completions: number[][];
  ranks: number[];
  /** the same texts, one group a row */
  rows: Group[];
}

/**
 * Rows as token ids. Completions known only as text are tokenised as given, with one end-of-text where they had ended.
 */
export async function readRows(
  tokenizerFolder: string,
  rows: readonly RewardRow[],
  share: number,
): Promise<{ elements: Element[]; references: Group[]; joined: string | null }> {
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const prompts = await encodePrompts(tokenizer, rows.map(asked));
  const asking = rows.flatMap((row): Answer[] => {
    const prompt = asked(row);
    if ('reference' in row) return [{ prompt, text: row.reference, ended: true, written: true }];
    return row.completions.map((text, k) => ({
      prompt,
      text,
      ended: row.ended[k]!,
      sampled: { ids: row.ids[k] ?? [], tokenizer: row.tokenizers?.[k] ?? null, likely: row.likely?.[k] ?? null },
    }));
  });
  const shared: SharedToken[] = [];
  const answers = await encodeAnswers(tokenizer, asking, undefined, shared);
  const elements: Element[] = [];
  const references: Group[] = [];
  let at = 0;
  for (const [i, row] of rows.entries()) {
    const prompt = prompts[i]!;
    if ('reference' in row) references.push({ prompt, completions: [answers[at++]!] });
    else {
      const completions = answers.slice(at, (at += row.completions.length));
      const {
        promptId,
        completionIds,
        ranks,
        use = isHeldBack(row, share) ? 'held back' : 'train',
        labeler = null,
        confidence = null,
        policies = completionIds.map(() => null),
      } = row;
      elements.push({
        promptId,
        use,
        labeler,
        confidence,
        completionIds,
        policies,
        prompt,
        completions,
        ranks,
        rows: inRows({ prompt, completions }),
      });
    }
  }
  return {
    elements,
    references,
    joined: sharedTokens(shared, asking.length, (i) => JSON.stringify(asking[i]!.text.slice(0, 40))),
  };
}
const asked = ({ prompt, messages }: RankedPrompt) => ({ text: prompt, messages });

/** How much each ranking counts: a prompt's share is split among its rankings, and the mean is 1 (D14). */
export function rankingWeights(elements: readonly { promptId: number }[]): number[] {
  const times = new Map<number, number>();
  for (const { promptId } of elements) times.set(promptId, (times.get(promptId) ?? 0) + 1);
  return elements.map(({ promptId }) => elements.length / (times.size * times.get(promptId)!));
}
