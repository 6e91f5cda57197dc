// Scores completions that a reward model has not seen, and measures how likely a reference finds them, token by token.

import type { Message, Prompt } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { rewardScorer } from '#core/recipes/parts/scorers.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { sharingPrompts } from '#core/models/rows.ts';
import { readingOf, readsEnd } from '#core/models/score-reading.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { unmeasured } from '#core/store/run-completions.ts';
import type { Unmeasured } from '#core/store/run-completions.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { KL_FROM, SCORED_BY, words } from './settings.ts';
import type { Config } from './settings.ts';
import { likelyTokenizers } from '#core/recipes/parts/likely-tokenizers.ts';
import type { Inputs, Recipe, Measured, Outcome, RunContext } from './recipe.ts';
import { planScore, PROMPTS_A_BATCH } from '#core/recipes/parts/score-plan.ts';
import { encodeAnswers, encodePrompts, isConversation, sharedTokens } from '#core/recipes/parts/prompt-tokens.ts';
import type { Answer, AskedPrompt, SharedToken } from '#core/recipes/parts/prompt-tokens.ts';
import { enough } from '#core/recipes/parts/needs.ts';

export const SCORE_SETTINGS = {
  reward: words('reward', 'The reward model that scores; empty = none.', {
    group: 'data',
    main: true,
    model: SCORED_BY,
  }),
  reference: words('', 'The model whose log-probabilities of the completions are wanted, for their KL; empty = none.', {
    group: 'kl',
    main: true,
    model: KL_FROM,
  }),
} as const;
type ScoreConfig = Config<typeof SCORE_SETTINGS>;

/** A row of data.jsonl: a prompt with those of its completions that lack something. `own`: the reference wrote it. */
interface Row {
  promptId: number;
  prompt: string;
  messages?: Message[] | null;
  completions: {
    id: number;
    text: string;
    ids: number[];
    tokenizer: string | null;
    /** where that is null: the hash of the tokenizer beside its writer now */ likely?: string | null;
    ended: boolean;
    score: boolean;
    logprobs: boolean;
    own: boolean;
  }[];
}

const SAVE_EVERY = 8; // batches
const PROMPTS_A_READING = 1000;

async function prepare(project: Project, config: ScoreConfig): Promise<Inputs> {
  if (!config.reward && !config.reference)
    throw new TastemakerError(
      'bad-argument',
      'Neither a reward model nor a reference was named.',
      'Set reward, reference or both.',
    );
  const reward = config.reward ? getPolicy(project, config.reward) : null;
  const reference = config.reference ? getPolicy(project, config.reference) : null;
  if (reward && reward.kind !== 'reward')
    throw new TastemakerError(
      'bad-argument',
      `"${reward.name}" is a ${reward.kind} model; it gives no scores.`,
      'Name a reward model.',
    );
  if (reference?.kind === 'reward')
    throw new TastemakerError(
      'bad-argument',
      `"${reference.name}" is a reward model; it gives no log-probabilities.`,
      'Name a base model or a policy.',
    );
  return {
    models: {
      ...(reward ? { reward: policyPath(project, reward) } : {}),
      ...(reference ? { reference: policyPath(project, reference) } : {}),
    },
    data: rowsOf(
      project,
      unmeasured(project, { rewardId: reward?.id ?? null, referenceId: reference?.id ?? null }),
      reference?.id ?? null,
      await likelyTokenizers(project),
    ),
  };
}

/** By prompt, a part at a time: there may be hundreds of thousands. */
function* rowsOf(
  project: Project,
  all: Iterable<Unmeasured>,
  referenceId: number | null,
  likely: ReadonlyMap<number, string | null>,
): Generator<Row> {
  let groups: Unmeasured[][] = [];
  function* flush(): Generator<Row> {
    const prompts = new Map(
      listPrompts(project, { ids: groups.map((group) => group[0]!.promptId) }).map((prompt): [number, Prompt] => [
        prompt.id,
        prompt,
      ]),
    );
    for (const group of groups) {
      const { id, text, messages } = prompts.get(group[0]!.promptId)!;
      yield {
        promptId: id,
        prompt: text,
        messages,
        completions: group.map((one) => ({
          id: one.id,
          text: one.text,
          ids: one.tokenIds,
          tokenizer: one.tokenizer,
          ...(one.tokenizer === null && one.tokenIds.length && one.policyId !== null
            ? { likely: likely.get(one.policyId) ?? null }
            : {}),
          ended: one.finish === 'stop',
          score: one.lacksScore,
          logprobs: one.lacksLogprobs,
          own: one.policyId === referenceId,
        })),
      };
    }
    groups = [];
  }
  for (const one of all) {
    if (groups.at(-1)?.[0]!.promptId === one.promptId) groups.at(-1)!.push(one);
    else {
      if (groups.length === PROMPTS_A_READING) yield* flush();
      groups.push([one]);
    }
  }
  yield* flush();
}

async function run(context: RunContext, config: ScoreConfig): Promise<Outcome> {
  context.phase('loading the models');
  const load = (role: string) => (context.manifest.models[role] ? loadCheckpoint(context.model(role)) : null);
  const reward = load('reward');
  const reference = load('reference');
  if (reward && !isScoreHead(reward.head))
    throw new TastemakerError(
      'bad-model',
      `${context.model('reward')} has no score head.`,
      'Name a reward model, or train one first.',
      '`tastemaker train reward` does.',
    );
  // each model reads the texts under its own tokenizer
  const scoring = reward && {
    tokenizer: await loadTokenizer(context.model('reward')),
    reading: readingOf(context.model('reward')),
    context: reward.architecture.context,
  };
  const measuring = reference && {
    tokenizer: await loadTokenizer(context.model('reference')),
    context: reference.architecture.context,
  };
  const progress = context.count;
  const judging = reward && createEvaluator(reward, { constants: reward.weights, progress });
  const reader = reference && createEvaluator(reference, { constants: reference.weights, progress });
  const rows = context.data<Row>();
  const total = rows.length;
  const shared: { id: number; token: string }[] = [];
  const room = Math.min(...[scoring, measuring].flatMap((model) => model?.context ?? []));
  const saved = context.saved();
  let { measured, tooLong } = (saved?.rest ?? { measured: 0, tooLong: 0 }) as { measured: number; tooLong: number };
  let at = saved?.step ?? 0;
  let status: Outcome['status'] = 'done';
  const save = () => context.save({ step: at, tensors: {}, rest: { measured, tooLong } });
  context.phase('scoring');
  for (let batch = 1; at < total; batch++) {
    if (context.stopping()) {
      status = 'stopped';
      break;
    }
    const started = performance.now();
    const part = rows.slice(at, at + PROMPTS_A_BATCH);
    const found: Measured[] = [];
    const asking = part.flatMap((row) => row.completions.map((one) => ({ ...one, row })));
    const without = new Set<number>();
    let tokens = 0;
    if (scoring) {
      const ends = (row: Row) => readsEnd(scoring.reading, isConversation(scoring.tokenizer, asked(row)));
      const fits = (
        await encoded(
          scoring,
          asking.filter((one) => one.score).map((one) => ({ ...one, ended: one.ended && ends(one.row) })),
        )
      ).filter(({ fitting, prompt, ids, id }) => (fitting && prompt.length + ids.length > 0) || !without.add(id));
      const scores = await rewardScorer(judging!, reward, scoring.reading).score(
        fits.map(({ prompt, ids }) => ({ prompt, completion: ids })),
      );
      fits.forEach(({ id }, i) => found.push({ completionId: id, role: 'reward', score: scores[i]!.value }));
      tokens += tokensOf(fits);
    }
    if (measuring) {
      const fits = (
        await encoded(
          measuring,
          asking.filter((one) => one.logprobs),
        )
      ).filter(({ fitting, ids, id }) => (fitting && ids.length > 0) || !without.add(id));
      const others = fits.filter((one) => !one.own);
      for (const { id } of fits.filter((one) => one.own))
        found.push({ completionId: id, role: 'reference', own: true });
      const under = others.length
        ? (
            await reader!.logprobs(
              reference.weights,
              sharingPrompts(others.map(({ prompt, ids }) => ({ prompt, completions: [ids] }))),
            )
          ).flat()
        : [];
      // ids made from the text are not the writer's, token by token: only their sum says something of the completion
      others.forEach(({ id, sampled }, i) =>
        found.push({
          completionId: id,
          role: 'reference',
          ...(sampled ? { tokenLogprobs: under[i]! } : { logprob: under[i]!.reduce((sum, value) => sum + value, 0) }),
        }),
      );
      tokens += tokensOf(others);
    }
    tooLong += without.size;
    measured += asking.length - without.size;
    at += part.length;
    context.measures(at, found);
    const scores = found.flatMap(({ score }) => score ?? []);
    context.report(at, total, {
      ...(scores.length ? { score: scores.reduce((a, b) => a + b, 0) / scores.length } : {}),
      tokens_per_second: (tokens / (performance.now() - started)) * 1000,
    });
    if (batch % SAVE_EVERY === 0 || at === total) save();
  }
  if (status === 'stopped') save();
  await judging?.release();
  await reader?.release();
  const joined = sharedTokens(
    shared.map(({ token }, i) => ({ answer: i, token })),
    measured + tooLong,
    (i) => `completion ${shared[i]!.id}`,
  );
  if (joined) context.log(joined);
  if (tooLong)
    context.log(
      `${tooLong} completions are empty or do not fit the context of ${room} tokens with their prompt and were left out.`,
    );
  return {
    status,
    model: null,
    summary: `Measured ${measured} completions of ${at} prompts with ${[config.reward, config.reference]
      .filter(Boolean)
      .map((name) => `"${name}"`)
      .join(' and ')}.`,
    counts: { measured, tooLong },
  };

  /**
   * Under a model's tokenizer: as sampled where the ids are of it; else the text as an answer, with the token that ends
   * one where it had ended.
   */
  async function encoded<T extends Row['completions'][number] & { row: Row }>(
    { tokenizer, context: places }: { tokenizer: Tokenizer; context: number },
    list: readonly T[],
  ) {
    const of = [...new Set(list.map(({ row }) => row))];
    const met: SharedToken[] = [];
    const before = await encodePrompts(tokenizer, of.map(asked), (i) => `Prompt ${of[i]!.promptId}`);
    const prompts = new Map(of.map((row, i) => [row, before[i]!]));
    const answers = list.map(({ row, text, ended, ids, tokenizer: whose, likely }): Answer => ({
      prompt: asked(row),
      text,
      ended,
      sampled: { ids, tokenizer: whose ?? null, likely: likely ?? null },
    }));
    const lists = await encodeAnswers(tokenizer, answers, (i) => `Completion ${list[i]!.id}`, met);
    shared.push(...met.map(({ answer, token }) => ({ id: list[answer]!.id, token })));
    return list.map((one, i) => {
      const prompt = prompts.get(one.row)!;
      const ids = lists[i]!;
      return {
        ...one,
        prompt,
        ids,
        fitting: prompt.length + ids.length <= places,
        sampled: ids.length === one.ids.length && ids.every((id, n) => id === one.ids[n]),
      };
    });
  }
}

const asked = ({ prompt, messages = null }: Row): AskedPrompt => ({ text: prompt, messages });
const tokensOf = (list: readonly { prompt: readonly number[]; ids: readonly number[] }[]): number =>
  list.reduce((sum, { prompt, ids }) => sum + prompt.length + ids.length, 0);

export const score: Recipe<typeof SCORE_SETTINGS> = {
  title: 'Score completions',
  sentence: 'Asks a reward model and a reference about the completions that they have not seen.',
  makes: 'scores and KL for Inspect and for the queues of the desk',
  words: {
    about: 'Scoring: what a reward model and a reference say of the completions there are.',
    run: 'scoring',
    start: 'Score',
    step: 'row',
  },
  place: 'aside',
  shows: 'scores',
  model: null,
  settings: SCORE_SETTINGS,
  asksFor: null,
  sizes: null,
  charts: ['score', 'tokens_per_second'],
  judgedBy: ['score', 'tokens_per_second'],
  rowsAStep: () => null,
  needs: ({ completions }) => [enough(completions, 1, 'completion', 'completions', ': sample some')],
  oneClick: (own, { reward, reference }) => ({
    ...own,
    reward: reward ?? own.reward,
    reference: reference ?? own.reference,
  }),
  called: ({ reward, reference }) => `measures by ${[reward, reference].filter(Boolean).join(' and ')}`,
  lineage: () => null,
  prepare,
  run,
  plan: planScore,
};
