// What an export asks and says: the formats in groups, which questions a format has, the file's name and place.

import type { Arguments } from '#core/contract/calls.ts';
import type { DataFormat } from '#core/contract/data.ts';
import type { Split } from '#core/contract/prompts.ts';
import type { FormatGroup } from '#renderer/components/format-group.ts';

export type Pairs = 'all' | 'best-worst' | 'neighbours';
/** What the dialog's controls say. */
export interface ExportChoices {
  split: Split | '';
  /** labelers that are left out */
  without: readonly number[];
  pairs: Pairs;
  repeats: boolean;
  flagged: boolean;
  modelId: number | null;
  queryLength: number;
  responseLength: number;
  responses: number;
}

export const PAIRS: Readonly<Record<Pairs, string>> = {
  all: 'every pair',
  'best-worst': 'the best against the worst',
  neighbours: 'each rank against the next',
};

const GROUPS: readonly { of: DataFormat['of']; title: string }[] = [
  { of: 'rankings', title: 'Rankings, ratings, marks' },
  { of: 'pairs', title: 'Pairs of chosen and rejected' },
  { of: 'rows', title: 'Prompts and completions' },
];
export const groupsOf = (formats: readonly DataFormat[]): FormatGroup[] =>
  GROUPS.map(({ of, title }) => ({
    title,
    items: formats.filter((format) => format.of === of).map(({ name, title: called }) => ({ name, title: called })),
  })).filter(({ items }) => items.length > 0);

/** "tiny-tldr-trl-explicit.jsonl" */
export const fileNameFor = (project: string, { name, container }: Pick<DataFormat, 'name' | 'container'>): string =>
  `${project.replace(/[^\p{L}\p{N}._-]+/gu, '-').replace(/^[.-]+/, '') || 'data'}-${name}.${container}`;

/** A file in a folder, by the separator that the folder has. */
export function fileIn(folder: string, name: string): string {
  const separator = folder.includes('\\') && !folder.includes('/') ? '\\' : '/';
  return `${folder.replace(/[/\\]+$/, '')}${separator}${name}`;
}

/** The options of the call: what the format does not ask is left out. `labelerIds` are all there are. */
export function optionsFor(
  { of, needsTokenizer }: Pick<DataFormat, 'of' | 'needsTokenizer'>,
  choices: ExportChoices,
  labelerIds: readonly number[],
): Arguments<'data.export'>['options'] {
  const judged = of !== 'rows';
  const kept = labelerIds.filter((id) => !choices.without.includes(id));
  return {
    ...(choices.split && { split: choices.split }),
    ...(judged && kept.length < labelerIds.length && { labelerIds: kept }),
    ...(judged && choices.repeats && { repeats: true }),
    ...(judged && choices.flagged && { flagged: true }),
    ...(of === 'pairs' && { pairs: choices.pairs }),
    ...(needsTokenizer && {
      ...(choices.modelId !== null && { modelId: choices.modelId }),
      queryLength: choices.queryLength,
      responseLength: choices.responseLength,
      responses: choices.responses,
    }),
  };
}
