// How a model wants its texts: what stands before a plain one, what ends an answer, and how a reward model is read; for
// manifests and for people.

import { isScoreHead } from '#core/models/heads.ts';
import { readingOf } from '#core/models/score-reading.ts';
import type { StoredCheckpoint } from '#core/models/checkpoint.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

export interface Conventions {
  /** hash of the tokenizer */
  tokenizer: string;
  /** tokens before a plain prompt, spelled out; '' for none */
  begin: string;
  /** the token that ends a plain answer, and the one that ends a turn where there is a chat template */
  end: string;
  turnEnd: string | null;
  /**
   * of a reward model: whether a finished plain answer is read with its end, and the token that is passed over at the
   * end of a text
   */
  appendsEnd?: boolean;
  passedOver?: string | null;
}

export function conventionsOf(tokenizer: Tokenizer, folder: string, opened: StoredCheckpoint): Conventions {
  const plain = {
    tokenizer: tokenizer.hash,
    begin: tokenizer.begin.map((id) => tokenizer.token(id)).join(''),
    end: tokenizer.token(tokenizer.endOfText),
    turnEnd: tokenizer.answerShape?.end ?? null,
  };
  if (!isScoreHead(opened.head)) return plain;
  const { appendsEnd, passedOver } = readingOf(folder, opened);
  return { ...plain, appendsEnd, passedOver: passedOver === null ? null : tokenizer.token(passedOver) };
}

/**
 * The conventions of a run's models by role; those of a model that cannot be read are left out, and the run says what
 * is wrong with it.
 */
export async function conventionsOfRun(models: Readonly<Record<string, string>>): Promise<Record<string, Conventions>> {
  const found = await Promise.all(
    Object.entries(models).map(async ([role, folder]): Promise<[string, Conventions][]> => {
      try {
        return [[role, conventionsOf(await loadTokenizer(folder), folder, openCheckpoint(folder))]];
      } catch {
        return [];
      }
    }),
  );
  return Object.fromEntries(found.flat());
}

/** The same in sentences. */
export function describeConventions({ begin, end, turnEnd, appendsEnd, passedOver }: Conventions): string[] {
  return [
    `Plain prompts begin ${begin === '' ? 'with their own text' : `with ${JSON.stringify(begin)}`}, plain answers end with ${JSON.stringify(end)}${turnEnd === null ? '' : `, and turns of a conversation with ${JSON.stringify(turnEnd)}`}.`,
    ...(appendsEnd === undefined
      ? []
      : [
          `Its score is read at the last token${passedOver === null || passedOver === undefined ? '' : ` that is not its padding, ${JSON.stringify(passedOver)}`}; a finished plain answer is given ${appendsEnd ? 'its end' : 'no end'} for that.`,
        ]),
  ];
}
