// Scores completions that a reward model has not seen, and measures how likely a reference finds them, token by token.

import type { Message, Prompt } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { requireScoreHead, rewardScorer } from '#core/recipes/parts/scorers.ts';
import { mean } from '#core/evaluation/mean.ts';
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
  const shared: Shared[] = [];
  const measurers = [await scoring(context, shared), await measuring(context, shared)].filter((one) => one !== null);
  const rows = context.data<Row>();
  const total = rows.length;
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
    const wanted = part.flatMap((row) => row.completions.map((one) => ({ ...one, row })));
    const said: BatchMeasures[] = [];
    for (const { measure } of measurers) said.push(await measure(wanted));
    const found = said.flatMap((one) => one.found);
    const unfit = new Set(said.flatMap((one) => one.unfit)).size;
    tooLong += unfit;
    measured += wanted.length - unfit;
    at += part.length;
    context.measures(at, found);
    const scores = found.flatMap(({ score }) => score ?? []);
    const tokens = said.reduce((sum, one) => sum + one.tokens, 0);
    context.report(at, total, {
      ...(scores.length ? { score: mean(scores) } : {}),
      tokens_per_second: (tokens / (performance.now() - started)) * 1000,
    });
    if (batch % SAVE_EVERY === 0 || at === total) save();
  }
  if (status === 'stopped') save();
  for (const { release } of measurers) await release();
  const joined = sharedTokens(
    shared.map(({ token }, i) => ({ answer: i, token })),
    measured + tooLong,
    (i) => `completion ${shared[i]!.id}`,
  );
  if (joined) context.log(joined);
  const room = Math.min(...measurers.map((one) => one.room));
  if (tooLong)
    context.log(
      `${tooLong} completions are empty or do not fit the context of ${room} tokens with their prompt and were left out.`,
    );
  const names = [config.reward, config.reference].filter(Boolean).map((name) => `"${name}"`);
  return {
    status,
    model: null,
    summary: `Measured ${measured} completions of ${at} prompts with ${names.join(' and ')}.`,
    counts: { measured, tooLong },
  };
}

/** A completion that something is to be said of, with the row of its prompt. */
type WantedCompletion = Row['completions'][number] & { row: Row };
/** A token that an answer shares with its prompt, by the completion's id. */
interface Shared {
  id: number;
  token: string;
}

/** What a model says of some completions. */
interface BatchMeasures {
  found: Measured[];
  /** ids of completions that are empty or do not fit */
  unfit: number[];
  /** that were read */
  tokens: number;
}

/** A model of the run, which reads texts under its own tokenizer. */
interface Measurer {
  /** tokens that it can read */
  room: number;
  /** Says of those completions that lack it what it has to say. */
  measure(wanted: readonly WantedCompletion[]): Promise<BatchMeasures>;
  release(): Promise<void>;
}

/** The scores of the run's reward model; null where it has none. */
async function scoring(context: RunContext, shared: Shared[]): Promise<Measurer | null> {
  if (!context.manifest.models.reward) return null;
  const folder = context.model('reward');
  const reward = loadCheckpoint(folder);
  requireScoreHead(reward, folder);
  const tokenizer = await loadTokenizer(folder);
  const reading = readingOf(folder);
  const evaluator = createEvaluator(reward, { constants: reward.weights, progress: context.count });
  const scorer = rewardScorer(evaluator, reward, reading);
  const room = reward.architecture.context;
  const readsItsEnd = (row: Row) => readsEnd(reading, isConversation(tokenizer, asked(row)));
  return {
    room,
    measure: async (wanted) => {
      const lacking = wanted.filter((one) => one.score);
      const read = await encoded(
        tokenizer,
        lacking.map((one) => ({ ...one, ended: one.ended && readsItsEnd(one.row) })),
        shared,
      );
      const [fitting, unfit] = parted(read, ({ prompt, ids }) => {
        const tokens = prompt.length + ids.length;
        return tokens > 0 && tokens <= room;
      });
      const scores = await scorer.score(fitting.map(({ prompt, ids }) => ({ prompt, completion: ids })));
      const found = fitting.map(({ id }, i) => ({ completionId: id, role: 'reward', score: scores[i]!.value }));
      return { found, unfit, tokens: tokensOf(fitting) };
    },
    release: evaluator.release,
  };
}

/** The log-probabilities of the run's reference; null where it has none. */
async function measuring(context: RunContext, shared: Shared[]): Promise<Measurer | null> {
  if (!context.manifest.models.reference) return null;
  const folder = context.model('reference');
  const reference = loadCheckpoint(folder);
  const tokenizer = await loadTokenizer(folder);
  const evaluator = createEvaluator(reference, { constants: reference.weights, progress: context.count });
  const room = reference.architecture.context;
  const logprobsOf = async (list: readonly Encoded[]): Promise<number[][]> => {
    if (list.length === 0) return [];
    const rows = sharingPrompts(list.map(({ prompt, ids }) => ({ prompt, completions: [ids] })));
    return (await evaluator.logprobs(reference.weights, rows)).flat();
  };
  return {
    room,
    measure: async (wanted) => {
      const read = await encoded(
        tokenizer,
        wanted.filter((one) => one.logprobs),
        shared,
      );
      const [fitting, unfit] = parted(read, ({ prompt, ids }) => ids.length > 0 && prompt.length + ids.length <= room);
      const own = fitting.filter((one) => one.own);
      const others = fitting.filter((one) => !one.own);
      const under = await logprobsOf(others);
      const found = [
        ...own.map(({ id }) => ({ completionId: id, role: 'reference', own: true as const })),
        // ids made from the text are not the writer's, token by token: only their sum says something of the completion
        ...others.map(({ id, sampled }, i) => ({
          completionId: id,
          role: 'reference',
          ...(sampled ? { tokenLogprobs: under[i]! } : { logprob: under[i]!.reduce((sum, value) => sum + value, 0) }),
        })),
      ];
      return { found, unfit, tokens: tokensOf(others) };
    },
    release: evaluator.release,
  };
}

/** A completion as token ids of the model that reads it. */
interface Encoded {
  id: number;
  own: boolean;
  prompt: number[];
  ids: number[];
  /** they are the very ids that its writer sampled */
  sampled: boolean;
}

/**
 * Completions under a model's tokenizer: as sampled where the ids are of it; else the text as an answer, with the token
 * that ends one where it had ended. Tokens that an answer shares with its prompt are added to `shared`.
 */
async function encoded(tokenizer: Tokenizer, list: readonly WantedCompletion[], shared: Shared[]): Promise<Encoded[]> {
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
  return list.map(({ id, own, row, ids: written }, i) => {
    const ids = lists[i]!;
    const sampled = ids.length === written.length && ids.every((one, n) => one === written[n]);
    return { id, own, prompt: prompts.get(row)!, ids, sampled };
  });
}

/** Those that fit, and the ids of those that do not. */
const parted = (list: readonly Encoded[], fits: (one: Encoded) => boolean): [Encoded[], number[]] => [
  list.filter(fits),
  list.filter((one) => !fits(one)).map(({ id }) => id),
];

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
  bestBy: null,
  rowsAStep: () => null,
  needs: ({ completions }) => [enough(completions, 1, 'completion', 'completions', ': sample some')],
  oneClick: (own, { reward, reference }) => ({
    ...own,
    reward: reward ?? own.reward,
    reference: reference ?? own.reference,
  }),
  called: ({ reward, reference }) => (reward ? `scores by ${reward}` : `KL from ${String(reference)}`),
  lineage: () => null,
  prepare,
  run,
  plan: planScore,
};
