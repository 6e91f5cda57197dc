// What the project has, in the numbers that recipes go by: prompts, references, rankings, and how long texts are in
// tokens.

import type { Message, Split } from '#core/contract/prompts.ts';
import { encodeAnswers, encodePrompts } from '#core/recipes/parts/prompt-tokens.ts';
import { tokenizerOf } from '#core/service/desk/token-spans.ts';
import { listPolicies } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { countOnce } from '#core/store/samples.ts';

export interface Facts {
  prompts: Record<Split, number>;
  /** train prompts with a reference completion */
  references: number;
  /** rankings that prefer something, on prompts that are not kept for tests */
  rankings: number;
  /** rankings that programs made, such as the demo's labelers */
  simulated: number;
  /** those of them that validate: on prompts of the validation split */
  validationRankings: number;
  completions: number;
  isDemo: boolean;
}

/** A reward model from fewer says nothing: as many as the card of its recipe and the Home screen ask for. */
export const FEWEST_RANKINGS = 10;

/** Below this the rankings are looked at one by one; above, a few ties more or less are nothing. */
const FEW = 2000;

const RANKED = "rankings r WHERE r.status = 'ranked' AND r.repeat_of IS NULL";
/** Rankings that prefer something, on prompts of a split. */
const preferringOn = (split: string): string =>
  `${RANKED} AND (SELECT split FROM prompts WHERE id = r.prompt_id) ${split} AND (SELECT max(rank) > min(rank) FROM ranking_items WHERE ranking_id = r.id)`;
const preferring = (project: Project, split: string): number =>
  countOnce(project, `SELECT count(*) AS n FROM ${preferringOn(split)}`, []);

/** How many rankings were made by programs: nobody's taste, which is said wherever they are counted. */
export const countSimulated = (project: Project): number =>
  countOnce(
    project,
    "SELECT count(*) AS n FROM rankings WHERE labeler_id IN (SELECT id FROM labelers WHERE kind = 'program')",
    [],
  );

/** How many more rankings a first reward model takes. */
export function rankingsWanted(project: Project): number {
  return (
    FEWEST_RANKINGS -
    countOnce(
      project,
      `SELECT count(*) AS n FROM (SELECT 1 FROM ${preferringOn("<> 'test'")} LIMIT ${FEWEST_RANKINGS})`,
      [],
    )
  );
}

export function factsOf(project: Project): Facts {
  const count = (sql: string) => countOnce(project, sql, []);
  const about = count(`SELECT count(*) AS n FROM ${RANKED}`);
  const prompts = countPrompts(project);
  const share = prompts.validation / Math.max(1, prompts.train + prompts.validation + prompts.test);
  return {
    prompts,
    references: count("SELECT count(*) AS n FROM prompts WHERE split = 'train' AND reference IS NOT NULL"),
    rankings: about > FEW ? about : preferring(project, "<> 'test'"),
    validationRankings: about > FEW ? Math.round(about * share) : preferring(project, "= 'validation'"),
    simulated: countSimulated(project),
    completions: count('SELECT count(*) AS n FROM completions'),
    isDemo:
      query<{ source: string }>(project, 'SELECT source FROM prompts ORDER BY id LIMIT 1').get()?.source === 'demo',
  };
}

/** Lengths in tokens. */
export interface Lengths {
  prompt: number;
  longestPrompt: number;
  /** reference completions, with the token that ends them */
  reference: number;
  longestReference: number;
  /** sampled completions */
  completion: number;
  /** completions a ranking */
  ranked: number;
  /** a prompt with all completions of its ranking */
  longestRanked: number;
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
  const count = (table: string) => countOnce(project, `SELECT count(*) AS n FROM ${table}`, []);
  const stamp = [model, count('prompts'), count('completions'), count('rankings')].join('/');
  const before = known.get(project);
  if (before?.stamp === stamp) return before.lengths;
  const lengths = measured(project, model);
  known.set(project, { stamp, lengths });
  return lengths;
}

type Row = { text: string; messages: string | null; reference: string | null };
async function measured(project: Project, model: string | null): Promise<Lengths> {
  const rows = ['id', 'length(text) DESC', 'length(reference) DESC'].flatMap((order, i) =>
    query<Row>(
      project,
      `SELECT text, messages, reference FROM prompts ORDER BY ${order} LIMIT ${i ? LONGEST : READ}`,
    ).all(),
  );
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
  const mean = (values: readonly number[], otherwise: number) =>
    values.length ? values.reduce((a, b) => a + b, 0) / values.length : otherwise;
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
  const { tokens } = query<{ tokens: number | null }>(
    project,
    `SELECT avg(tokens) AS tokens FROM (SELECT tokens FROM completions WHERE tokens > 0 ORDER BY id DESC LIMIT ${NEWEST})`,
  ).get()!;
  const ranked = query<{ n: number; tokens: number }>(
    project,
    `SELECT count(*) AS n, (SELECT length(text) FROM prompts WHERE id = r.prompt_id) / ? + sum(CASE WHEN c.tokens > 0 THEN c.tokens ELSE length(c.text) / ? END) AS tokens
    FROM (SELECT id, prompt_id FROM rankings ORDER BY id DESC LIMIT ${NEWEST}) r JOIN ranking_items i ON i.ranking_id = r.id JOIN completions c ON c.id = i.completion_id GROUP BY r.id`,
  ).all(perToken, perToken);
  const head = prompts!.slice(0, READ);
  const completion = tokens ?? 40;
  const longestPrompt = most(prompts!, 200);
  return {
    prompt: mean(head, 100),
    longestPrompt,
    reference: mean(references!, completion),
    longestReference: most(references!, 2 * completion),
    completion,
    ranked: mean(
      ranked.map(({ n }) => n),
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
