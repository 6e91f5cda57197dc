// `tastemaker export data`: preferences, prompts and completions of a project in the formats of other programs.

import path from 'node:path';
import type { Selection } from '#core/contract/rankings.ts';
import type { Split } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { PAIRS } from '#core/formats/preferences/writer.ts';
import { DATA_FORMATS, EXPORT_DEFAULTS, exportedData } from '#core/service/data/export-data.ts';
import { listLabelers } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { defineCommand, flag, list, oneOf, text, wholeNumber } from './command.ts';
import { modelFolder } from './model-reference.ts';
import { createProgress, short } from './progress.ts';
import { projectFolder, projectOption, withProject } from './project-option.ts';
import { SPLITS } from './split-option.ts';

const { queryLength, responseLength, responses } = EXPORT_DEFAULTS;

export const exportDataCommand = defineCommand({
  name: 'export data',
  words: [],
  sentence: 'Write rankings, ratings and marks, or prompts or completions, to a file that other programs read.',
  options: {
    format: text('NAME', null, 'The format; --list says which there are.'),
    out: text('FILE', null, 'The file to write; whole or not at all.'),
    list: flag('List the formats with what each keeps and loses, and write nothing.'),
    labeler: list('NAME', 'Only what this labeler said; may be given several times.'),
    split: oneOf(null, SPLITS, 'Only prompts of this split.'),
    policy: list('NAME', 'Only answers by this model or writer; may be given several times.'),
    run: list('ID', 'Only answers that this run drew; may be given several times.'),
    'min-confidence': wholeNumber(
      0,
      [0, 9],
      'Only rankings with at least this confidence; one without a confidence stays.',
    ),
    'without-mark': list('LABEL', 'Leave out answers that bear a mark with this label; may be given several times.'),
    'without-flagged-items': flag('Leave out the rankings of flagged items.'),
    pairs: oneOf('all', PAIRS, 'Which pairs of a ranking become rows.'),
    repeats: flag('Hidden repeats too.'),
    flagged: flag('Flagged answers too, in formats that cannot say which they are.'),
    tokenizer: text('NAME|PATH', null, 'The model whose token ids are written (openai-2019).'),
    'query-length': wholeNumber(
      queryLength,
      [1, 100_000],
      'Tokens of a prompt (openai-2019): more are cut, fewer filled up.',
    ),
    'response-length': wholeNumber(responseLength, [1, 100_000], 'Tokens of an answer (openai-2019).'),
    responses: wholeNumber(responses, [2, 9], 'Answers in a row (openai-2019).'),
    project: projectOption,
  },
  run: async ({ options }) => {
    if (options.list)
      return {
        data: DATA_FORMATS,
        lines: DATA_FORMATS.flatMap(({ name, title, holds }) => [`${name}: ${title}`, `  ${holds}`]),
      };
    for (const name of ['format', 'out'] as const)
      if (options[name] === null)
        throw new TastemakerError(
          'bad-argument',
          `"export data" needs --${name}.`,
          'Write --format NAME --out FILE; --list prints the formats.',
        );
    const folder = projectFolder(options.project);
    const labelerIds =
      options.labeler.length === 0
        ? null
        : await withProject(folder, { write: false }, (project) =>
            options.labeler.map((name) => labelerId(project, name)),
          );
    const tokenizer = options.tokenizer === null ? null : await modelFolder(options.tokenizer, options.project);
    const progress = createProgress('export');
    try {
      const result = await exportedData(
        folder,
        {
          format: options.format!,
          file: options.out!,
          split: options.split,
          pairs: options.pairs,
          repeats: options.repeats,
          flagged: options.flagged,
          labelerIds,
          tokenizer,
          selection: selectionOf(options),
          queryLength: options['query-length'],
          responseLength: options['response-length'],
          responses: options.responses,
        },
        (done, total) => process.stderr.isTTY && progress.onReport(done, total, {}),
      );
      return {
        data: result,
        lines: [
          `Wrote ${short(result.rows)} ${result.rows === 1 ? 'row' : 'rows'} (${short(result.bytes)} bytes): ${path.relative('', result.file) || result.file}`,
          ...(result.beside === null ? [] : [`Described in ${path.relative('', result.beside)}`]),
          ...result.notes,
        ],
      };
    } finally {
      progress.finish();
    }
  },
});

/**
 * The same selection that recipes take, where anything of it was asked for; evaluation data may be exported, so the
 * test split too.
 */
function selectionOf(options: {
  labeler: readonly string[];
  policy: readonly string[];
  run: readonly string[];
  'min-confidence': number;
  'without-mark': readonly string[];
  'without-flagged-items': boolean;
  split: Split | null;
}): Selection | null {
  const { policy, run, 'min-confidence': confidence, 'without-mark': marks, 'without-flagged-items': items } = options;
  if (!policy.length && !run.length && !confidence && !marks.length && !items) return null;
  return {
    labelers: [...options.labeler],
    policies: [...policy],
    rounds: [...run],
    splits: options.split ? [options.split] : [...SPLITS],
    confidence,
    flagged: items ? 'items' : 'answers',
    marks: [...marks],
  };
}

function labelerId(project: Project, name: string): number {
  const labelers = listLabelers(project);
  const found = labelers.find((labeler) => labeler.name === name);
  if (found) return found.id;
  throw new TastemakerError(
    'bad-argument',
    `The project has no labeler ${JSON.stringify(name)}.`,
    labelers.length > 0
      ? `Its labelers are: ${labelers.map((one) => one.name).join(', ')}.`
      : 'Nobody has labelled in it yet.',
  );
}
