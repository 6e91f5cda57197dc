// Looks through the rollouts of a run for phrases that its policy came to say, prices them under the reward model it
// was trained on, and claims what may be claimed.

import type { PhraseFinding } from '#core/contract/findings.ts';
import { placesOf } from '#core/findings/edits.ts';
import { onsetOf } from '#core/findings/onset.ts';
import { editsOf } from '#core/findings/phrase-edits.ts';
import type { PhraseEdit } from '#core/findings/phrase-edits.ts';
import { risenPhrases } from '#core/findings/phrases.ts';
import { createSayings } from '#core/findings/sayings.ts';
import type { Phrase } from '#core/findings/phrases.ts';
import { claimOf, dependenceOf, priceOf } from '#core/findings/price.ts';
import type { Price } from '#core/findings/price.ts';
import type { PromptRow } from '#core/recipes/parts/policy-prompts.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import type { HeldModel } from './held-models.ts';
import { scoreFittingTexts } from './score-texts.ts';
import type { AskedText } from './score-texts.ts';

/** Phrases that are priced; more would say less. */
const MOST_PHRASES = 12;
/** Answers of now that are shown with a finding. */
const SHOWN = 50;

/** What is compared. */
export interface Sides {
  prompts: ReadonlyMap<number, PromptRow>;
  /** what people would have answered, by prompt */
  references: ReadonlyMap<number, string>;
  /** all rollouts, in the order of updates */
  all: readonly RolloutRow[];
  /** those of the last updates */
  now: readonly RolloutRow[];
  /** what the policy said before it learnt */
  start: readonly string[];
}

/** The phrases, the worst first. */
export async function findPhrases(reward: HeldModel, sides: Sides): Promise<PhraseFinding[]> {
  const risen = risenPhrases(
    sides.now.map(({ text }) => text),
    sides.start,
    MOST_PHRASES,
  );
  const found: PhraseFinding[] = [];
  const saying = createSayings(sides.all.map(({ text }) => text));
  for (const phrase of risen) {
    const holds = saying(phrase.text);
    found.push(await describe(reward, sides, phrase, new Map(sides.all.map((row, i) => [row, holds[i]!]))));
  }
  return found.sort((a, b) => rankOf(b) - rankOf(a));
}

const CLAIMS = ['none', 'drift', 'exploit'] as const;
/** Exploits before drift before the rest; of a kind what costs most, in all answers together. */
const rankOf = ({ claim, price, shareNow, z }: PhraseFinding): number =>
  1e6 * CLAIMS.indexOf(claim) + (claim === 'exploit' ? shareNow * price!.mean : Math.min(z, 1e3) / 1e3);

/** `has`: which rollouts say it. */
async function describe(
  reward: HeldModel,
  sides: Sides,
  phrase: Phrase,
  has: ReadonlyMap<RolloutRow, boolean>,
): Promise<PhraseFinding> {
  const { all, now, prompts, references } = sides;
  const { text } = phrase;
  const price = await pricedBy(
    reward,
    prompts,
    editsOf(sides, text, (row) => has.get(row)!).filter(({ row }) => prompts.has(row.promptId)),
  );
  const dependence = dependenceOf(
    text,
    now.map((row) => ({
      prompt: prompts.get(row.promptId)?.text ?? '',
      reference: references.get(row.promptId) ?? null,
      has: has.get(row)!,
    })),
  );
  const shares = sharesOf(all, has);
  const onset = onsetOf(shares);
  return {
    kind: 'phrase',
    phrase: text,
    place: phrase.place,
    sentence: phrase.sentence,
    shareStart: phrase.shareStart,
    shareNow: phrase.shareNow,
    z: phrase.z,
    onset: onset && { update: onset.update, low: onset.low, high: onset.high },
    shares,
    price: price.all,
    priceOut: price.out,
    priceIn: price.in,
    prompts: {
      with: dependence.prompts,
      of: dependence.allPrompts,
      inPrompt: dependence.inPrompt,
      inReference: dependence.inReference,
      alike: Number.isFinite(dependence.alike) ? dependence.alike : null, // prompts that share no word at all
      depends: dependence.depends,
    },
    claim: claimOf(price, dependence, phrase),
    samples: phrase.texts
      .map((i) => now[i]!)
      .sort((a, b) => b.score - a.score)
      .slice(0, SHOWN)
      .map(({ promptId, step, text: said, score }) => ({
        promptId,
        update: step,
        text: said,
        score,
        places: placesOf(said, text),
      })),
    folded: phrase.folded,
  };
}

/** How many answers of each update say it. */
function sharesOf(all: readonly RolloutRow[], has: ReadonlyMap<RolloutRow, boolean>) {
  const shares = new Map<number, { update: number; hits: number; n: number }>();
  for (const row of all) {
    const share = shares.get(row.step) ?? { update: row.step, hits: 0, n: 0 };
    shares.set(row.step, share);
    share.n++;
    share.hits += Number(has.get(row));
  }
  return [...shares.values()];
}

async function pricedBy(
  reward: HeldModel,
  prompts: ReadonlyMap<number, PromptRow>,
  edits: readonly PhraseEdit<RolloutRow>[],
): Promise<Price> {
  const asked = (row: RolloutRow, text: string): AskedText => ({
    prompt: prompts.get(row.promptId)!,
    text,
    ended: row.finish === 'stop',
  });
  const scores = await scoreFittingTexts(
    reward,
    edits.flatMap((edit) => [asked(edit.row, edit.with), asked(edit.row, edit.without)]),
  );
  return priceOf(
    edits.flatMap(({ row, edit }, i) => {
      const [having, without] = [scores[2 * i]!, scores[2 * i + 1]!];
      // with the phrase, one may be longer than what the reward model reads
      return having === null || without === null ? [] : [{ prompt: row.promptId, edit, with: having, without }];
    }),
  );
}
