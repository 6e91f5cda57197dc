// What the project has, in the numbers that recipes go by: prompts, references, rankings, and how long texts are in
// tokens.

import type { Message } from '#core/contract/prompts.ts';
import { FEWEST_RANKINGS } from '#core/recipes/facts.ts';
import type { Facts, Lengths } from '#core/recipes/facts.ts';
import { encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import { tokenizerOf } from '#core/service/desk/token-spans.ts';
import {
  countPreferring,
  countRanked,
  countReferences,
  countRows,
  countSimulated,
  countSimulatedPreferring,
  firstSource,
  meanTokens,
  rankedLengths,
  sampleTexts,
} from '#core/store/learning-counts.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { mean } from '#core/evaluation/mean.ts';

/** Below this the rankings are looked at one by one; above, a few ties more or less are nothing. */
const FEW = 2000;

/** How many more rankings a first reward model takes. */
export function rankingsWanted(project: Project): number {
  return FEWEST_RANKINGS - countPreferring(project, 'not test', FEWEST_RANKINGS);
}

export function factsOf(project: Project): Facts {
  const about = countRanked(project);
  const prompts = countPrompts(project);
  const share = prompts.validation / Math.max(1, prompts.train + prompts.validation + prompts.test);
  return {
    prompts,
    references: countReferences(project),
    rankings: about > FEW ? about : countPreferring(project, 'not test'),
    validationRankings: about > FEW ? Math.round(about * share) : countPreferring(project, 'validation'),
    simulated: about > FEW ? countSimulated(project) : countSimulatedPreferring(project, 'not test'),
    completions: countRows(project, 'completions'),
    isDemo: firstSource(project) === 'demo',
  };
}

const READ = 256;
const LONGEST = 8;
const NEWEST = 200; // texts: enough for an estimate
const CHARACTERS_A_TOKEN = 4; // where no tokenizer says it
const known = new WeakMap<Project, { stamp: string; lengths: Promise<Lengths> }>();

/**
 * As the tokenizer of a model counts them (null: of none in particular), from the first few hundred and the longest
 * prompts.
 */
export function lengthsOf(project: Project, model: string | null): Promise<Lengths> {
  const stamp = [
    model,
    ...(['prompts', 'completions', 'rankings'] as const).map((one) => countRows(project, one)),
  ].join('/');
  const before = known.get(project);
  if (before?.stamp === stamp) return before.lengths;
  const lengths = measured(project, model);
  known.set(project, { stamp, lengths });
  return lengths;
}

async function measured(project: Project, model: string | null): Promise<Lengths> {
  const rows = sampleTexts(project, READ, LONGEST);
  const policy = listPolicies(project).find(({ name }) => name === model);
  const tokenizer = policy ? await tokenizerOf(project, policy) : null;
  const guess = (text: string) => Math.ceil(text.length / CHARACTERS_A_TOKEN);
  const asked = rows.map(({ text, messages }) => ({
    text,
    messages: messages === null ? null : (JSON.parse(messages) as Message[]),
  }));
  const answers = rows.flatMap(({ reference }, i) =>
    reference === null ? [] : [{ prompt: asked[i]!, text: reference, ended: true, written: true }],
  );
  const [prompts, references] = await (
    tokenizer
      ? Promise.all([encodePrompts(tokenizer, asked), encodeAnswers(tokenizer, answers)]).then((lists) =>
          lists.map((ids) => ids.map(({ length }) => length)),
        )
      : Promise.reject(new Error('no tokenizer'))
  )
    // a chat template may refuse a conversation: then the run says so
    .catch(() => [asked.map(({ text }) => guess(text)), answers.map(({ text }) => guess(text) + 1)]);
  const meanOr = (values: readonly number[], otherwise: number) => (values.length ? mean(values) : otherwise);
  const most = (values: readonly number[], otherwise: number) =>
    values.reduce((a, b) => Math.max(a, b), values.length ? 1 : otherwise);
  const perToken =
    Math.max(
      1,
      rows.reduce((total, { text }) => total + text.length, 0) /
        Math.max(
          1,
          prompts!.reduce((a, b) => a + b, 0),
        ),
    ) || CHARACTERS_A_TOKEN;
  const ranked = rankedLengths(project, NEWEST, perToken);
  const head = prompts!.slice(0, READ);
  const completion = meanTokens(project, NEWEST) ?? 40;
  const longestPrompt = most(prompts!, 200);
  return {
    prompt: meanOr(head, 100),
    longestPrompt,
    reference: meanOr(references!, completion),
    longestReference: most(references!, 2 * completion),
    completion,
    ranked: meanOr(
      ranked.map(({ completions }) => completions),
      4,
    ),
    longestRanked: Math.ceil(
      most(
        ranked.map((one) => one.tokens),
        longestPrompt + 4 * completion,
      ),
    ),
  };
}

/** Facts and lengths of a project, counted when they are first asked for. */
export interface Counted {
  facts(): Facts;
  lengths(model: string | null): Promise<Lengths>;
}
export const countedIn = (project: Project): Counted => ({
  facts: () => factsOf(project),
  lengths: (model) => lengthsOf(project, model),
});
