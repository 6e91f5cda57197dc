// Completions: sampled answers with their tokens, log-probabilities and the parameters that drew them.

import type { Completion, Finish, SamplingParameters } from '#core/contract/samples.ts';
import { answerNumber } from './answers.ts';
import { addItems, partsOf, removeFromItems } from './items.ts';
import { insertRows, query, requireRow, requireThat, transaction, where } from './project.ts';
import type { Project } from './project.ts';

/**
 * `step` is left out, or null, where it was not drawn during training, `writer` where no file says who wrote it,
 * `tokenizer` where no one knows whose ids they are.
 */
export type NewCompletion = Omit<Completion, 'id' | 'step' | 'writer' | 'tokenizer'> & {
  step?: number | null;
  writer?: string | null;
  tokenizer?: string | null;
};

interface Row {
  id: number;
  promptId: number;
  policyId: number | null;
  writer: string | null;
  text: string;
  tokenIds: Uint8Array;
  tokenizer: string | null;
  logprobs: Uint8Array;
  samplingLogprobs: Uint8Array;
  finish: Finish;
  sampling: string;
  runId: string | null;
  step: number | null;
}

const COLUMNS = `id, prompt_id AS promptId, policy_id AS policyId, writer, text, token_ids AS tokenIds, tokenizer, logprobs,
  sampling_logprobs AS samplingLogprobs, finish, sampling, run_id AS runId, step`;

const bytesOf = (array: Uint32Array | Float32Array | Float64Array) => new Uint8Array(array.buffer);

/** float32 where every number is one (what a runtime gives), else float64: exact either way. */
export function packReals(values: readonly number[]): Uint8Array {
  const singles = Float32Array.from(values);
  return bytesOf(values.every((value, i) => singles[i] === value) ? singles : Float64Array.from(values));
}

/** A blob's own copy of the buffer, so that wider numbers are aligned. */
const bufferOf = (blob: Uint8Array) => blob.slice().buffer;

export function unpackReals(blob: Uint8Array, count: number): number[] {
  return count === 0
    ? []
    : Array.from(blob.length === count * 4 ? new Float32Array(bufferOf(blob)) : new Float64Array(bufferOf(blob)));
}

/** Sum of a completion's log-probabilities from its blob. */
export const sumReals = (blob: Uint8Array, count: number): number =>
  unpackReals(blob, count).reduce((sum, value) => sum + value, 0);

/** Share of a completion's three-token sequences that stood in it before; 0 where it has none. */
export function repetitionOf(tokenIds: ArrayLike<number>): number {
  const seen = new Set<string>();
  for (let i = 0; i + 3 <= tokenIds.length; i++) seen.add(`${tokenIds[i]} ${tokenIds[i + 1]} ${tokenIds[i + 2]}`);
  const all = Math.max(1, tokenIds.length - 2);
  return tokenIds.length < 3 ? 0 : (all - seen.size) / all;
}

export const unpackTokens = (blob: Uint8Array): Uint32Array => new Uint32Array(bufferOf(blob));

function toCompletion(row: Row): Completion {
  const tokenIds = Array.from(unpackTokens(row.tokenIds));
  return {
    ...row,
    tokenIds,
    logprobs: unpackReals(row.logprobs, tokenIds.length),
    samplingLogprobs: unpackReals(row.samplingLogprobs, tokenIds.length),
    sampling: JSON.parse(row.sampling) as SamplingParameters,
  };
}

function check(row: NewCompletion, place: string): void {
  requireThat(typeof row.text === 'string', `${place} has no text.`, 'Give every completion a text.');
  requireThat(
    row.finish === 'stop' || row.finish === 'length',
    `${place} has the unknown finish "${row.finish}".`,
    'Use stop or length.',
  );
  const badToken = row.tokenIds.find((id) => !Number.isInteger(id) || id < 0 || id > 0xffffffff);
  requireThat(badToken === undefined, `${place} has the token id ${badToken}.`, 'Token ids are whole numbers from 0.');
  requireThat(
    (row.step ?? 0) >= 0 && Number.isSafeInteger(row.step ?? 0),
    `${place} has the step ${row.step}.`,
    'Steps are whole numbers from 0.',
  );
  for (const [name, list] of [
    ['logprobs', row.logprobs],
    ['samplingLogprobs', row.samplingLogprobs],
  ] as const) {
    requireThat(
      list.length === row.tokenIds.length,
      `${place} has ${list.length} ${name} for ${row.tokenIds.length} token ids.`,
      'Give one log-probability per token id.',
    );
    requireThat(
      !list.some(Number.isNaN),
      `${place} has ${name} that are not numbers.`,
      'Find out why the model gave NaN.',
    );
  }
}

/**
 * Adds completions in one transaction; returns their ids in the order given. 'bad-data' names a prompt, policy or run
 * that
 * does not exist. Two or more of one prompt and policy that were not drawn during training become items for the desk.
 */
export function addCompletions(project: Project, rows: readonly NewCompletion[]): number[] {
  rows.forEach((row, i) => check(row, `Completion ${i + 1} of ${rows.length}`));
  return transaction(project, () => {
    for (const id of new Set(rows.map((row) => row.promptId))) requireRow(project, 'prompts', id);
    for (const id of new Set(rows.map((row) => row.policyId))) requireRow(project, 'policies', id);
    for (const id of new Set(rows.map((row) => row.runId))) requireRow(project, 'runs', id);
    const ids = insertRows(
      project,
      'completions',
      [
        'prompt_id',
        'policy_id',
        'text',
        'token_ids',
        'logprobs',
        'sampling_logprobs',
        'finish',
        'sampling',
        'run_id',
        'step',
        'tokens',
        'logprob',
        'repetition',
        'writer',
        'tokenizer',
        'answer',
      ],
      rows.map((row) => [
        row.promptId,
        row.policyId,
        row.text,
        bytesOf(Uint32Array.from(row.tokenIds)),
        packReals(row.logprobs),
        packReals(row.samplingLogprobs),
        row.finish,
        JSON.stringify(row.sampling),
        row.runId,
        row.step ?? null,
        row.tokenIds.length,
        row.logprobs.reduce((sum, value) => sum + value, 0),
        repetitionOf(row.tokenIds),
        row.writer ?? null,
        row.tokenizer ?? null,
        answerNumber(row.text),
      ]),
    );
    const together = Map.groupBy(
      rows.map((row, i) => ({ ...row, id: ids[i]! })).filter((row) => (row.step ?? null) === null),
      (row) => `${row.promptId}/${row.policyId}`,
    );
    addItems(
      project,
      [...together.values()].flatMap((group) => {
        const { promptId, policyId } = group[0]!;
        return partsOf(group.map(({ id }) => id)).map((completionIds) => ({
          promptId,
          completionIds,
          source: policyId === null ? ('import' as const) : ('sample' as const),
          policyId,
        }));
      }),
    );
    return ids;
  });
}

/** Completions in id order; ids that do not exist are left out. */
export function listCompletions(
  project: Project,
  filter: { promptId?: number; policyId?: number; runId?: string; ids?: readonly number[] } = {},
): Completion[] {
  const { sql, values } = where({
    prompt_id: filter.promptId,
    policy_id: filter.policyId,
    run_id: filter.runId,
    id: filter.ids,
  });
  return query<Row>(project, `SELECT ${COLUMNS} FROM completions ${sql} ORDER BY id`)
    .all(...values)
    .map(toCompletion);
}

/** Removes completions, all or none. 'bad-data' naming the first that carries a label. */
export function deleteCompletions(project: Project, ids: readonly number[]): void {
  transaction(project, () => {
    for (const id of ids) {
      requireRow(project, 'completions', id);
      const used = query(
        project,
        `SELECT 1 FROM ranking_items WHERE completion_id = ? UNION ALL SELECT 1 FROM ratings WHERE completion_id = ?
        UNION ALL SELECT 1 FROM marks WHERE completion_id = ?`,
      ).get(id, id, id);
      requireThat(!used, `Completion ${id} has rankings, ratings or marks.`, 'Remove those first.');
      removeFromItems(project, id);
      query(project, 'DELETE FROM completions WHERE id = ?').run(id);
    }
  });
}
