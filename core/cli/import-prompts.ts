// `tastemaker import prompts`: prompts from other people's files, all of a file or none of it.

import { TastemakerError } from '#core/errors.ts';
import { defineCommand, flag, list, oneOf, readPairs, text, wholeNumber } from './command.ts';
import { furtherLines, importFile } from './import-file.ts';
import { projectOption } from './project-option.ts';
import { shorteningOf } from './shorten-posts.ts';
import { splitBy, splitOptions } from './split-option.ts';

export const importPromptsCommand = defineCommand({
  name: 'import prompts',
  words: ['FILE'],
  sentence: 'Add the prompts of a JSONL, CSV, Parquet or text file.',
  options: {
    format: oneOf(
      'auto',
      ['auto', 'prompt', 'messages', 'tldr', 'scitldr', 'text', 'mapped'],
      'What the file is; anything but auto refuses a file that turns out to be something else.',
    ),
    map: list('field=column', 'Which column holds text, reference or source.'),
    template: text(
      'TEXT',
      null,
      'Makes the prompts of several columns, such as "{title}\\n\\n{body}\\n\\nTL;DR:"; \\n is a line end.',
    ),
    'max-tokens': wholeNumber(
      null,
      [1, 1_000_000],
      'Shorten Reddit posts (tldr) to so many tokens: their last lines go, subreddit, title and "TL;DR:" stay.',
    ),
    tokenizer: text('NAME|PATH', null, 'The model whose tokens --max-tokens counts.'),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: async ({ words: [file], options }) => {
    const read = await importFile(file!, 'prompts', {
      project: options.project,
      map: readPairs(options.map, 'map'),
      skipBad: options['skip-bad'],
      ...splitBy(options),
      addPrompts: true,
      shorten: shorteningOf(options['max-tokens'], options.tokenizer, options.project),
      anyPolicy: false,
      labeler: '',
      ...(options.template === null ? {} : { format: { template: options.template } }),
      check: (found) => {
        if (options.format !== 'auto' && found.replace(/^csv /, '') !== options.format) {
          throw new TastemakerError(
            'bad-data',
            `${file} is not of the format ${options.format}: it reads as "${found}".`,
            'Use --format auto, or name the columns with --map.',
          );
        }
      },
    });
    const { format, added, duplicates, skipped, warnings, notes } = read;
    return {
      data: { format, added, duplicates, skipped, warnings, notes },
      lines: [
        `Added ${added} prompts from ${file} (${format}); ${duplicates} were there already${skipped ? `, ${skipped} bad rows were left out` : ''}.`,
        ...furtherLines(read),
      ],
    };
  },
});
