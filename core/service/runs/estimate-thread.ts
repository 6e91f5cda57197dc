// The thread that estimator.ts asks: reads the project, walks the graphs of a run, and remembers both.

import { isMainThread } from 'node:worker_threads';
import type { Config, Estimate } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { recipeName } from '#core/recipes/table.ts';
import type { Facts, Lengths } from '#core/recipes/facts.ts';
import { answerQuestions } from '#core/service/warm-thread.ts';
import { openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { checkFits, estimateRun } from './estimate.ts';
import type { Machine } from './machine.ts';
import { countedIn } from './recipe-facts.ts';
import type { Counted } from './recipe-facts.ts';
import { checkStart } from './recipes.ts';

/** `version` changes with everything that is written into the project (`versionOf`). */
interface EstimateQuestion {
  folder: string;
  version: string;
  machine: Machine;
  recipe: RunKind;
  config: Config;
}

/** Of the project that was asked about last: its texts are read again only when it has changed. */
let last = {
  folder: '',
  version: '',
  facts: null as Facts | null,
  lengths: new Map<string | null, Promise<Lengths>>(),
};

function remembered(project: Project, { folder, version }: EstimateQuestion): Counted {
  if (last.folder !== folder || last.version !== version) last = { folder, version, facts: null, lengths: new Map() };
  const counted = countedIn(project);
  const { lengths } = last;
  const kept = last;
  return {
    facts: () => (kept.facts ??= counted.facts()),
    lengths: (model) => {
      const found = lengths.get(model) ?? counted.lengths(model);
      lengths.set(model, found);
      found.catch(() => lengths.delete(model));
      return found;
    },
  };
}

/** Does `work` with the project open for reading: it is open no longer than a question takes. */
async function reading<T>(folder: string, work: (project: Project) => T | Promise<T>): Promise<T> {
  const project = openProject(folder, { write: false });
  try {
    return await work(project);
  } finally {
    project.close();
  }
}

const TASKS = {
  estimate: (asked: EstimateQuestion): Promise<Estimate> =>
    reading(asked.folder, (project) =>
      estimateRun(project, asked.machine, recipeName(asked.recipe), asked.config, remembered(project, asked)),
    ),
  /** Refuses what could only fail and what is sure not to fit. */
  check: ({ folder, machine, recipe, config }: EstimateQuestion): Promise<void> =>
    reading(folder, (project) => {
      checkStart(project, recipe, config);
      return checkFits(project, machine, recipeName(recipe), config);
    }),
};
export type EstimateTasks = typeof TASKS;

if (!isMainThread) answerQuestions(TASKS);
