// The completions that runs draw and measure: which there are already, which lack a measure, and whose they are.

import type { Prompt, Split } from '#core/contract/prompts.ts';
import type { Finish, SamplingParameters } from '#core/contract/samples.ts';
import { unpackTokens } from './completions.ts';
import { query } from './project.ts';
import type { Project } from './project.ts';

/**
 * How many completions of each prompt a policy has drawn with exactly these parameters, those drawn during training
 * left out.
 */
export function countDrawn(
  project: Project,
  policyId: number,
  { temperature, topK, topP, maxNew, seed, forbid = [] }: SamplingParameters,
): Map<number, number> {
  const rows = query<{ promptId: number; n: number }>(
    project,
    `SELECT prompt_id AS promptId, count(*) AS n FROM completions WHERE policy_id = ? AND step IS NULL
    AND json_extract(sampling, '$.temperature') = ? AND json_extract(sampling, '$.topK') = ? AND json_extract(sampling, '$.topP') = ? AND json_extract(sampling, '$.maxNew') = ?
    AND json_extract(sampling, '$.seed') = ? AND json_extract(sampling, '$.forbid') IS ? GROUP BY prompt_id`,
  ).all(policyId, temperature, topK, topP, maxNew, seed, forbid.length > 0 ? JSON.stringify(forbid) : null);
  return new Map(rows.map(({ promptId, n }) => [promptId, n]));
}

/** Which prompts, at which of its steps, a run's completions are of. */
export function drawnByRun(project: Project, runId: string): { promptId: number; step: number | null; id: number }[] {
  return query<{ promptId: number; step: number | null; id: number }>(
    project,
    'SELECT prompt_id AS promptId, step, id FROM completions WHERE run_id = ? ORDER BY id',
  ).all(runId);
}

/** What a run drew to be ranked. */
export interface DrawnSample {
  id: number;
  promptId: number;
  text: string;
  finish: Finish;
  split: Split;
  facts: Prompt['facts'];
}

/** What a run drew outside its own training, of prompts that no one keeps for evaluation, in the order of ids. */
export const drawnSamples = (project: Project, runId: string): DrawnSample[] =>
  query<Omit<DrawnSample, 'facts'> & { facts: string | null }>(
    project,
    `SELECT c.id, c.prompt_id AS promptId, c.text, c.finish, p.split, p.facts FROM completions c JOIN prompts p ON p.id = c.prompt_id
    WHERE c.run_id = ? AND c.step IS NULL AND p.split <> 'test' ORDER BY c.id`,
  )
    .all(runId)
    .map(({ facts, ...row }) => ({ ...row, facts: facts === null ? null : (JSON.parse(facts) as Prompt['facts']) }));

/** What reward models gave to a run's completions, [model][completion]. */
export function scoresOfRun(project: Project, runId: string): Map<number, Map<number, number>> {
  const rows = query<{ completionId: number; modelId: number; score: number }>(
    project,
    `SELECT m.completion_id AS completionId, m.model_id AS modelId, m.score FROM completions c JOIN measures m ON m.completion_id = c.id
    WHERE c.run_id = ? AND m.score IS NOT NULL ORDER BY m.model_id`,
  ).all(runId);
  const found = new Map<number, Map<number, number>>();
  for (const { completionId, modelId, score } of rows) {
    const scores = found.get(modelId) ?? new Map<number, number>();
    found.set(modelId, scores.set(completionId, score));
  }
  return found;
}

/** Which of these prompts, and of these completions, the project still has. */
export const knownPrompts = (project: Project, ids: readonly number[]): Set<number> =>
  new Set(
    query<{ id: number }>(project, 'SELECT value AS id FROM json_each(?) WHERE value IN (SELECT id FROM prompts)')
      .all(JSON.stringify(ids))
      .map(({ id }) => id),
  );
export const knownCompletions = (project: Project, ids: readonly number[]): Set<number> =>
  new Set(
    query<{ id: number }>(project, 'SELECT value AS id FROM json_each(?) WHERE value IN (SELECT id FROM completions)')
      .all(JSON.stringify(ids))
      .map(({ id }) => id),
  );

/** What a run wrote while it trained is by the model that came out of it. */
export function giveCompletions(project: Project, runId: string, policyId: number): void {
  query(project, 'UPDATE completions SET policy_id = ? WHERE run_id = ? AND step > 0 AND policy_id IS NULL').run(
    policyId,
    runId,
  );
}

export interface Unmeasured {
  id: number;
  promptId: number;
  policyId: number | null;
  text: string;
  tokenIds: number[];
  tokenizer: string | null;
  finish: Finish;
  lacksScore: boolean;
  lacksLogprobs: boolean;
}

const LACKS = {
  score:
    'NOT EXISTS (SELECT 1 FROM measures m WHERE m.completion_id = c.id AND m.model_id = ? AND m.score IS NOT NULL)',
  // a completion that is known by its text only has no tokens to compare
  logprobs:
    'c.tokens > 0 AND NOT EXISTS (SELECT 1 FROM measures m WHERE m.completion_id = c.id AND m.model_id = ? AND m.logprob IS NOT NULL)',
};

/** Test prompts are for evaluation alone: no run reads what was written for them. */
const NOT_TEST = "(SELECT split FROM prompts WHERE id = c.prompt_id) <> 'test'";

/**
 * Completions outside the test split that lack a score by the one model or log-probabilities by the other, by prompt;
 * null asks for nothing.
 */
export function* unmeasured(
  project: Project,
  { rewardId, referenceId }: { rewardId: number | null; referenceId: number | null },
): Generator<Unmeasured> {
  const sql = `SELECT c.id, c.prompt_id AS promptId, c.policy_id AS policyId, c.text, c.token_ids AS tokenIds, c.tokenizer, c.finish, ? AND ${LACKS.score} AS lacksScore, ? AND ${LACKS.logprobs} AS lacksLogprobs
    FROM completions c WHERE ${NOT_TEST} ORDER BY c.prompt_id, c.id`;
  const rows = project.db
    .prepare(sql)
    .iterate(Number(rewardId !== null), rewardId ?? -1, Number(referenceId !== null), referenceId ?? -1);
  for (const row of rows as Iterable<Omit<Unmeasured, 'tokenIds'> & { tokenIds: Uint8Array }>) {
    if (row.lacksScore || row.lacksLogprobs)
      yield {
        ...row,
        tokenIds: Array.from(unpackTokens(row.tokenIds)),
        lacksScore: !!row.lacksScore,
        lacksLogprobs: !!row.lacksLogprobs,
      };
  }
}

/** The policies that wrote completions whose ids are of a tokenizer that no one wrote down. */
export const writersOfUnknownIds = (project: Project): number[] =>
  query<{ id: number }>(
    project,
    'SELECT DISTINCT policy_id AS id FROM completions WHERE tokens > 0 AND tokenizer IS NULL AND policy_id IS NOT NULL ORDER BY 1',
  )
    .all()
    .map(({ id }) => id);

/** Whether there is any such completion that these models have not been asked about. */
export function anyUnmeasured(project: Project, rewardId: number | null, referenceId: number | null): boolean {
  const any = (lacks: string, id: number | null) =>
    id !== null &&
    !!query(project, `SELECT 1 FROM completions c WHERE ${lacks} AND ${NOT_TEST} ORDER BY c.id DESC LIMIT 1`).get(id);
  return any(LACKS.score, rewardId) || any(LACKS.logprobs, referenceId);
}
