// Taking rows of a file into a project: which are new, which it has already, which cannot be taken, and adding them.

import { createHash } from 'node:crypto';
import type { ImportKind, ImportResult } from '#core/contract/data.ts';
import type { Message, Split } from '#core/contract/prompts.ts';
import type { CompletionRow } from '#core/formats/completions.ts';
import type { PreferenceRow } from '#core/formats/preferences/format.ts';
import type { PromptRow } from '#core/formats/prompts.ts';
import { countBad, noteBad, unlistedNotes } from '#core/formats/rows.ts';
import type { BadRows, RowError } from '#core/formats/rows.ts';
import { addCompletions } from '#core/store/completions.ts';
import { beginImport } from '#core/store/imported-rows.ts';
import type { Added, ImportJournal } from '#core/store/imported-rows.ts';
import type { Project } from '#core/store/project.ts';
import { importPrompts } from '#core/store/prompts.ts';
import { judgeRow, writeRows } from './import-preferences.ts';
import type { SeenRatings } from './import-preferences.ts';
import type { ImportRow } from './import-rows.ts';
import { importedCompletion } from './imported-completion.ts';
import { countSpellings, spellingNotes } from './import-spellings.ts';
import { watchKeptSplits } from './kept-splits.ts';
import { lookUp } from './known-rows.ts';
import type { LookUp } from './known-rows.ts';

export interface ImportOptions {
  /** the split of a prompt that is added, where the project has no other spelling of it; `own` is what its row says */
  split: (text: string, messages: Message[] | null, own: Split | null) => Split;
  /** the split that a person or the row itself names; null where it is left to the text's hash */
  named: (own: Split | null) => Split | null;
  /** add the prompts that completions and rankings name and the project lacks */
  addPrompts: boolean;
  /** take completions of unknown policies without their policy */
  anyPolicy: boolean;
  /** whose the rankings without a labeler are */
  labeler: string;
  /** what the source of added prompts is called: the file's name */
  source: string;
  /** what to do about a prompt or policy that the project lacks, in words of the place where the person is */
  hints: { prompt: string; policy: string };
}

/** How the window imports: what is missing is added, what is unknown is an error that the map can answer. */
export const WINDOW_IMPORT = {
  addPrompts: true,
  anyPolicy: false,
  labeler: 'imported',
  hints: {
    prompt: 'import its prompts first',
    policy: 'add the model first, or map "policy" to no column to take the rows without it',
  },
} as const satisfies Partial<ImportOptions>;

type Verdict = 'new' | 'duplicate' | { problem: string };
/** `key` is the same for rows that say the same; `tied`: equal texts have different ranks in it, and get one. */
export interface Judgement {
  problem: string | null;
  known: boolean;
  key: string;
  tied?: boolean;
}

/** What judging a row depends on. */
interface Court {
  know: LookUp;
  options: ImportOptions;
  project: Project;
  seen: SeenRatings;
}

const JUDGES: { [K in ImportKind]: (row: never, court: Court) => Judgement } = {
  prompts: ({ text, messages }: PromptRow, { know }) => ({
    problem: null,
    known: know.prompt(text, messages) !== undefined,
    key: JSON.stringify([text, messages]),
  }),
  completions: (
    { prompt, messages, completion, policy }: CompletionRow,
    { know, options: { addPrompts, anyPolicy, hints } },
  ) => {
    const promptId = know.prompt(prompt, messages);
    const policyId = policy === null ? null : know.policyId(policy);
    const problem =
      promptId === undefined && !addPrompts
        ? `The project does not have its prompt (${hints.prompt}).`
        : policyId === undefined && !anyPolicy
          ? `The project has no policy "${policy}" (${hints.policy}).`
          : null;
    const known =
      promptId !== undefined &&
      know
        .completions(promptId)
        .some(
          (one) =>
            one.text === completion &&
            one.policyId === (policyId ?? null) &&
            (one.policyId !== null || one.writer === policy),
        );
    return { problem, known, key: JSON.stringify([prompt, messages, policy, completion]) };
  },
  rankings: (row: PreferenceRow, { know, options, project, seen }) => judgeRow(row, know, options, project, seen),
};

export interface Importer {
  /** What would become of each row; changes nothing, and remembers the row, so that its like is a duplicate. */
  judge(rows: readonly ImportRow[]): Verdict[];
  /** Adds the rows that are new, in one transaction with the note of what it added. */
  add(rows: readonly ImportRow[]): void;
  /** All is in: the id of the event that undoes it, null where nothing was added. */
  finish(): number | null;
  /**
   * Takes everything away again, a few rows at each step; returns how many rows stay because they are needed by now.
   */
  takeBack(): Generator<void, number>;
  counts: { added: number; duplicates: number };
  /** rows that could not be taken, the first of them */
  errors: RowError[];
  /** how many could not */
  bad(): number;
  /**
   * What is to be said of what is new: prompts that differ only in their spelling from another, equal answers ranked
   * apart.
   */
  notes(): string[];
  /** how much of what was added */
  made(): NonNullable<ImportResult['made']>;
}

const tieNotes = (rows: number): string[] =>
  rows === 0
    ? []
    : [
        `${rows === 1 ? '1 ranking gives' : `${rows.toLocaleString('en')} rankings give`} equal texts different ranks: they are one answer, and are taken as tied with the best of their ranks.`,
      ];

/** Takes rows of one kind into the project, a part at a time. */
export function createImporter(project: Project, kind: ImportKind, options: ImportOptions): Importer {
  const seen = new Set<string>();
  const ratings: SeenRatings = new Map();
  const counts = { added: 0, duplicates: 0 };
  const spellings = countSpellings();
  const kept = watchKeptSplits(project, options.named);
  let settled = 0;
  let ties = 0;
  const bad: BadRows = { errors: [] };
  let journal: ImportJournal | null = null;
  const judgeWith = (rows: readonly ImportRow[], know: LookUp): Verdict[] =>
    rows.map((row) => {
      const {
        problem,
        known,
        key,
        tied = false,
      } = JUDGES[kind](row as never, { know, options, project, seen: ratings });
      if (problem !== null) return { problem };
      const digest = createHash('sha256').update(key).digest('base64'); // a key holds whole texts
      if (known || seen.has(digest)) return 'duplicate';
      seen.add(digest);
      spellings.see(row, know);
      ties += Number(tied);
      return 'new';
    });
  const madeOf = (table: Added['table']) =>
    (journal?.added ?? [])
      .filter((range) => range.table === table)
      .reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return {
    counts,
    errors: bad.errors,
    bad: () => countBad(bad),
    finish: () => journal?.finish() ?? null,
    *takeBack() {
      return journal ? yield* journal.takeBack() : 0;
    },
    notes: () => [
      ...unlistedNotes(bad),
      ...spellingNotes(spellings.alike(), settled),
      ...kept.notes(),
      ...tieNotes(ties),
    ],
    made: () => ({
      prompts: madeOf('prompts'),
      completions: madeOf('completions'),
      rankings: madeOf('rankings'),
      ratings: madeOf('ratings'),
      marks: madeOf('marks'),
    }),
    judge: (rows) => judgeWith(rows, lookUp(project)),
    add: (rows) => {
      (journal ??= beginImport(project, options.source)).part(() => {
        const know = lookUp(project);
        const fresh: ImportRow[] = [];
        rows.forEach((row) => kept.see(row, know));
        judgeWith(rows, know).forEach((verdict, i) => {
          const row = rows[i]!;
          if (verdict === 'new') fresh.push(row);
          else if (verdict === 'duplicate') counts.duplicates++;
          else noteBad(bad, { line: 'line' in row ? row.line : 0, message: verdict.problem });
        });
        counts.added += fresh.length;
        if (fresh.length > 0) settled += WRITERS[kind](project, fresh as never, know, options);
      });
    },
  };
}

/**
 * Each adds its rows, and says how many new prompts went to the split of another spelling of theirs instead of to their
 * own.
 */
const WRITERS: { [K in ImportKind]: (project: Project, rows: never, know: LookUp, options: ImportOptions) => number } =
  {
    prompts: (project, rows: PromptRow[], _know, { split }) =>
      importPrompts(
        project,
        rows.map((row) => ({ ...row, split: split(row.text, row.messages, row.split) })),
      ).settled,
    completions: (project, rows: CompletionRow[], know, { split, source }) => {
      const { ids, settled } = importPrompts(
        project,
        rows.map(({ prompt: text, messages, split: own }) => ({
          text,
          messages,
          split: split(text, messages, own),
          source,
        })),
      );
      addCompletions(
        project,
        rows.map(({ completion, policy }, i) =>
          importedCompletion(ids[i]!, completion, (policy === null ? null : know.policyId(policy)) ?? null, policy),
        ),
      );
      return settled;
    },
    rankings: writeRows,
  };
