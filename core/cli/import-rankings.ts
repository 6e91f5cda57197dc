// `tastemaker import rankings`: other people's rankings and preference pairs, all of a file or none of it.

import { defineCommand, flag, list, readPairs, text } from './command.ts';
import { importFile } from './import-file.ts';
import { projectOption } from './project-option.ts';
import { splitBy, splitOptions } from './split-option.ts';

export const importRankingsCommand = defineCommand({
  name: 'import rankings',
  words: ['FILE'],
  sentence: 'Add rankings: rows of completions with ranks (by text or by id), or of chosen and rejected.',
  options: {
    map: list('field=column', 'Which column holds prompt, completions, ranks, chosen, rejected, labeler and so on.'),
    labeler: text('NAME', 'imported', 'Whose the rows without a labeler are.'),
    'add-prompts': flag('Add prompts that the project does not have.'),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: async ({ words: [file], options }) => {
    const { added, duplicates, skipped, completionsAdded } = await importFile(file!, 'rankings', {
      project: options.project, map: readPairs(options.map, 'map'), skipBad: options['skip-bad'], split: splitBy(options), addPrompts: options['add-prompts'], anyPolicy: false, labeler: options.labeler,
    });
    return {
      data: { added, duplicates, skipped, completionsAdded },
      lines: [`Added ${added} rankings from ${file} (and ${completionsAdded} completions they name); ${duplicates} were there already${skipped ? `, ${skipped} bad rows were left out` : ''}.`],
    };
  },
});
