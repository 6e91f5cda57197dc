// `tastemaker import rankings`: other people's rankings and preference pairs, all of a file or none of it.

import path from 'node:path';
import type { Labeler } from '#core/contract.ts';
import { readRankings } from '#core/formats/rankings.ts';
import type { RankingRow } from '#core/formats/rankings.ts';
import type { RowError } from '#core/formats/rows.ts';
import { listCompletions } from '#core/store/completions.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { transaction } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { addRankings, listRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { refuseBadRows } from './bad-rows.ts';
import { defineCommand, flag, list, readPairs, text } from './command.ts';
import { knownCompletions, promptIdsByText } from './known-texts.ts';
import type { KnownCompletions } from './known-texts.ts';
import { projectOption, withProject } from './project-option.ts';
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
  run: ({ words: [file], options }) => {
    const split = splitBy(options), map = readPairs(options.map, 'map');
    return withProject(options.project, { write: true }, (project) => transaction(project, () => {
      const { rankings, errors } = readRankings(file!, { map });
      const bad: RowError[] = [...errors], rows: NewRanking[] = [];
      const byText = promptIdsByText(project, rankings.flatMap((row) => (row.kind === 'texts' ? [row.prompt] : [])), path.basename(file!), options['add-prompts'] ? split : null);
      const known = knownCompletions(project);
      const checkIds = idChecker(project);
      const labelerId = labelersByName(project);
      const key = ({ promptId, labelerId: by, ranks }: Pick<NewRanking, 'promptId' | 'labelerId' | 'ranks'>) => JSON.stringify([promptId, by, ranks.map(({ completionId, rank }) => [completionId, rank]).sort((a, b) => a[0]! - b[0]!)]);
      const had = new Set(listRankings(project).map(key));
      let duplicates = 0;
      for (const row of rankings) {
        const problem = row.kind === 'ids' ? checkIds(row) : byText.has(row.prompt) ? null : 'The project does not have its prompt (--add-prompts adds it).';
        if (problem !== null) {
          bad.push({ line: row.line, message: problem });
          continue;
        }
        const ranking = toRanking(row, byText, known, labelerId(row.labeler ?? options.labeler));
        if (had.has(key(ranking))) duplicates++;
        else {
          had.add(key(ranking));
          rows.push(ranking);
        }
      }
      refuseBadRows(file!, bad, options['skip-bad']); // throws out of the transaction: completions and prompts added above vanish
      addRankings(project, rows);
      const data = { added: rows.length, duplicates, skipped: bad.length, completionsAdded: known.added() };
      return {
        data,
        lines: [`Added ${data.added} rankings from ${file} (and ${data.completionsAdded} completions they name); ${duplicates} were there already${bad.length ? `, ${bad.length} bad rows were left out` : ''}.`],
      };
    }));
  },
});

/** What is wrong with a row of ids, or null. */
function idChecker(project: Project): (row: RankingRow & { kind: 'ids' }) => string | null {
  const prompts = new Set(listPrompts(project).map(({ id }) => id));
  const promptOf = new Map(listCompletions(project).map(({ id, promptId }) => [id, promptId]));
  return ({ promptId, completionIds }) => {
    if (!prompts.has(promptId)) return `The project has no prompt ${promptId}.`;
    const unknown = completionIds.find((id) => !promptOf.has(id));
    if (unknown !== undefined) return `The project has no completion ${unknown}.`;
    const foreign = completionIds.find((id) => promptOf.get(id) !== promptId);
    return foreign === undefined ? null : `Completion ${foreign} belongs to prompt ${promptOf.get(foreign)}, not to prompt ${promptId}.`;
  };
}

/** A labeler the project knows keeps its kind; a new one is a person. */
function labelersByName(project: Project): (name: string) => number {
  const kinds = new Map<string, Labeler['kind']>(listLabelers(project).map(({ name, kind }) => [name, kind]));
  return (name) => ensureLabeler(project, name, kinds.get(name) ?? 'person').id;
}

function toRanking(row: RankingRow, prompts: ReadonlyMap<string, number>, known: KnownCompletions, labelerId: number): NewRanking {
  const promptId = row.kind === 'ids' ? row.promptId : prompts.get(row.prompt)!;
  const ids = row.kind === 'ids' ? row.completionIds : row.completions.map((completion) => known.ensure(promptId, completion));
  return { promptId, labelerId, status: 'ranked', ranks: ids.map((completionId, i) => ({ completionId, rank: row.ranks[i]! })), confidence: row.confidence, note: row.note };
}
