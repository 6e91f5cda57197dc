// Formats that hold a project's own rows: prompts, and completions with what was measured of them.

import type { Split } from '#core/contract/prompts.ts';
import type { RowColumns, RowFileContainer } from '#core/formats/row-encoders.ts';
import type { RowShape } from '#core/formats/row-shape.ts';
import { completionsAfter, lastCompletion } from '#core/store/judgements.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts, promptIds } from '#core/store/prompts.ts';
import { sampleModels } from './sample-models.ts';

type Row = Record<string, unknown>;
/** Rows as they are read, and how many of all there are have been looked at. */
export interface RowPortion {
  rows: Row[];
  done: number;
  total: number;
}

export interface RowFormat {
  name: string;
  title: string;
  container: RowFileContainer;
  holds: string;
  columns?: RowColumns;
  shape?: RowShape;
  rows(project: Project, split: Split | null): Generator<RowPortion>;
}

const PORTION = 500;

function* promptRows(project: Project, split: Split | null): Generator<RowPortion> {
  const ids = promptIds(project);
  for (let at = 0; at < ids.length; at += PORTION) {
    const prompts = listPrompts(project, { ids: ids.slice(at, at + PORTION) }).filter(
      (prompt) => split === null || prompt.split === split,
    );
    yield {
      done: Math.min(ids.length, at + PORTION),
      total: ids.length,
      rows: prompts.map(({ text, messages, reference, split: own, source, facts, extra }) => ({
        prompt: text,
        ...(messages ? { messages } : {}),
        reference,
        split: own,
        source,
        ...(facts ? { facts } : {}),
        ...(extra ? { extra } : {}),
      })),
    };
  }
}

function* completionRows(project: Project, split: Split | null): Generator<RowPortion> {
  const { rewardModelId, referenceId } = sampleModels(project);
  const total = lastCompletion(project);
  let after = 0;
  for (;;) {
    const found = completionsAfter(project, split, { rewardId: rewardModelId, referenceId }, after, PORTION);
    if (found.length === 0) return;
    after = found.at(-1)!.id;
    yield {
      done: after,
      total, // by their numbers: counting them would read as much again
      rows: found.map(
        ({ prompt, text, writer, score, kl, logprob, tokens, finish, split: own, runId, step, flagged }) => ({
          prompt,
          completion: text,
          policy: writer,
          score,
          kl,
          logprob,
          tokens,
          finish,
          split: own,
          run: runId,
          step,
          flagged: flagged === 1,
        }),
      ),
    };
  }
}

const columns = (...names: string[]): RowColumns => Object.fromEntries(names.map((name) => [name, 'text']));
const COMPLETIONS_HOLD =
  'Every completion with its prompt, who wrote it, the current reward model’s score, KL to the reference, log-probability, length in tokens, how it ended, the run and step that drew it, and whether it is flagged.';
export const ROW_FORMATS: readonly RowFormat[] = [
  {
    name: 'prompts',
    title: 'Prompts, JSON lines',
    container: 'jsonl',
    holds:
      'Every prompt with its conversation, reference, split, source, and the fields of the file that it came from.',
    rows: promptRows,
  },
  {
    name: 'prompts-csv',
    title: 'Prompts, CSV',
    container: 'csv',
    columns: columns('prompt', 'reference', 'split', 'source'),
    holds: 'Every prompt with its reference, split and source. A conversation becomes plain text.',
    rows: promptRows,
  },
  {
    name: 'completions',
    title: 'Completions with scores, JSON lines',
    container: 'jsonl',
    holds: COMPLETIONS_HOLD,
    shape: { floats: ['score', 'kl', 'logprob'] },
    rows: completionRows,
  },
  {
    name: 'completions-csv',
    title: 'Completions with scores, CSV',
    container: 'csv',
    columns: columns(
      'prompt',
      'completion',
      'policy',
      'score',
      'kl',
      'logprob',
      'tokens',
      'finish',
      'split',
      'run',
      'step',
      'flagged',
    ),
    holds: COMPLETIONS_HOLD,
    rows: completionRows,
  },
];
