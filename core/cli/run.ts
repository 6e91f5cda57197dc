// `tastemaker run show`, `run resume` and `run cancel`: one run of a project.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { readManifest, writeStatus } from '#core/jobs/job.ts';
import { METRICS } from '#core/jobs/metrics.ts';
import type { MetricName } from '#core/jobs/metrics.ts';
import { resumeRun } from '#core/jobs/start.ts';
import { lockHolder } from '#core/store/lock.ts';
import { getRun, updateRun } from '#core/store/runs.ts';
import { defineCommand } from './command.ts';
import { lastMetrics, reportRun } from './finished-run.ts';
import { short, withProgress } from './progress.ts';
import { projectOption, withProject } from './project-option.ts';

const options = { project: projectOption };

export const runShowCommand = defineCommand({
  name: 'run show',
  words: ['ID'],
  sentence: 'Show what a run was asked for, how it stands, and its last metrics with their meaning.',
  options,
  run: ({ words: [id], options: { project: given } }) => withProject(given, { write: false }, (project) => {
    const run = getRun(project, id!), folder = path.join(project.folder, 'runs', run.id);
    const manifest = readManifest(folder), last = lastMetrics(folder);
    const killed = run.status === 'running' && lockHolder(project.folder) === null;
    const metrics = Object.entries(last?.metrics ?? {}).map(([name, value]) => ({ name, value, ...METRICS[name as MetricName] }));
    const pairs = (record: Record<string, unknown>) => Object.entries(record).map(([key, value]) => `  ${key} = ${String(value)}`);
    const state = killed ? 'killed; `tastemaker run resume` goes on from its last checkpoint' : run.status;
    return {
      data: { ...run, killed, folder, step: last?.step ?? null, metrics, manifest },
      lines: [
        `${run.id} "${run.name}": ${state}${run.error ? `: ${run.error}` : ''}`,
        `Begun ${manifest.createdAt} with ${manifest.data.rows} rows of data, in ${folder}`,
        ...Object.entries(manifest.models).map(([role, model]) => `  ${role} model: ${model.path} (sha256 ${model.sha256.slice(0, 12)})`),
        '', 'Settings:', ...pairs(manifest.config),
        ...(last ? ['', `Metrics at step ${last.step}:`, ...metrics.map(({ name, value, unit, sentence, healthy }) => `  ${`${name} ${short(value)}${unit ? ` ${unit}` : ''}`.padEnd(34)}  ${sentence} Healthy: ${healthy}.`)] : []),
      ],
    };
  }),
});

export const runResumeCommand = defineCommand({
  name: 'run resume',
  words: ['ID'],
  sentence: 'Go on with a run that was stopped, killed or failed, from its newest checkpoint.',
  options,
  run: ({ words: [id], options: { project: given } }) => withProject(given, { write: true }, async (project) => {
    const { kind } = getRun(project, id!);
    return reportRun(project, await withProgress(kind, (listeners) => resumeRun(project, id!, listeners)));
  }),
});

export const runCancelCommand = defineCommand({
  name: 'run cancel',
  words: ['ID'],
  sentence: 'Give up a run that was stopped, killed or failed: it cannot be resumed any more.',
  options,
  run: async ({ words: [id], options: { project: given } }) => {
    await withProject(given, { write: false }, (project) => {
      const run = getRun(project, id!), holder = lockHolder(project.folder);
      if (run.status === 'running' && holder !== null) {
        throw new TastemakerError('locked', `Run ${run.id} may be running: the process with the pid ${holder} is writing to the project.`, 'Stop it there with Ctrl-C (it saves first), then cancel.');
      }
    });
    return withProject(given, { write: true }, (project) => {
      const run = getRun(project, id!);
      if (run.status === 'done' || run.status === 'cancelled') throw new TastemakerError('bad-argument', `Run ${run.id} is already ${run.status}.`, 'Only a run that was stopped, killed or failed can be cancelled.');
      writeStatus(path.join(project.folder, 'runs', run.id), 'cancelled');
      const cancelled = updateRun(project, run.id, { status: 'cancelled', endedAt: Date.now() });
      return { data: cancelled, lines: [`Run ${run.id} is cancelled; its files stay in runs/${run.id}.`] };
    });
  },
});
