// The calls about runs: starting, watching, pausing, stopping, cancelling, and reading what they wrote.

import fs from 'node:fs';
import path from 'node:path';
import type { Finish } from '#core/contract/samples.ts';
import type { MetricPoint, Run, RunSample } from '#core/contract/runs.ts';
import type { Result } from '#core/contract/calls.ts';
import { TastemakerError } from '#core/errors.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { recipeOf } from '#core/recipes/table.ts';
import { followRows, isMetricRow, lastLines } from '#core/runs/new-lines.ts';
import { isRule, writeRules } from '#core/runs/stop-rules.ts';
import type { Project } from '#core/store/project.ts';
import { shownPrompt } from '#core/store/excerpts.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { drawnByRun } from '#core/store/run-completions.ts';
import { getRun } from '#core/store/runs.ts';
import type { Handlers } from '#core/service/handlers.ts';
import { checkAside } from './estimator.ts';
import { heldOutRankings } from './held-out-rankings.ts';
import { runFactHandlers } from './run-facts.ts';
import { runRemovalHandlers } from './run-removal.ts';
import { LIVING } from '#core/contract/runs.ts';

const LOG_LINES = 500;
const ROWS_A_CALL = 5000;
const PIECE = 1 << 19; // bytes read at a stretch: a few milliseconds
const breath = () => new Promise<void>((resolve) => setImmediate(resolve));

/**
 * Rows of metrics.jsonl from number `from` on, as many as one answer takes, how many there are, and how many lines are
 * none.
 */
async function metricsOf(
  folder: string,
  from: number,
): Promise<{ rows: MetricPoint[]; total: number; damaged?: number }> {
  const file = followRows<MetricPoint>(path.join(folder, 'metrics.jsonl'), isMetricRow);
  const wanted: MetricPoint[] = [];
  for (let at = 0; ; await breath()) {
    const { rows, restarted, more } = file.read(PIECE);
    if (restarted) return metricsOf(folder, from); // exchanged while we read
    if (!more) break;
    if (at + rows.length > from && wanted.length < ROWS_A_CALL)
      wanted.push(...rows.slice(Math.max(0, from - at), Math.max(0, from - at) + ROWS_A_CALL - wanted.length));
    at += rows.length;
  }
  return { rows: wanted, total: file.count(), ...(file.damaged() ? { damaged: file.damaged() } : {}) };
}

interface SampleLine {
  step: number;
  promptId: number;
  text: string;
  score?: number;
  kl?: number;
  gold?: number;
  finish: Finish;
  tokens: number;
}

const isWritten = ({ step, promptId, text, tokens }: Partial<SampleLine>): boolean =>
  Number.isFinite(step) && Number.isFinite(promptId) && typeof text === 'string' && Number.isFinite(tokens);

/** What samples.jsonl holds, as far as the database has taken it in and so gives it an id. */
async function samplesOf(project: Project, runId: string): Promise<Result<'runs.samples'>> {
  const ids = new Map(drawnByRun(project, runId).map(({ promptId, step, id }) => [`${promptId}/${step}`, id]));
  const file = followRows<SampleLine>(path.join(runFolderOf(project.folder, runId), 'samples.jsonl'), isWritten);
  const samples: RunSample[] = [];
  for (; ; await breath()) {
    const { rows, restarted, more } = file.read(PIECE);
    if (restarted) return samplesOf(project, runId);
    if (!more) break;
    for (const { promptId, step, text, score = null, kl = null, gold = null, finish, tokens } of rows) {
      const completionId = ids.get(`${promptId}/${step}`);
      if (completionId !== undefined)
        samples.push({ completionId, promptId, step, text, score, kl, gold, finish, tokens });
    }
  }
  const prompts = listPrompts(project, { ids: [...new Set(samples.map(({ promptId }) => promptId))] })
    .map(shownPrompt)
    .map(({ id, text, messages }) => ({ id, text, messages }));
  return { samples, prompts, ...(file.damaged() ? { damaged: file.damaged() } : {}) };
}

export const runHandlers = {
  'runs.start': async (context, { recipe, config, name }) => {
    await checkAside(context, recipe, config);
    return context.runs.start(recipe, config, name);
  },
  'runs.list': ({ runs }) => runs.list(),
  'runs.get': ({ runs }, { runId }) => runs.get(runId),
  'runs.metrics': ({ project }, { runId, from }) => metricsOf(folderOf(project, runId), from),
  'runs.samples': ({ project }, { runId }) => samplesOf(project, getRun(project, runId).id),
  'runs.log': ({ project }, { runId }) => {
    const folder = folderOf(project, runId);
    const lines = lastLines(path.join(folder, 'log.txt'), LOG_LINES);
    // a process that could not even begin says why here
    return {
      lines:
        lines.length || !fs.existsSync(path.join(folder, 'process.log'))
          ? lines
          : lastLines(path.join(folder, 'process.log'), LOG_LINES),
    };
  },
  'runs.pause': ({ runs }, { runId }) => runs.pause(runId),
  'runs.resume': ({ runs }, { runId }) => runs.resume(runId),
  'runs.stop': ({ runs }, { runId }) => runs.stop(runId),
  'runs.cancel': ({ runs }, { runId }) => runs.cancel(runId),
  'runs.rules': ({ project, runs, emit }, { runId, rules }) => {
    changeRules(project, getRun(project, runId), rules);
    emit('run.facts', { runId, gone: false });
    return runs.get(runId).rules;
  },
  'runs.held': ({ project }, { runId, offset, limit }) =>
    heldOutRankings(project, getRun(project, runId).id, offset, limit),
  ...runFactHandlers,
  ...runRemovalHandlers,
  'runs.letGo': ({ runs }, { goOn }) => ({ runs: runs.letGo(goOn) }),
} satisfies Partial<Handlers>;

/** 'bad-argument' where the run is over, or a limit is none that its recipe knows. */
function changeRules(project: Project, { id, kind, status }: Run, rules: Readonly<Record<string, number>>): void {
  if (!LIVING.includes(status))
    throw new TastemakerError(
      'bad-argument',
      `Run ${id} is ${status}, so no rule ends it any more.`,
      'Set its stop rules before it ends.',
    );
  const settings = recipeOf(kind)?.settings ?? {};
  const known = Object.keys(settings).filter(isRule);
  const strange = Object.keys(rules).find((name) => !known.includes(name));
  if (strange !== undefined)
    throw new TastemakerError(
      'bad-argument',
      `Run ${id} has no stop rule "${strange}".`,
      known.length ? `It has ${known.join(', ')}.` : 'Runs of this recipe have none.',
    );
  readConfig(settings, rules);
  writeRules(runFolderOf(project.folder, id), rules);
}

const folderOf = (project: Project, runId: string): string => runFolderOf(project.folder, getRun(project, runId).id);
