// Takes in what a run at work draws and measures, piece by piece, so that labelling can begin before it ends.
//
// A piece that was taken in before (a killed run draws the same again) is known by its prompt and step and passed over.

import path from 'node:path';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { setMeasures } from '#core/store/measures.ts';
import type { NewMeasure } from '#core/store/measures.ts';
import { modelMadeBy } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { drawnByRun, knownCompletions, knownPrompts } from '#core/store/run-completions.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import type { Drawn, Measured, Measurement } from '#core/recipes/recipe.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { isPrepared } from './execute.ts';
import { makesModel, modelInRole } from './made-models.ts';
import { followRows } from './new-lines.ts';

export interface Intake {
  /** Takes in about so many rows, whole groups only; returns how many. 0: there is nothing new that is complete. */
  some(rows: number): number;
  /** how many lines could not be taken in: torn by a crash, or damaged on the disk */
  damaged(): number;
}

const PIECE = 1 << 18; // bytes of a file at a time
type Row<T> = T & { step: number };

const areNumbers = (values: unknown): boolean =>
  // null: what JSON makes of −∞
  Array.isArray(values) && values.every((value) => typeof value === 'number' || value === null);
const isStep = (step: unknown): boolean => Number.isSafeInteger(step);
const isMeasured = ({ step, completionId, role }: Partial<Row<Measured>>): boolean =>
  isStep(step) && Number.isSafeInteger(completionId) && typeof role === 'string';
const isDrawn = ({
  step,
  promptId,
  group,
  text,
  tokenIds,
  logprobs,
  samplingLogprobs,
  writer,
  sampling,
}: Partial<Row<Drawn>>): boolean =>
  isStep(step) &&
  Number.isSafeInteger(promptId) &&
  Number.isSafeInteger(group) &&
  group! > 0 &&
  typeof text === 'string' &&
  typeof writer === 'string' &&
  areNumbers(tokenIds) &&
  areNumbers(logprobs) &&
  areNumbers(samplingLogprobs) &&
  typeof sampling === 'object' &&
  sampling !== null;

/** Follows what a run draws and measures. */
export function openIntake(project: Project, id: string): Intake {
  const folder = runFolderOf(project.folder, id);
  const completions = rowsOf<Row<Drawn>>(
    path.join(folder, 'completions.jsonl'),
    isDrawn,
    ({ group, promptId, step }) => ({ size: group, key: `${promptId}/${step}` }),
  );
  const measures = rowsOf<Row<Measured>>(path.join(folder, 'measures.jsonl'), isMeasured, ({ completionId }) => ({
    size: 1,
    key: String(completionId),
  }));
  let manifest: Manifest | null = null;
  let known: Set<string> | null = null;

  function takeCompletions(rows: readonly Row<Drawn>[], of: Manifest): void {
    const training = makesModel(of.kind); // sampling is not: what it draws is to be labelled
    const keyOf = ({ promptId, step }: Row<Drawn>) => `${promptId}/${training ? step : null}`;
    known ??= new Set(drawnByRun(project, id).map(({ promptId, step }) => `${promptId}/${step}`));
    const prompts = knownPrompts(
      project,
      rows.map(({ promptId }) => promptId),
    ); // one may have been removed meanwhile
    const fresh = rows.filter((row) => !known!.has(keyOf(row)) && prompts.has(row.promptId));
    transaction(project, () => {
      const ids = addCompletions(
        project,
        fresh.map((row) => ({
          promptId: row.promptId,
          policyId:
            row.writer === 'run' ? (modelMadeBy(project, id)?.id ?? null) : modelInRole(project, of, row.writer),
          text: row.text,
          tokenIds: row.tokenIds,
          tokenizer: row.tokenizer ?? null,
          logprobs: row.logprobs.map(Math.fround),
          samplingLogprobs: row.samplingLogprobs.map(Math.fround),
          finish: row.finish,
          sampling: row.sampling,
          runId: id,
          step: training ? row.step : null,
        })),
      );
      takeMeasures(
        project,
        fresh.flatMap(({ said = [] }, i) => said.map((one) => ({ ...one, completionId: ids[i]! }))),
        of,
      );
    });
    for (const row of fresh) known.add(keyOf(row));
  }

  return {
    some: (count) => {
      if (!manifest && !isPrepared(folder)) return 0;
      manifest ??= readManifest(folder);
      const drawn = completions.take(count);
      if (drawn.length) takeCompletions(drawn, manifest);
      const measured = measures.take(count);
      if (measured.length) transaction(project, () => takeMeasures(project, measured, manifest!));
      return drawn.length + measured.length;
    },
    damaged: () => completions.damaged() + measures.damaged(),
  };
}

/** What was measured of completions that are still there, by models that are. */
function takeMeasures(project: Project, rows: readonly Measured[], of: Manifest): void {
  const here = knownCompletions(
    project,
    rows.map(({ completionId }) => completionId),
  );
  const own = new Map(
    listCompletions(project, { ids: rows.filter((row) => row.own).map(({ completionId }) => completionId) }).map(
      (row) => [row.id, row.logprobs],
    ),
  );
  const found = rows.flatMap(({ completionId, ...said }): NewMeasure[] => {
    const modelId = modelInRole(project, of, said.role);
    return modelId === null || !here.has(completionId)
      ? []
      : [{ completionId, modelId, ...asMeasure(said, own.get(completionId)) }];
  });
  if (found.length) setMeasures(project, found);
}

const asMeasure = (
  { score, logprob, tokenLogprobs, tokenValues }: Measurement,
  own: readonly number[] | undefined,
): Partial<NewMeasure> => ({
  ...(score === undefined ? {} : { score: Math.fround(score) }),
  ...(logprob === undefined ? {} : { logprob }),
  ...(own ? { tokenLogprobs: own } : tokenLogprobs ? { tokenLogprobs: tokenLogprobs.map(Math.fround) } : {}),
  ...(tokenValues ? { tokenValues: tokenValues.map(Math.fround) } : {}),
});

/** The rows of a growing file, in whole groups; of a group that a crash has torn, what is left. */
function rowsOf<T extends { step: number }>(
  file: string,
  isRow: (row: Partial<T>) => boolean,
  groupOf: (row: T) => { size: number; key: string },
) {
  const lines = followRows<T>(file, isRow);
  let waiting: T[] = [];
  return {
    damaged: lines.damaged,
    take: (count: number): T[] => {
      while (waiting.length < count) {
        const { rows, restarted, more } = lines.read(PIECE);
        if (restarted) waiting = []; // the file was cut back to a checkpoint
        if (!more) break;
        waiting.push(...rows);
      }
      let end = 0;
      while (end < count && end < waiting.length) {
        const { size, key } = groupOf(waiting[end]!);
        const group = waiting.slice(end, end + size);
        const other = group.findIndex((row) => groupOf(row).key !== key);
        if (other === -1 && group.length < size) break;
        end += other === -1 ? size : other;
      }
      return waiting.splice(0, end);
    },
  };
}
