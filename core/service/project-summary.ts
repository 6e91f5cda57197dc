// What the window is told about the open project: its counts, its current models, its settings and labelers.

import type { Labeler } from '#core/contract/rankings.ts';
import type { ProjectSettings, ProjectSummary, StrayedNote } from '#core/contract/project.ts';
import { countComparisons, countTeaching } from '#core/store/comparison-count.ts';
import { countRows, countSimulated, countUnranked, firstSource } from '#core/store/learning-counts.ts';
import { listLabelers } from '#core/store/labelers.ts';
import { projectId } from '#core/store/project-id.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { countStraddling, isStraddlingNotice } from '#core/store/straddling.ts';
import { sayStrayed, strayed } from '#core/store/whereabouts.ts';
import type { Project } from '#core/store/project.ts';
import { currentModels, settleCurrent } from './current-models.ts';
import type { Emit } from './handlers.ts';
import { projectSettings } from './project.ts';
import { rankingsWanted } from '#core/service/runs/recipe-facts.ts';
import { runsAtRest } from '#core/service/runs/at-rest.ts';

/** A project with more rankings than this needs no telling where the next come from. */
const FEW = 100;

/** Some counts of a project; about 10 ms with 100,000 prompts and 400,000 completions. */
export function projectSummary(project: Project): ProjectSummary {
  const teaching = countTeaching(project);
  // nothing that is written makes any
  const straddling = project.notices.some(isStraddlingNotice) ? countStraddling(project) : 0;
  return {
    id: projectId(project),
    folder: project.folder,
    name: project.name,
    prompts: countPrompts(project),
    completions: countRows(project, 'completions'),
    rankings: countRows(project, 'rankings'),
    comparisons: countComparisons(project),
    teaching,
    simulated: countSimulated(project),
    wanted: rankingsWanted(project),
    left: teaching < FEW ? countUnranked(project, FEW) : null,
    models: countRows(project, 'models'),
    runs: countRows(project, 'runs'),
    resting: runsAtRest(project).size,
    isDemo: firstSource(project) === 'demo',
    current: currentModels(project),
    // brought together, they are no news any more
    notices: project.notices.filter((notice) => straddling > 0 || !isStraddlingNotice(notice)),
    straddling,
    strayed: strayedNote(project),
  };
}

/** What the window says on top while the project's folder is not where it was opened. */
export function strayedNote(project: Project): StrayedNote | null {
  const found = strayed(project);
  if (!found) return null;
  const [sentence, hint] = sayStrayed(found);
  return { sentence, hint, found: found.found, canCopy: found.kind !== 'overwritten' };
}

/** What the event 'project.changed' carries. */
export function projectChanged(project: Project): {
  project: ProjectSummary;
  settings: ProjectSettings;
  labelers: Labeler[];
} {
  return { project: projectSummary(project), settings: projectSettings(project), labelers: listLabelers(project) };
}

/** Lets the rule of what is current act, and tells the windows where it did. */
export async function settleAndTell(project: Project, emit: Emit): Promise<void> {
  if (!(await settleCurrent(project))) return;
  emit('project.changed', projectChanged(project));
}
