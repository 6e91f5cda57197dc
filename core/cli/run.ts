// `tastemaker run show`, `run resume` and `run cancel`: one run of a project.
//
// Where the window (or another command) has the project open, what is asked is left for it to do.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { ask, livingProcess, provenProcess, writeOrder } from '#core/runs/control.ts';
import { isPrepared } from '#core/runs/execute.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { writeStatus } from '#core/runs/ending.ts';
import { METRICS } from '#core/recipes/metrics.ts';
import { damagedWords } from '#core/runs/run-log.ts';
import type { MetricName } from '#core/recipes/metrics.ts';
import { checkResumable, resumeRun } from '#core/runs/start.ts';
import { factsOfRun } from '#core/service/runs/run-facts.ts';
import { lockHolder } from '#core/store/lock.ts';
import { onOneLine } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { getRequest, getRun, updateRun } from '#core/store/runs.ts';
import { defineCommand } from './command.ts';
import type { Report } from './command.ts';
import { fateOf, lastMetrics, reportRun } from './finished-run.ts';
import { runsAtRestHere } from './new-here.ts';
import { short, withProgress } from './progress.ts';
import { resultWords, sizeWords } from './run-size.ts';
import { projectOption, withProject } from './project-option.ts';
import { LIVING } from '#core/contract/runs.ts';

const options = { project: projectOption };

export const runShowCommand = defineCommand({
  name: 'run show',
  words: ['ID'],
  sentence: 'Show what a run was asked for, how it stands, and its last metrics with their meaning.',
  options,
  run: ({ words: [id], options: { project: given } }) =>
    withProject(given, { write: false }, async (project) => {
      const run = getRun(project, id!);
      const folder = runFolderOf(project.folder, run.id);
      const manifest = isPrepared(folder) || !getRequest(project, run.id) ? readManifest(folder) : null;
      const last = lastMetrics(folder);
      const { killed, unrecorded } = fateOf(project, run);
      const { note, tags, bytes, results } = await factsOfRun(project, run);
      const metrics = Object.entries(last?.metrics ?? {}).map(([name, value]) => ({
        name,
        value,
        ...METRICS[name as MetricName],
      }));
      const pairs = (record: Record<string, unknown>) =>
        Object.entries(record).map(([key, value]) => `  ${key} = ${String(value)}`);
      const state = runsAtRestHere(project).ids.has(run.id)
        ? 'at rest, for the project is new to this machine; `tastemaker run resume` lets it go on'
        : killed
          ? 'killed; `tastemaker run resume` goes on from its last checkpoint'
          : unrecorded
            ? `${unrecorded}; the project takes it in when it is opened next`
            : run.status;
      return {
        data: { ...run, killed, folder, step: last?.step ?? null, note, tags, bytes, results, metrics, manifest },
        lines: [
          `${run.id} "${run.name}": ${state}${run.error ? `: ${run.error}` : ''}`,
          manifest
            ? `Begun ${manifest.createdAt} with ${manifest.data.rows} rows of data, in ${folder}`
            : `Asked for ${new Date(run.createdAt).toISOString()}; it has not begun.`,
          ...[
            `Takes ${sizeWords(bytes)} on the disk`,
            resultWords({ results }),
            tags.length ? `tags: ${onOneLine(tags.join(', '))}` : '',
          ].filter(Boolean),
          ...(note ? [`Note: ${onOneLine(note)}`] : []),
          ...Object.entries(manifest?.models ?? {}).map(
            ([role, model]) => `  ${role} model: ${model.path} (sha256 ${model.sha256.slice(0, 12)})`,
          ),
          '',
          'Settings:',
          ...pairs(manifest?.config ?? getRequest(project, run.id)!.config),
          ...(last
            ? [
                '',
                `Metrics at step ${last.step}:`,
                ...metrics.map(
                  ({ name, value, unit, sentence, healthy }) =>
                    `  ${`${name} ${short(value)}${unit ? ` ${unit}` : ''}`.padEnd(34)}  ${sentence} Healthy: ${healthy}.`,
                ),
              ]
            : []),
          ...(last?.damaged ? ['', damagedWords(last.damaged, 'of its numbers')] : []),
        ],
      };
    }),
});

/** The process that has the project open for writing, unless it is us. */
const ownerOf = (project: Project): number | null => lockHolder(project.folder);

export const runResumeCommand = defineCommand({
  name: 'run resume',
  computes: true,
  words: ['ID'],
  sentence: 'Go on with a run that was paused, stopped, killed or failed, from its newest checkpoint.',
  options,
  run: async ({ words: [id], options: { project: given } }) => {
    const left = await withProject(given, { write: false }, (project): Report | null => {
      const owner = ownerOf(project);
      const run = getRun(project, id!);
      if (owner === null) return null;
      checkResumable(project, run.id);
      if (!runsAtRestHere(project).ids.has(run.id) && run.status !== 'paused' && LIVING.includes(run.status))
        throw new TastemakerError(
          'bad-argument',
          `Run ${run.id} is ${run.status} already: the process with the pid ${owner} looks after it.`,
          'Watch it in the window, or with `tastemaker run show`.',
        );
      ask(project.folder, { runId: run.id, action: 'resume' });
      return {
        data: { ...run, owner },
        lines: [
          `The process with the pid ${owner} has the project open and goes on with run ${run.id}; \`tastemaker run show ${run.id}\` says how far it is.`,
        ],
      };
    });
    if (left) return left;
    return withProject(given, { write: true }, async (project) => {
      const { kind } = getRun(project, id!);
      const others = [...runsAtRestHere(project).ids].filter((other) => other !== id);
      if (others.length)
        process.stderr.write(
          `This project is new to this machine: only run ${id} goes on, ${others.join(', ')} ${others.length === 1 ? 'stays' : 'stay'} at rest.\n`,
        );
      return reportRun(project, await withProgress(kind, (listeners) => resumeRun(project, id!, listeners)));
    });
  },
});

export const runCancelCommand = defineCommand({
  name: 'run cancel',
  words: ['ID'],
  sentence: 'Give up a run, at once where it is at work: it cannot be resumed any more.',
  options,
  run: async ({ words: [id], options: { project: given } }) => {
    const left = await withProject(given, { write: false }, (project): Report | null => {
      const run = getRun(project, id!);
      const owner = ownerOf(project);
      const folder = runFolderOf(project.folder, run.id);
      if (run.status === 'done' || run.status === 'cancelled')
        throw new TastemakerError(
          'bad-argument',
          `Run ${run.id} is already ${run.status}.`,
          'Only a run that is not done can be cancelled.',
        );
      if (owner === null) return null;
      // a command that trains obeys the order itself; a service is asked, so that its windows see it
      if (livingProcess(folder) === owner) writeOrder(folder, 'cancel');
      else ask(project.folder, { runId: run.id, action: 'cancel' });
      return {
        data: { ...run, owner },
        lines: [
          `Run ${run.id} is being cancelled by the process with the pid ${owner}, which has the project open; its files stay in runs/${run.id}.`,
        ],
      };
    });
    if (left) return left;
    return withProject(given, { write: true }, async (project) => {
      const run = getRun(project, id!);
      const folder = runFolderOf(project.folder, run.id);
      const left = await end(folder);
      if (left !== null) {
        updateRun(project, run.id, { status: 'cancelling' }); // whoever opens the project next sees to it
        return {
          data: { ...run, status: 'cancelling', pid: left },
          lines: [
            `Run ${run.id} was told to end. That the process with the pid ${left} is the one which Tastemaker started could not be proven, so it was not ended by force.`,
          ],
        };
      }
      writeStatus(folder, 'cancelled');
      fs.rmSync(path.join(folder, 'control'), { force: true });
      const cancelled = updateRun(project, run.id, { status: 'cancelled', endedAt: Date.now() });
      return { data: cancelled, lines: [`Run ${run.id} is cancelled; its files stay in runs/${run.id}.`] };
    });
  },
});

/**
 * Ends a job process that a closed window left at work: it may obey for some seconds. Returns the number of one that
 * goes on, for nothing proves that it is ours.
 */
async function end(folder: string): Promise<number | null> {
  const pid = livingProcess(folder);
  if (pid === null) return null;
  writeOrder(folder, 'cancel');
  for (let waited = 0; waited < 5000 && livingProcess(folder) === pid; waited += 100)
    await new Promise((resolve) => setTimeout(resolve, 100));
  if (livingProcess(folder) !== pid) return null;
  if (provenProcess(folder) !== pid) return pid;
  process.kill(pid, 'SIGKILL');
  return null;
}
