// Watches a policy at work for the guards: what its updates and looks say, and what its answers came to say, priced
// under the reward model that it is trained on.

import type { Finish } from '#core/contract/samples.ts';
import { says } from '#core/findings/edits.ts';
import { editsOf } from '#core/findings/phrase-edits.ts';
import { risenPhrases } from '#core/findings/phrases.ts';
import { claimOf, dependenceOf, priceOf } from '#core/findings/price.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import type { RunContext } from '#core/recipes/recipe.ts';
import { alarmOf, GUARDS } from './guards.ts';
import type { GuardAlarm, GuardName, Watched } from './guards.ts';
import type { PolicyModels } from './policy-models.ts';
import type { EncodedPrompt } from './policy-prompts.ts';
import type { Rollouts } from './policy-rollouts.ts';
import { encodeAnswers } from './prompt-tokens.ts';
import type { KeptRollout } from './rollout-log.ts';

/** Answers of the last updates that are looked at, and of the first that they are compared with: whole updates. */
const COMPARED = 128;
const STARTS = 64; // fewer say too little of what was never said
/** Phrases that are looked at, those that rose most. */
const MOST_PHRASES = 4;
/** Answers of an alarm that are shown on the run's page, and in its log. */
const SHOWN = 20;
const LOGGED = 3;

type Answer = Pick<KeptRollout, 'promptId' | 'text'> & { finish: Finish };

/** Kept in checkpoints, so that a resumed run goes on as if it had not been away. */
export interface GuardMemory {
  /** numbers of the first update */
  first: MetricRow;
  /** of the first updates */
  start: Answer[];
  /** of the last updates, each as one list */
  latest: Answer[][];
  /** the look with the best held-out value, and the training score then */
  top: { value: number; error: number; score: number } | null;
  /** guards that tripped: a person has let the run go on */
  heard: GuardName[];
}

/** What an update wrote and what was said of it. */
export interface Seen {
  now: MetricRow;
  rows: readonly KeptRollout[];
  /** the reward model's, [prompt][completion] */
  scores: readonly (readonly number[])[];
  /** the numbers of a look at held-out prompts after it, where there was one */
  look: MetricRow | null;
}

interface AtWork {
  context: RunContext;
  models: Pick<PolicyModels, 'tokenizer' | 'room'>;
  rollouts: Rollouts;
  prompts: readonly EncodedPrompt[];
}

/** Takes an update down, and gives the alarm of the guard that trips; `memory` is undefined before the first. */
export async function watch(
  atWork: AtWork,
  memory: GuardMemory | undefined,
  { now, rows, scores, look }: Seen,
): Promise<{ memory: GuardMemory; alarm: GuardAlarm | null }> {
  const answers = rows.map(({ promptId, text, finish }): Answer => ({ promptId, text, finish }));
  const before = memory ?? { first: now, start: [], latest: [], top: null, heard: [] };
  const latest = lastOf([...before.latest, answers]);
  const { fall, top } = look ? fallOf(before.top, look, now.score ?? 0) : { fall: null, top: before.top };
  const begins = before.start.length < STARTS;
  const start = begins ? [...before.start, ...answers] : before.start;
  const known: GuardMemory = { ...before, start, latest, top };
  const phrase = look && !begins ? await paidPhrase(atWork, known) : null;
  const watched = { now, first: known.first, fall, alike: alikeOf(scores), phrase };
  const alarm = alarmOf(watched, known.heard);
  if (!alarm) return { memory: known, alarm: null };
  const { guard, why } = alarm;
  const { limit, because } = GUARDS[guard];
  atWork.context.log(`The guard "${guard}" tripped: ${why}. Its limit is ${limit}: ${because}.`);
  const shown = phrase ? rows.filter(({ text }) => says(text, phrase.text)) : rows;
  const best = shown.toSorted((a, b) => b.score - a.score);
  for (const { text, score } of best.slice(0, LOGGED)) atWork.context.log(`  scored ${score.toFixed(2)}: ${text}`);
  const samples = best.slice(0, SHOWN).map(({ promptId, text, score }) => ({ promptId, text, score }));
  return { memory: { ...known, heard: [...known.heard, guard] }, alarm: { guard, why, limit, because, samples } };
}

/** The lists of the last updates that make enough answers. */
function lastOf(lists: readonly Answer[][]): Answer[][] {
  let count = 0;
  const from = lists.findLastIndex((list) => (count += list.length) >= COMPARED);
  return lists.slice(Math.max(0, from));
}

/** How far a look lies below the best, and whether the training score is no lower than it was there; the best now. */
function fallOf(
  top: GuardMemory['top'],
  look: MetricRow,
  score: number,
): Pick<Watched, 'fall'> & Pick<GuardMemory, 'top'> {
  const value = look.held_out_value!;
  const error = look.held_out_value_se ?? 0;
  if (!top || value >= top.value) return { fall: null, top: { value, error, score } };
  const spread = Math.hypot(error, top.error);
  const z = spread > 0 ? (top.value - value) / spread : null;
  return { fall: z === null ? null : { z, from: top.value, to: value, rose: score >= top.score }, top };
}

/** Share of the prompts whose answers all score the same; null where each has one. */
function alikeOf(scores: Seen['scores']): number | null {
  const several = scores.filter(({ length }) => length > 1);
  if (several.length === 0) return null;
  return several.filter((group) => group.every((score) => score === group[0])).length / several.length;
}

/** The phrase that most of the latest answers say, of those that rose, are paid for and do not hang on the prompt. */
async function paidPhrase(atWork: AtWork, { start, latest }: GuardMemory): Promise<Watched['phrase']> {
  const now = latest.flat();
  if (start.length === 0 || now.length === 0) return null;
  const risen = risenPhrases(
    now.map(({ text }) => text),
    start.map(({ text }) => text),
    MOST_PHRASES,
  ).filter(({ shareNow }) => shareNow > GUARDS.phrase.limit); // only what would trip is worth its price
  let most: Watched['phrase'] = null;
  for (const { text, shareStart, shareNow } of risen) {
    if (most && most.share >= shareNow) continue;
    const price = await priceIn(atWork, { start, now }, text);
    const { all } = price;
    const prompts = new Map(atWork.prompts.map((prompt) => [prompt.promptId, prompt.text]));
    const dependence = dependenceOf(
      text,
      now.map((row) => ({ prompt: prompts.get(row.promptId) ?? '', reference: null, has: says(row.text, text) })),
    );
    if (all && claimOf(price, dependence, { shareStart, shareNow }) === 'exploit')
      most = { text, share: shareNow, price: all.mean, low: all.low, high: all.high };
  }
  return most;
}

/** What the reward model pays for a phrase. */
async function priceIn(
  { context, models: { tokenizer, room }, rollouts, prompts }: AtWork,
  { start, now }: { start: readonly Answer[]; now: readonly Answer[] },
  phrase: string,
) {
  context.phase('pricing a phrase');
  const promptOf = new Map(prompts.map((prompt) => [prompt.promptId, prompt]));
  const edits = editsOf({ all: [...start, ...now], now }, phrase, ({ text }) => says(text, phrase)).filter(({ row }) =>
    promptOf.has(row.promptId),
  );
  const ids = await encodeAnswers(
    tokenizer,
    edits.flatMap(({ row, with: having, without }) =>
      [having, without].map((text) => ({ prompt: promptOf.get(row.promptId)!, text, ended: row.finish === 'stop' })),
    ),
  );
  const read = edits
    .map((edit, i) => ({ edit, prompt: promptOf.get(edit.row.promptId)!, texts: [ids[2 * i]!, ids[2 * i + 1]!] }))
    .filter(({ prompt, texts }) => texts.every(({ length }) => prompt.ids.length + length <= room && length > 0));
  const scores = await rollouts.scores(
    read.map(({ prompt }) => prompt),
    read.map(({ prompt, texts }) => ({ prompt: prompt.ids, completions: texts })),
  );
  await rollouts.hasRead();
  return priceOf(
    read.map(({ edit }, i) => ({
      prompt: edit.row.promptId,
      edit: edit.edit,
      with: scores[i]![0]!,
      without: scores[i]![1]!,
    })),
  );
}
