// Measures the answers of a run, of now and of its start, for what stands out beside phrases: their shape, and their
// numbers under the reward model and the reference.

import path from 'node:path';
import type { FoundSample, MeasureFinding } from '#core/contract/findings.ts';
import { farFrom } from '#core/findings/mahalanobis.ts';
import { MEASURES, measuresOf } from '#core/findings/measures.ts';
import type { MeasuredAnswer, MeasureFound } from '#core/findings/measures.ts';
import { loopOf } from '#core/findings/texts.ts';
import { createLexicon } from '#core/findings/words.ts';
import type { PromptRow } from '#core/recipes/parts/policy-prompts.ts';
import type { RankingRow, RewardRow } from '#core/recipes/parts/reward-data.ts';
import { readRows } from '#core/runs/read-rows.ts';
import type { RolloutRow } from '#core/runs/rollouts.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { HeldModel } from './held-models.ts';
import { featuresOf } from './score-features.ts';
import { fitsInto, readTexts } from './score-texts.ts';
import type { AskedText } from './score-texts.ts';

/** An answer of before the first update to a held-out prompt, as samples.jsonl has it. */
export interface HeldOutAnswer {
  promptId: number;
  text: string;
  finish: 'stop' | 'length';
  tokens: number;
}

export interface MeasuredSides {
  prompts: ReadonlyMap<number, PromptRow>;
  /** of the last updates */
  now: readonly RolloutRow[];
  /** of the first update, which are drawn before any step, and to held-out prompts then */
  first: readonly RolloutRow[];
  heldOut: readonly HeldOutAnswer[];
  /** what the reward model learnt from; empty where that is not known */
  ranked: readonly RankingRow[];
}

/** Answers that are shown with a finding. */
const SHOWN = 50;
/** Answers of each side, and ranked ones, whose features are looked at. */
const MOST_FEATURES = 512;

/** Everything that was measured, what stands out farthest first. */
export async function findMeasures(reward: HeldModel, sides: MeasuredSides): Promise<MeasureFinding[]> {
  const lexicon = createLexicon();
  const sources = new Map<number, readonly number[]>();
  const sourceOf = (promptId: number): readonly number[] => {
    const known = sources.get(promptId) ?? lexicon.read(sides.prompts.get(promptId)?.text ?? '').ids;
    sources.set(promptId, known);
    return known;
  };
  const far = await farther(reward, sides);
  const written = (row: RolloutRow): MeasuredAnswer => ({
    promptId: row.promptId,
    update: row.step,
    text: row.text,
    words: lexicon.read(row.text).ids,
    source: sourceOf(row.promptId),
    tokens: row.tokenIds.length,
    ended: row.finish === 'stop',
    score: row.score,
    likelihood: row.tokenIds.length > 0 ? row.referenceLogprob / row.tokenIds.length : null,
    far: far.get(row) ?? null,
  });
  const heldOut = ({ promptId, text, finish, tokens }: HeldOutAnswer): MeasuredAnswer => ({
    promptId,
    update: 0,
    text,
    words: lexicon.read(text).ids,
    source: sourceOf(promptId),
    tokens,
    ended: finish === 'stop',
    score: null,
    likelihood: null,
    far: null,
  });
  const start = [...sides.first.map(written), ...sides.heldOut.map(heldOut)];
  return measuresOf(sides.now.map(written), start).map(asFinding);
}

function asFinding({ kind, start, now, change, found, also, shown }: MeasureFound): MeasureFinding {
  const { title, what, unit, of, compared, limit, because } = MEASURES[kind];
  return {
    kind,
    title,
    what,
    unit,
    of,
    compared,
    limit,
    because,
    start,
    now,
    change,
    found,
    also,
    samples: shown.slice(0, SHOWN).map((answer) => asSample(kind, answer)),
  };
}

/** Of a loop, where it stands in the text. */
function asSample(kind: MeasureFinding['kind'], { promptId, update, text, score }: MeasuredAnswer): FoundSample {
  const { ids, starts, ends } = createLexicon().read(text);
  const loop = kind === 'loops' ? loopOf(ids) : null;
  const last = loop && Math.round(loop.start + loop.copies * loop.period) - 1;
  return {
    promptId,
    update,
    text,
    score,
    places: loop ? [{ start: starts[loop.start]!, end: ends[last!]! }] : [],
  };
}

const evenly = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)]!);

/** Which answers lie far from what was ranked; none where too little was, or is known. */
async function farther(
  reward: HeldModel,
  { prompts, now, first, ranked }: MeasuredSides,
): Promise<ReadonlyMap<RolloutRow, boolean>> {
  const rankedTexts = evenly(
    ranked.flatMap(({ prompt, messages, completions, ended }) =>
      completions.map((text, k): AskedText => ({ prompt: { text: prompt, messages }, text, ended: ended[k]! })),
    ),
    MOST_FEATURES,
  );
  const rows = [now, first].flatMap((side) => evenly(side, MOST_FEATURES)).filter((row) => prompts.has(row.promptId));
  if (rankedTexts.length === 0 || rows.length === 0) return new Map();
  const asked = rows.map((row): AskedText => ({
    prompt: prompts.get(row.promptId)!,
    text: row.text,
    ended: row.finish === 'stop',
  }));
  const fits = fitsInto(reward);
  const read = await readTexts(reward, asked);
  const kept = rows.filter((_, i) => fits(read[i]!));
  const far = farFrom(
    await featuresOf(reward, (await readTexts(reward, rankedTexts)).filter(fits)),
    await featuresOf(reward, read.filter(fits)),
    reward.checkpoint.architecture.channels,
  );
  return new Map(far ? kept.map((row, i) => [row, far[i]!]) : []);
}

const isRanking = (row: Partial<RewardRow>): boolean =>
  Array.isArray((row as Partial<RankingRow>).completions) && Array.isArray((row as Partial<RankingRow>).ended);

/** The rankings that the run that made a reward model learnt from; none where no run of the project did. */
export async function rankedFor(project: Project, reward: string): Promise<RankingRow[]> {
  const made = listPolicies(project, { kind: 'reward' }).find(({ name }) => name === reward);
  if (!made?.runId) return [];
  return readRows<RankingRow>(path.join(runFolderOf(project.folder, made.runId), 'data.jsonl'), isRanking);
}
