// What a project has to learn from, counted, and how long its newest texts are: what cards and estimates go by.

import { query } from './project.ts';
import type { Project } from './project.ts';
import { countOnce } from './samples.ts';

const RANKED = "rankings r WHERE r.status = 'ranked' AND r.repeat_of IS NULL";
/** The splits whose rankings teach or validate. */
const SPLITS = { 'not test': "<> 'test'", validation: "= 'validation'" } as const;
/** Rankings that prefer something, on prompts of these splits. */
const preferringOn = (splits: keyof typeof SPLITS): string =>
  `${RANKED} AND (SELECT split FROM prompts WHERE id = r.prompt_id) ${SPLITS[splits]} AND (SELECT max(rank) > min(rank) FROM ranking_items WHERE ranking_id = r.id)`;

/** Rankings that were finished, hidden repeats left out, whether they prefer something or not. */
export const countRanked = (project: Project): number => countOnce(project, `SELECT count(*) AS n FROM ${RANKED}`, []);

/** Looks at each ranking by itself; with `most`, at no more than it takes to find so many. */
export const countPreferring = (project: Project, splits: keyof typeof SPLITS, most?: number): number =>
  most === undefined
    ? countOnce(project, `SELECT count(*) AS n FROM ${preferringOn(splits)}`, [])
    : countOnce(project, `SELECT count(*) AS n FROM (SELECT 1 FROM ${preferringOn(splits)} LIMIT ${most})`, []);

const BY_PROGRAMS = "labeler_id IN (SELECT id FROM labelers WHERE kind = 'program')";
/** How many rankings were made by programs: nobody's taste, which is said wherever they are counted. */
export const countSimulated = (project: Project): number =>
  countOnce(project, `SELECT count(*) AS n FROM rankings WHERE ${BY_PROGRAMS}`, []);
/** Of the rankings that prefer something on these splits, those that were made by programs. */
export const countSimulatedPreferring = (project: Project, splits: keyof typeof SPLITS): number =>
  countOnce(project, `SELECT count(*) AS n FROM ${preferringOn(splits)} AND r.${BY_PROGRAMS}`, []);

/** Train prompts with a reference completion. */
export const countReferences = (project: Project): number =>
  countOnce(project, "SELECT count(*) AS n FROM prompts WHERE split = 'train' AND reference IS NOT NULL", []);

const ROWS = {
  prompts: 'prompts',
  completions: 'completions',
  rankings: 'rankings',
  models: 'policies',
  runs: 'runs WHERE removed IS NULL',
} as const;
/** All of one kind, whatever they hold. */
export const countRows = (project: Project, kind: keyof typeof ROWS): number =>
  countOnce(project, `SELECT count(*) AS n FROM ${ROWS[kind]}`, []);

/** How many items with different answers nobody has ranked, counted up to `most`. */
export const countUnranked = (project: Project, most: number): number =>
  query<{ n: number }>(
    project,
    `SELECT count(*) AS n FROM (SELECT 1 FROM items i WHERE i.answers > 1
  AND NOT EXISTS (SELECT 1 FROM rankings r WHERE r.item_id = i.id) ORDER BY i.id DESC LIMIT ?)`,
  ).get(most)!.n;

/** Where the first prompt is from; null where there is none. */
export const firstSource = (project: Project): string | null =>
  query<{ source: string }>(project, 'SELECT source FROM prompts ORDER BY id LIMIT 1').get()?.source ?? null;

export interface SampledText {
  text: string;
  /** JSON, of a conversation */
  messages: string | null;
  reference: string | null;
}
/** The first prompts, then those with the longest texts, then those with the longest references: some come twice. */
export const sampleTexts = (project: Project, first: number, longest: number): SampledText[] =>
  ['id', 'length(text) DESC', 'length(reference) DESC'].flatMap((order, i) =>
    query<SampledText>(
      project,
      `SELECT text, messages, reference FROM prompts ORDER BY ${order} LIMIT ${i ? longest : first}`,
    ).all(),
  );

/** Mean tokens of the newest completions that have any; null where none has. */
export const meanTokens = (project: Project, newest: number): number | null =>
  query<{ mean: number | null }>(
    project,
    'SELECT avg(tokens) AS mean FROM (SELECT tokens FROM completions WHERE tokens > 0 ORDER BY id DESC LIMIT ?)',
  ).get(newest)!.mean;

/**
 * Of the newest rankings: how many completions each has, and their tokens with those of the prompt, by so many
 * characters a token where they are not counted.
 */
export const rankedLengths = (
  project: Project,
  newest: number,
  charactersAToken: number,
): { completions: number; tokens: number }[] =>
  query<{ completions: number; tokens: number }>(
    project,
    `SELECT count(*) AS completions, (SELECT length(text) FROM prompts WHERE id = r.prompt_id) / ? + sum(CASE WHEN c.tokens > 0 THEN c.tokens ELSE length(c.text) / ? END) AS tokens
    FROM (SELECT id, prompt_id FROM rankings ORDER BY id DESC LIMIT ${newest}) r JOIN ranking_items i ON i.ranking_id = r.id JOIN completions c ON c.id = i.completion_id GROUP BY r.id`,
  ).all(charactersAToken, charactersAToken);
