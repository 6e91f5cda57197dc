// The part of a run that belongs to the owner of the database: takes in what was drawn and measured, registers the
// model.
//
// While a run is at work its files are taken in piece by piece, so that labelling can begin; a piece that was taken in
// before
// (a killed run draws the same again) is known by its prompt and step and passed over.

import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import type { Run, RunKind, RunResult } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { setMeasures } from '#core/store/measures.ts';
import type { NewMeasure } from '#core/store/measures.ts';
import { addPolicy, listPolicies, modelMadeBy } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { drawnByRun, giveCompletions, knownCompletions, knownPrompts } from '#core/store/run-completions.ts';
import { setResults } from '#core/store/run-facts.ts';
import { getRun, listRuns, updateRun } from '#core/store/runs.ts';
import { isPrepared } from './execute.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { readStatus } from './ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import type { Drawn, Measured, Measurement } from '#core/recipes/recipe.ts';
import type { Manifest } from '#core/recipes/manifest.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { followRows } from './new-lines.ts';
import { readResults } from './results.ts';
import { damagedWords, writeLog } from './run-log.ts';
import { LIVING } from '#core/contract/runs.ts';

export const makesModel = (kind: RunKind): boolean => (recipeOf(kind)?.model ?? null) !== null;

/** `wanted`, or the first of wanted-2, wanted-3, ... that no model has, and no run that is still to make one. */
export function freeName(project: Project, wanted: string, except?: string): string {
  const waiting = listRuns(project).filter(
    ({ id, kind, status }) => id !== except && makesModel(kind) && LIVING.includes(status),
  );
  const taken = new Set([...listPolicies(project), ...waiting].map(({ name }) => name));
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  return name;
}

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
        fresh.flatMap(({ said = [] }, i) => said.map((one) => ({ ...one, completionId: ids[i]! }))),
        of,
      );
    });
    for (const row of fresh) known.add(keyOf(row));
  }

  function takeMeasures(rows: readonly Measured[], of: Manifest): void {
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

  return {
    some: (count) => {
      if (!manifest && !isPrepared(folder)) return 0;
      manifest ??= readManifest(folder);
      const drawn = completions.take(count);
      if (drawn.length) takeCompletions(drawn, manifest);
      const measured = measures.take(count);
      if (measured.length) transaction(project, () => takeMeasures(measured, manifest!));
      return drawn.length + measured.length;
    },
    damaged: () => completions.damaged() + measures.damaged(),
  };
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

/** The project's model that plays this role in a run; null where it is not in the project any more. */
function modelInRole(project: Project, { models }: Manifest, role: string): number | null {
  const at = models[role] && path.resolve(project.folder, models[role].path);
  return listPolicies(project).find((policy) => path.resolve(project.folder, policy.path) === at)?.id ?? null;
}

export interface Recorded {
  run: Run;
  /** the model that came out of it */ modelId: number | null;
  name: string;
}
const ROWS_AT_ONCE = 512;

/**
 * What status.json says goes into the database: the rest of what was drawn, its results, the model, how it ended. May
 * be repeated. `gathered`: results that were read before.
 */
export function recordRun(
  project: Project,
  id: string,
  intake: Intake = openIntake(project, id),
  gathered: readonly RunResult[] | null = null,
): Recorded {
  const folder = runFolderOf(project.folder, id);
  const ending = readStatus(folder);
  if (!ending)
    throw new TastemakerError(
      'bad-file',
      `Run ${id} has not ended: ${folder} has no status.json.`,
      'Wait for its end, or resume it.',
    );
  while (intake.some(ROWS_AT_ONCE)); // each in a transaction of its own
  if (intake.damaged()) writeLog(folder, damagedWords(intake.damaged(), 'of what it drew and measured'));
  const results = gathered ?? readResults(folder, getRun(project, id).kind);
  return transaction(project, () => {
    // a run that is done has its model, even when we are killed here
    const run = updateRun(project, id, {
      status: ending.status,
      endedAt: Date.parse(ending.endedAt),
      error: ending.error,
    });
    if (ending.outcome?.model && !modelMadeBy(project, id))
      register(project, run, readManifest(folder), path.join(folder, ending.outcome.model));
    setResults(project, id, results);
    const model = modelMadeBy(project, id);
    if (model) giveCompletions(project, id, model.id);
    return { run, modelId: model?.id ?? null, name: model?.name ?? run.name };
  });
}

function register(project: Project, run: Run, manifest: Manifest, folder: string): void {
  const origin = originOf(project, manifest);
  // another run may have taken the name meanwhile
  if (origin) addPolicy(project, { name: freeName(project, run.name, run.id), path: folder, ...origin });
}

/** What weights that this run wrote are, and what they descend from; null for a run that makes no model. */
export function originOf(project: Project, manifest: Manifest): Pick<Policy, 'kind' | 'parentId' | 'runId'> | null {
  const makes = recipeOf(manifest.kind)?.model;
  return makes
    ? {
        kind: makes.kind,
        parentId: makes.parent === null ? null : modelInRole(project, manifest, makes.parent),
        runId: manifest.id,
      }
    : null;
}
