// The plan of a reward model: what frozen blocks make of the rankings, training above them, validation and zero point,
// one after the other.

import { withScores } from '#core/plans/model-shape.ts';
import { carriedAbove, numbersAbove, packedRows, reading } from '#core/plans/plan.ts';
import type { Phase, Plan } from '#core/plans/plan.ts';
import type { ScoreHeadName } from '#core/models/heads.ts';
import { roundedLength } from '#core/models/rows.ts';
import { rankingObjective } from '#core/training/objectives/row-losses.ts';
import type { Planning } from '#core/recipes/recipe.ts';
import { featuresPhase } from './frozen-features.ts';
import { ZERO_TEXTS } from './reward-data.ts';
import { addedUp, frozenBlocks, learnerShape, microBatches } from './tuning.ts';
import type { TuningConfig } from './tuning.ts';

interface Planned extends TuningConfig {
  policy: string;
  head: ScoreHeadName;
  head_bias: boolean;
  validation: number;
  batch: number;
  epochs: number;
  steps_a_run: number;
  zero: 'references' | 'completions' | 'completions-unit' | 'none';
}

export function planReward(config: Planned, here: Planning): Plan {
  const { facts, lengths } = here;
  const base = here.model(config.policy);
  const learner = learnerShape(withScores(base, config.head_bias, config.head), config);
  const { model } = learner;
  const layer = frozenBlocks(base.architecture, config);
  // a ranking's rows, and its tokens as a rule
  const row = packedRows(lengths.longestPrompt, Math.round(lengths.ranked), lengths.longestRanked);
  const K = row.completions;
  const usual = lengths.prompt + lengths.ranked * lengths.completion;
  const held = facts.validationRankings || Math.round(facts.rankings * config.validation);
  const learnt = Math.max(1, facts.rankings - held);
  const batch = Math.min(config.batch, learnt);
  const shape = { B: batch * row.rows, T: roundedLength(row.tokens), Q: K, shared: K > 1 };
  const training: Phase = {
    does: 'train',
    ...learner,
    objective: rankingObjective(layer),
    shape,
    growing: false,
    micro: microBatches(batch, config),
    steps: Math.ceil((learnt * config.epochs) / batch),
    asked: config.steps_a_run,
    tokensAStep: shape.B * row.tokens,
    varied: 1,
    fed: carriedAbove(model, layer, shape),
    tokens: learnt * config.epochs * usual,
    numbers: numbersAbove(model, layer),
  };
  const judged = { shared: K > 1, temperature: null, layer };
  return {
    models: [config.policy],
    wholes: [],
    made: addedUp(base, config),
    phases: [
      ...featuresPhase(model, layer, {
        rows: facts.rankings * row.rows,
        longest: row.tokens,
        K,
        tokens: facts.rankings * usual,
      }),
      training,
      ...reading(model, { ...judged, rows: held * row.rows, longest: row.tokens, slots: K, tokens: held * usual }),
      ...zeroPoint(config, here, { row, learnt, usual }).flatMap((read) => reading(model, { ...judged, ...read })),
    ],
    turns: 'always',
    rounds: false,
  };
}

/** The rows that are to score 0 on average. */
function zeroPoint(
  { zero }: Planned,
  { facts, lengths }: Planning,
  { row, learnt, usual }: { row: ReturnType<typeof packedRows>; learnt: number; usual: number },
): { rows: number; longest: number; slots: number; shared: boolean; tokens: number }[] {
  if (zero === 'none') return [];
  if (zero === 'references' && facts.references) {
    const rows = Math.min(ZERO_TEXTS, facts.references);
    const longest = lengths.longestPrompt + lengths.longestReference;
    return [{ rows, longest, slots: 1, shared: false, tokens: rows * (lengths.prompt + lengths.reference) }];
  }
  const K = row.completions;
  const texts = Math.min(ZERO_TEXTS, learnt);
  return [{ rows: texts * row.rows, longest: row.tokens, slots: K, shared: K > 1, tokens: texts * usual }];
}
