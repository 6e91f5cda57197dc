// `tastemaker inspect compare`: two policies side by side, both answering the same prompts with the same random
// numbers.

import type { ComparedPrompt, Comparison, PairedMeans, PolicySide } from '#core/contract/compare.ts';
import { changeWords, meanWords } from '#core/contract/compare-words.ts';
import { TastemakerError } from '#core/errors.ts';
import { compareInParts, comparePolicies } from '#core/inspection/compare.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { modelOfRun } from '#core/runs/model-chain.ts';
import { currentReward } from '#core/service/current-models.ts';
import { questionOf } from '#core/service/models/compare.ts';
import { checkpointsOf } from '#core/service/models/policy-sides.ts';
import { getPolicy } from '#core/store/policies.ts';
import { onOneLine } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import { defineCommand, flag, list, text, wholeNumber } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

interface Named {
  run: string | null;
  checkpoint: readonly string[];
  policy: readonly string[];
}

const two = (message: string, hint: string) => new TastemakerError('bad-argument', message, hint);

/** The two sides that were named: weights of a run (its start and its end where none is), models, or one of each. */
function sidesOf(project: Project, { run, checkpoint, policy }: Named): [PolicySide, PolicySide] {
  if (run === null && checkpoint.length > 0)
    throw two('--checkpoint names weights of a run, and no run is named.', 'Name the run with --run.');
  const all = run === null ? [] : checkpointsOf(project, getRun(project, run).id);
  const ofRun = (update: number): PolicySide => ({ runId: run!, update });
  const named = checkpoint.map((word) => ofRun(updateOf(word, all)));
  const models = policy.map((name): PolicySide => ({ modelId: getPolicy(project, name).id }));
  const sides = [...models, ...named];
  if (run !== null && sides.length === 0) return [ofRun(0), ofRun(all.at(-1)!.update)];
  if (run !== null && sides.length === 1) return [sides[0]!, ofRun(all.at(-1)!.update)];
  if (sides.length !== 2)
    throw two(
      `A comparison takes two policies, and ${sides.length} ${sides.length === 1 ? 'is' : 'are'} named.`,
      'Name a run with two of its --checkpoint, or --policy twice.',
    );
  return [sides[0]!, sides[1]!];
}

/** "start", "end", or an update. */
function updateOf(word: string, all: readonly { update: number }[]): number {
  if (word === 'start') return 0;
  if (word === 'end') return all.at(-1)!.update;
  if (/^\d+$/.test(word)) return Number(word);
  throw two(
    `--checkpoint is ${JSON.stringify(word)}, which is no update.`,
    `Name start, end or one of ${all.map(({ update }) => update).join(', ')}.`,
  );
}

/** The reward model that scores: the one named, else what the run was trained on, else the current one. */
function rewardOf(project: Project, reward: string | null, run: string | null): number | null {
  if (reward === '') return null;
  if (reward !== null) return getPolicy(project, reward).id;
  return ((run === null ? null : modelOfRun(project, run, 'reward')) ?? currentReward(project))?.id ?? null;
}

const SHOWN = 5;

function meansLines({ a, b, reward, unscored, means }: Comparison): string[] {
  const line = (name: string, { a: first, b: second, difference }: PairedMeans) =>
    `${name}: ${meanWords(first)} by “${a}”, ${meanWords(second)} by “${b}”; difference ${changeWords(difference)}.`;
  return [
    ...(means.score ? [line(`Score by “${reward}”`, means.score)] : unscored ? [unscored] : []),
    line('Tokens', means.length),
    `ln p of the answers of “${b}”, less that by “${a}”: ${changeWords(means.change)} nats an answer.`,
  ];
}

const answerLine = (name: string, { text: said, score }: ComparedPrompt['a']): string =>
  `  ${name}${score === null ? '' : ` (score ${score.toFixed(2)})`}: ${onOneLine(said) || '(nothing)'}`;

/** The prompt, both answers, and the tokens that changed most. */
function rowLines({ a, b }: Comparison, row: ComparedPrompt): string[] {
  const moved = row.tokens
    .map((token) => ({ ...token, change: token.b - token.a }))
    .sort((one, other) => Math.abs(other.change) - Math.abs(one.change))
    .slice(0, SHOWN)
    .map(({ token, change }) => `${onOneLine(token)} ${change > 0 ? '+' : ''}${change.toFixed(2)}`);
  return [
    `Prompt ${row.promptId}: Σ |Δ ln p| ${row.moved.toFixed(2)}, Σ Δ ln p ${row.change.toFixed(2)}`,
    answerLine(a, row.a),
    answerLine(b, row.b),
    `  most: ${moved.join(', ')}`,
  ];
}

export const inspectCompareCommand = defineCommand({
  name: 'inspect compare',
  computes: true,
  words: [],
  sentence:
    'Let two policies answer the same prompts with the same random numbers, and say what changed: the answers, ln p of each token, scores; the largest changes first.',
  options: {
    project: projectOption,
    run: text('ID', null, 'The run whose weights are compared; without more its start and its end.'),
    checkpoint: list('UPDATE', 'Weights of the run: start, end, or an update that it kept; given once or twice.'),
    policy: list('NAME', 'A model of the project; given once or twice.'),
    reward: text('NAME', null, 'The reward model that scores; "" for none. Left out, the one the run was trained on.'),
    prompts: wholeNumber(32, [1, 256], 'How many prompts, drawn by the seed from the validation split.'),
    seed: wholeNumber(1, [0, 2 ** 48], 'Seed of the prompts and of the answers.'),
    greedy: flag('Always take the likeliest token, in place of sampling as the run does.'),
  },
  run: ({ options: { project: given, reward, prompts, seed, greedy, ...named } }) =>
    withProject(given, { write: false }, async (project) => {
      const [a, b] = sidesOf(project, named);
      const rewardId = rewardOf(project, reward, named.run);
      const question = questionOf(project, { a, b, rewardId, prompts, seed, greedy });
      const models = createHeldModels({ limit: Infinity });
      const found = await compareInParts(
        question,
        (part) => comparePolicies(models, part),
        () => {},
      );
      const { means, rows, leftOut, ...rest } = found;
      return {
        data: { ...rest, sampling: question.sampling, left_out: leftOut, means, rows },
        lines: [
          `“${found.a}” and “${found.b}”, ${rows.length} prompts at temperature ${found.temperature}${leftOut ? ` (${leftOut} did not fit)` : ''}; ${means.same} answered alike.`,
          ...meansLines(found),
          ...rows.slice(0, SHOWN).flatMap((row) => rowLines(found, row)),
        ],
      };
    }),
});
