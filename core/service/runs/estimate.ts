// Whether a run would fit, and how long it would take: said before it starts, with three ways out where it would not.

import fs from 'node:fs';
import path from 'node:path';
import type { Config, Estimate, RunKind } from '#core/contract.ts';
import { readConfig } from '#core/jobs/config.ts';
import { isPrepared, runFolderOf } from '#core/jobs/execute.ts';
import { readManifest } from '#core/jobs/job.ts';
import { lastLines } from '#core/jobs/new-lines.ts';
import { RECIPES } from '#core/jobs/recipes.ts';
import type { RecipeName } from '#core/jobs/recipes.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import type { RunQueue } from './queue.ts';
import { factsOf, lengthsOf } from './recipe-facts.ts';
import { architectureOf, parametersOf, sizeOfRun } from './recipe-size.ts';

const TIGHT = 0.7; // of what is free
const EARLIER = 3; // runs of the same kind that the pace is taken from

export async function estimateRun(project: Project, runs: Pick<RunQueue, 'busy' | 'interactive' | 'memoryInUse'>, home: string, recipe: RunKind, given: Config): Promise<Estimate> {
  const name = recipe as RecipeName, config = readConfig(RECIPES[name].settings, given) as Config;
  const facts = factsOf(project), lengths = lengthsOf(project);
  const sized = (settings: Config) => sizeOfRun(project, name, settings, facts, lengths);
  const { bytes, work } = sized(config);
  const limit = process.constrainedMemory(), availableBytes = Math.min(process.availableMemory(), limit > 0 ? limit : Infinity) + runs.memoryInUse(); // a run that is at work ends before this one begins
  const pace = paceOf(project, name, (settings) => sized(settings).work) ?? (await machinePace(home, runs));
  const seconds = pace === null ? null : work / pace;
  const verdict = bytes > availableBytes ? 'wont-fit' : bytes > TIGHT * availableBytes ? 'tight' : 'fits';
  const size = `It takes about ${gigabytes(bytes)} of the ${gigabytes(availableBytes)} that are free`;
  const time = seconds === null ? 'how long it takes is known after the first run' : `and about ${duration(seconds)}`;
  return { verdict, bytes, availableBytes, seconds, sentence: `${size}, ${time}.`, fixes: verdict === 'fits' ? [] : fixesOf(project, name, config, (settings) => sized(settings).bytes) };
}

/** Work a second of the newest runs of this kind, each measured by what it did; null where there is none. */
function paceOf(project: Project, recipe: RecipeName, workOf: (config: Config) => number): number | null {
  const paces: number[] = [];
  for (const { id } of listRuns(project, { kind: recipe }).slice(0, 20)) {
    const folder = runFolderOf(project.folder, id), line = lastLines(path.join(folder, 'metrics.jsonl'), 1)[0];
    if (line === undefined || !isPrepared(folder)) continue;
    try {
      const { step, seconds } = JSON.parse(line) as { step: number; seconds: number };
      const { config } = readManifest(folder), complete = readConfig(RECIPES[recipe].settings, config) as Config;
      const total = totalSteps(folder);
      if (step > 0 && seconds > 0.2 && total > 0) paces.push((workOf(complete) * Math.min(1, step / total)) / seconds);
    } catch {
      // its model is gone, or its settings are of an older version
    }
    if (paces.length === EARLIER) break;
  }
  return paces.length ? paces.toSorted((a, b) => a - b)[Math.floor(paces.length / 2)]! : null;
}

function totalSteps(folder: string): number {
  try {
    return (JSON.parse(fs.readFileSync(path.join(folder, 'heartbeat.json'), 'utf8')) as { total: number }).total;
  } catch {
    return 0;
  }
}

let measured: number | null = null;
/** What this machine does a second, measured once when nothing else runs and kept beside the preferences. */
async function machinePace(home: string, runs: Pick<RunQueue, 'busy' | 'interactive'>): Promise<number | null> {
  const file = path.join(home, 'speed.json');
  try {
    measured ??= (JSON.parse(fs.readFileSync(file, 'utf8')) as { trained: number }).trained;
  } catch {
    // not measured yet
  }
  if (measured !== null || runs.busy()) return measured === null ? null : 3 * measured;
  measured = await runs.interactive<number>({ kind: 'speed' });
  try {
    fs.mkdirSync(home, { recursive: true });
    fs.writeFileSync(file, JSON.stringify({ trained: measured }));
  } catch {
    // then it is measured again next time
  }
  return 3 * measured; // a training pass is counted as three
}

/** The settings that memory hangs on, and what to do with them: halve, or double where more of them means smaller parts. */
const LEVERS: Record<RecipeName, readonly (readonly [name: string, factor: number, what: string])[]> = {
  pretrain: [['batch', 0.5, 'texts a step'], ['context', 0.5, 'tokens of context'], ['channels', 0.5, 'channels'], ['layers', 0.5, 'layers']],
  sft: [['batch', 0.5, 'texts a step'], ['show_prompts', 0.5, 'prompts shown'], ['show_max_new', 0.5, 'new tokens shown']],
  reward: [['batch', 0.5, 'prompts a step']],
  ppo: [['minibatches', 2, 'optimiser steps an epoch'], ['max_new', 0.5, 'new tokens'], ['episodes', 0.5, 'completions a batch'], ['samples_per_prompt', 0.5, 'completions a prompt']],
  sample: [['k', 0.5, 'completions a prompt'], ['max_new', 0.5, 'new tokens']],
  score: [],
};

/** Three ways out, the strongest first, each with what it would take then. */
function fixesOf(project: Project, recipe: RecipeName, config: Config, bytesOf: (config: Config) => number): string[] {
  const now = bytesOf(config);
  const changes = [
    ...(config.tune === 'full' ? [{ name: 'tune', after: 'lora', what: 'adapters beside frozen weights' }] : []),
    ...(config.micro_batch === 0 ? [{ name: 'micro_batch', after: 1, what: 'rows at once' }] : []),
    ...LEVERS[recipe].map(([name, factor, what]) => ({ name, after: Math.max(1, Math.floor(Number(config[name]) * factor)), what })),
  ];
  const levers = changes.flatMap(({ name, after, what }) => {
    if (after === config[name]) return [];
    try {
      const bytes = bytesOf(readConfig(RECIPES[recipe].settings, { ...config, [name]: after }) as Config);
      return bytes < now ? [{ bytes, sentence: `Set ${name} from ${String(config[name])} to ${after} (${what}): about ${gigabytes(bytes)}.` }] : [];
    } catch {
      return []; // out of its range
    }
  });
  const smaller = smallerModel(project, config);
  const model = smaller === null ? 'Use a smaller model; the Models screen lists what each one takes.' : `Use the smaller model "${smaller.name}": about ${gigabytes(bytesOf({ ...config, policy: smaller.name }))}.`;
  return [...levers.toSorted((a, b) => a.bytes - b.bytes).map(({ sentence }) => sentence).slice(0, 2), ...(recipe === 'pretrain' ? [] : [model]), 'Close other programs, so that more memory is free.', 'Run it on a machine with more memory: copy the project folder there.'].slice(0, 3);
}

function smallerModel(project: Project, config: Config): { name: string } | null {
  if (config.policy === undefined) return null;
  const sized = listPolicies(project).filter(({ kind }) => kind !== 'reward').flatMap(({ name }) => {
    try {
      return [{ name, size: parametersOf(architectureOf(project, name)) }];
    } catch {
      return [];
    }
  });
  const own = sized.find(({ name }) => name === config.policy)?.size ?? 0;
  return sized.filter(({ size }) => size < own).sort((a, b) => b.size - a.size)[0] ?? null;
}

const gigabytes = (bytes: number): string => (bytes < 0.95e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`);
function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${(seconds / 3600).toFixed(1)} h` : `${Math.round(seconds / 86400)} days`;
}
