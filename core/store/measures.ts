// Measures: what a model says of a completion, once per completion and model (a reward model its score, a reference its
// log-probabilities).

import { packReals, unpackReals } from './completions.ts';
import { insertMany, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project, Value } from './project.ts';

export interface Measure {
  completionId: number;
  modelId: number;
  score: number | null;
  /** sum over the tokens, natural logarithms at temperature 1 */
  logprob: number | null;
  /** the completion's own log-probability minus `logprob` */
  kl: number | null;
  /** one a token, where they were kept */
  tokenLogprobs: number[] | null;
  tokenValues: number[] | null;
}
export type NewMeasure = Pick<Measure, 'completionId' | 'modelId'> & {
  score?: number | null;
  logprob?: number | null;
  tokenLogprobs?: readonly number[] | null;
  tokenValues?: readonly number[] | null;
};

type Row = Omit<Measure, 'tokenLogprobs' | 'tokenValues'> & {
  tokens: number;
  tokenLogprobs: Uint8Array | null;
  tokenValues: Uint8Array | null;
};

const COLUMNS = ['completion_id', 'model_id', 'score', 'logprob', 'kl', 'token_logprobs', 'token_values'];

/**
 * Adds to what is known: a field that is left out keeps its value. A `logprob` left out beside `tokenLogprobs` is their
 * sum.
 */
export function setMeasures(project: Project, rows: readonly NewMeasure[]): void {
  const find = query<{ tokens: number; logprob: number }>(
    project,
    'SELECT tokens, logprob FROM completions WHERE id = ?',
  );
  transaction(project, () => {
    for (const id of new Set(rows.map((row) => row.modelId))) requireRow(project, 'policies', id);
    const values = rows.map(
      ({ completionId, modelId, score = null, tokenLogprobs = null, tokenValues = null, ...row }): Value[] => {
        const completion = find.get(completionId);
        const of = `The measure of completion ${completionId} by model ${modelId}`;
        requireThat(completion !== undefined, `${of} has no completion.`, 'Use ids of completions in the project.');
        const logprob = row.logprob ?? (tokenLogprobs ? tokenLogprobs.reduce((sum, value) => sum + value, 0) : null);
        for (const [name, list] of [
          ['log-probabilities', tokenLogprobs],
          ['values', tokenValues],
        ] as const)
          requireThat(
            list === null || list.length === completion.tokens,
            `${of} has ${list?.length} ${name} for ${completion.tokens} tokens.`,
            'Give one number a token.',
          );
        requireThat(
          ![score, logprob, ...(tokenLogprobs ?? []), ...(tokenValues ?? [])].some(Number.isNaN),
          `${of} holds something that is not a number.`,
          'Find out why the model gave NaN.',
        );
        return [
          completionId,
          modelId,
          score,
          logprob,
          logprob === null ? null : completion.logprob - logprob,
          tokenLogprobs && packReals(tokenLogprobs),
          tokenValues && packReals(tokenValues),
        ];
      },
    );
    const kept = COLUMNS.slice(2)
      .map((column) => `${column} = coalesce(excluded.${column}, ${column})`)
      .join(', ');
    insertMany(project, 'measures', COLUMNS, values, `ON CONFLICT (completion_id, model_id) DO UPDATE SET ${kept}`);
  });
}

/** Measures by completion, then by model. */
export function listMeasures(
  project: Project,
  filter: { completionIds: readonly number[]; modelId?: number },
): Measure[] {
  const { sql, values } = where({ 'm.completion_id': filter.completionIds, 'm.model_id': filter.modelId });
  return query<Row>(
    project,
    `SELECT m.completion_id AS completionId, m.model_id AS modelId, m.score, m.logprob, m.kl, c.tokens, m.token_logprobs AS tokenLogprobs, m.token_values AS tokenValues
    FROM measures m JOIN completions c ON c.id = m.completion_id ${sql} ORDER BY m.completion_id, m.model_id`,
  )
    .all(...values)
    .map(({ tokens, tokenLogprobs, tokenValues, ...row }) => ({
      ...row,
      tokenLogprobs: tokenLogprobs && unpackReals(tokenLogprobs, tokens),
      tokenValues: tokenValues && unpackReals(tokenValues, tokens),
    }));
}

/**
 * The model that completions have log-probabilities from: this one where some have, else the one that most have, the
 * older of equals; this one again where none has any.
 */
export function measuredReference(project: Project, modelId: number | null): number | null {
  const has = 'SELECT 1 FROM measures WHERE model_id = ? AND kl IS NOT NULL LIMIT 1';
  if (modelId !== null && query(project, has).get(modelId) !== undefined) return modelId;
  const most = query<{ id: number }>(
    project,
    'SELECT model_id AS id FROM measures WHERE kl IS NOT NULL GROUP BY model_id ORDER BY count(*) DESC, model_id LIMIT 1',
  ).get();
  return most?.id ?? modelId;
}
