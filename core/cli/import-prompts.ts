// `tastemaker import prompts`: prompts from other people's files, all of a file or none of it.

import { TastemakerError } from '#core/errors.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { importPrompts } from '#core/store/prompts.ts';
import { refuseBadRows } from './bad-rows.ts';
import { defineCommand, flag, list, oneOf, readPairs } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { splitBy, splitOptions } from './split-option.ts';

export const importPromptsCommand = defineCommand({
  name: 'import prompts',
  words: ['FILE'],
  sentence: 'Add the prompts of a JSONL, CSV or text file.',
  options: {
    format: oneOf('auto', ['auto', 'prompt', 'tldr', 'scitldr', 'text', 'mapped'], 'What the file is; anything but auto refuses a file that turns out to be something else.'),
    map: list('field=column', 'Which column holds text, reference or source.'),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: ({ words: [file], options }) => {
    const split = splitBy(options);
    const map = options.map.length ? readPairs(options.map, 'map') : undefined;
    return withProject(options.project, { write: true }, (project) => {
      const { prompts, errors, format } = readPrompts(file!, map ? { map } : {});
      if (options.format !== 'auto' && format.replace(/^csv /, '') !== options.format) {
        throw new TastemakerError('bad-data', `${file} is not of the format ${options.format}: it reads as "${format}".`, 'Use --format auto, or name the columns with --map.');
      }
      refuseBadRows(file!, errors, options['skip-bad']);
      const rows = prompts.map((row) => ({ ...row, split: split(row.text) }));
      const { added } = importPrompts(project, rows);
      const count = { format, added, duplicates: rows.length - added, skipped: errors.length };
      return { data: count, lines: [`Added ${added} prompts from ${file} (${format}); ${count.duplicates} were there already${errors.length ? `, ${errors.length} bad rows were left out` : ''}.`] };
    });
  },
});
