// The settings that the window keeps in the open project.

import type { ProjectSettings } from '#core/contract/project.ts';
import { TastemakerError } from '#core/errors.ts';
import { DEFAULT_MARK_LABELS } from '#core/store/marks.ts';
import { requireRow } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';

export const DEFAULT_PROJECT_SETTINGS: ProjectSettings = {
  labelerId: null,
  axes: [],
  markLabels: [...DEFAULT_MARK_LABELS],
  askConfidence: true,
  naiveReading: false,
  repeats: 0.05,
  sessionGoal: 50,
  breakMinutes: 45,
  currentPolicyId: null,
  rewardModelId: null,
};
const SETTING = 'window';

/** The settings with the defaults for what was never set. */
export function projectSettings(project: Project): ProjectSettings {
  return { ...DEFAULT_PROJECT_SETTINGS, ...getSetting<Partial<ProjectSettings>>(project, SETTING, {}) };
}

/**
 * 'bad-data' for a labeler or model that the project does not have, or two axes or labels of one name; then nothing
 * changes.
 */
export function changeProjectSettings(project: Project, changes: Partial<ProjectSettings>): ProjectSettings {
  requireRow(project, 'labelers', changes.labelerId);
  requireRow(project, 'policies', changes.currentPolicyId);
  requireRow(project, 'policies', changes.rewardModelId);
  const named = {
    axes: changes.axes && names(changes.axes, 'axes'),
    markLabels: changes.markLabels && names(changes.markLabels, 'mark labels'),
  };
  const given = Object.entries({ ...changes, ...named }).filter(([, value]) => value !== undefined);
  const changed = { ...projectSettings(project), ...Object.fromEntries(given) };
  setSetting(project, SETTING, changed);
  return changed;
}

function names(given: readonly string[], what: string): string[] {
  const trimmed = given.map((name) => name.trim());
  if (trimmed.includes('') || new Set(trimmed).size < trimmed.length)
    throw new TastemakerError(
      'bad-data',
      `Two of the ${what} have the same name, or one has none.`,
      'Give each a name of its own.',
    );
  return trimmed;
}
