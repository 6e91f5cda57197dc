// `tastemaker backup`: copies of a project's database, the list of them, and the way back to one.

import { describeBackups } from '#core/store/backup-rows.ts';
import { backupDatabase } from '#core/store/backups.ts';
import { restoreBackup } from '#core/store/restore.ts';
import { defineCommand } from './command.ts';
import { projectFolder, projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

export const backupCommand = defineCommand({
  name: 'backup',
  words: [],
  sentence:
    'Copy the database of a project into its folder backups/, also while it is open elsewhere, and verify the copy.',
  options: { project: projectOption },
  run: ({ options }) =>
    withProject(options.project, { write: false }, (project) => {
      const file = backupDatabase(project.db, project.folder);
      return { data: { file }, lines: [`The backup is ${file}.`] };
    }),
});

export const backupListCommand = defineCommand({
  name: 'backup list',
  words: [],
  sentence: 'List the backups of a project, newest first, with what they hold.',
  options: { project: projectOption },
  run: async ({ options }) => {
    const backups = describeBackups(projectFolder(options.project));
    const rows = backups.map(({ name, at, bytes, prompts, completions, rankings, problem }) => [
      name,
      new Date(at).toISOString().slice(0, 16).replace('T', ' '),
      `${(bytes / 1e6).toFixed(1)} MB`,
      problem ?? `${prompts} prompts, ${completions} completions, ${rankings} rankings`,
    ]);
    return {
      data: backups,
      lines: backups.length
        ? table(['backup', 'made (UTC)', 'size', 'holds'], rows)
        : ['There are no backups yet; `tastemaker backup` makes one.'],
    };
  },
});

export const backupRestoreCommand = defineCommand({
  name: 'backup restore',
  words: ['NAME'],
  sentence:
    "Put a backup in the place of a project's database, also of a damaged one; what is there now is kept as a backup.",
  options: { project: projectOption },
  run: async ({ words: [name], options }) => {
    const folder = projectFolder(options.project);
    const kept = restoreBackup(folder, name!);
    return {
      data: { project: folder, restored: name, kept },
      lines: [
        `${folder} is as it was in ${name}.`,
        ...(kept === null ? [] : [`What was there before is kept in ${kept}.`]),
      ],
    };
  },
});
