// `tastemaker import rankings`: other people's preference data in any format that is known, all of a file or none of
// it.

import { FORMATS } from '#core/formats/preferences/formats.ts';
import { defineCommand, flag, list, oneOf, readPairs, text } from './command.ts';
import { furtherLines, importFile } from './import-file.ts';
import { projectOption } from './project-option.ts';
import { splitBy, splitOptions } from './split-option.ts';

const WHAT = {
  prompts: 'prompts',
  completions: 'completions',
  rankings: 'rankings',
  ratings: 'ratings',
  marks: 'marks',
} as const;

export const importRankingsCommand = defineCommand({
  name: 'import rankings',
  words: ['FILE'],
  sentence: 'Add preference data: rankings, pairs, ratings and marks, with the prompts and answers they are of.',
  options: {
    format: oneOf(
      'auto',
      ['auto', ...FORMATS.map(({ name }) => name)],
      'What the file is; auto tells by its first rows.',
    ),
    map: list('field=column', 'Which column holds prompt, completions, ranks, chosen, rejected, labeler and so on.'),
    labeler: text('NAME', 'imported', 'Whose the rows without a labeler are.'),
    tokenizer: text('FOLDER', null, 'The model folder whose tokenizer makes texts of token ids (openai-2019).'),
    'add-prompts': flag(
      'Add prompts that the project does not have; into a project without prompts they always come in.',
    ),
    ...splitOptions,
    'skip-bad': flag('Leave bad rows out instead of importing nothing.'),
    project: projectOption,
  },
  run: async ({ words: [file], options }) => {
    const tokenizer =
      options.tokenizer === null
        ? null
        : await (await import('#core/tokenizer/tokenizer.ts')).loadTokenizer(options.tokenizer);
    const read = await importFile(file!, 'rankings', {
      project: options.project,
      map: readPairs(options.map, 'map'),
      skipBad: options['skip-bad'],
      ...splitBy(options),
      addPrompts: options['add-prompts'],
      anyPolicy: false,
      labeler: options.labeler,
      format: { format: options.format, decode: tokenizer && ((lists) => tokenizer.decodeBatch(lists)) },
    });
    const { format, added, duplicates, skipped, warnings, notes, made } = read;
    const parts = Object.entries(WHAT)
      .filter(([name]) => made[name as keyof typeof WHAT] > 0)
      .map(([name, words]) => `${made[name as keyof typeof WHAT]} ${words}`);
    return {
      data: { format, added, duplicates, skipped, warnings, notes, made },
      lines: [
        `Added ${added} rows of ${file} (${format})${parts.length > 0 ? `: ${parts.join(', ')}` : ''}; ${duplicates} were there already${skipped ? `, ${skipped} bad rows were left out` : ''}.`,
        ...furtherLines(read),
      ],
    };
  },
});
