// The templates that prompts of a project were imported with: offered again for files with the same columns, and titles
// are read by them.

import { parseTemplate } from '#core/formats/prompt-template.ts';
import type { Project } from '#core/store/project.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';

const KEPT = 20;
const SETTING = 'templates';

/** The newest first. */
export const templatesOf = (project: Project): string[] => getSetting<string[]>(project, SETTING, []);

export function rememberTemplate(project: Project, template: string): void {
  parseTemplate(template); // one that names no column is none
  setSetting(
    project,
    SETTING,
    [template, ...templatesOf(project).filter((other) => other !== template)].slice(0, KEPT),
  );
}

/** Those that a file with these columns can fill. */
export const templatesFor = (project: Project, columns: readonly string[]): string[] =>
  templatesOf(project).filter((template) => parseTemplate(template).fields.every((field) => columns.includes(field)));
