// `tastemaker import completions`: answers from other people's files to prompts of the project, all of a file or none
// of it.

import { defineCommand, flag, list, readPairs } from './command.ts';
import { furtherLines, importFile } from './import-file.ts';
import { projectOption } from './project-option.ts';
import { splitBy, splitOptions } from './split-option.ts';

export const importCompletionsCommand = defineCommand({
  name: 'import completions',
  words: ['FILE'],
  sentence: 'Add completions: rows of {"prompt", "completion"} with an optional "policy".',
  options: {
    map: list('field=column', 'Which column holds prompt, completion or policy.'),
    'add-prompts': flag(
      'Add prompts that the project does not have; into a project without prompts they always come in.',
    ),
    'any-policy': flag('Take completions of policies that the project does not have, without their policy.'),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: async ({ words: [file], options }) => {
    const read = await importFile(file!, 'completions', {
      project: options.project,
      map: readPairs(options.map, 'map'),
      skipBad: options['skip-bad'],
      ...splitBy(options),
      addPrompts: options['add-prompts'],
      anyPolicy: options['any-policy'],
      labeler: '',
    });
    const { added, duplicates, skipped, warnings, notes } = read;
    return {
      data: { added, duplicates, skipped, warnings, notes },
      lines: [
        `Added ${added} completions from ${file}; ${duplicates} were there already${skipped ? `, ${skipped} bad rows were left out` : ''}.`,
        ...furtherLines(read),
      ],
    };
  },
});
