// Taking rows of a file into a project: which are new, which it has already, which cannot be taken, and adding them.

import type { ImportKind, Labeler, Split } from '#core/contract.ts';
import type { CompletionRow } from '#core/formats/completions.ts';
import type { PromptRow } from '#core/formats/prompts.ts';
import type { RankingRow } from '#core/formats/rankings.ts';
import type { RowError } from '#core/formats/rows.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { noteAdded } from '#core/store/imported-rows.ts';
import type { Added } from '#core/store/imported-rows.ts';
import { addItem, itemOf } from '#core/store/items.ts';
import { ensureLabeler, listLabelers } from '#core/store/labelers.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { completionTexts, findPrompt, importPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRankings, listRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import type { ImportRow } from './import-rows.ts';

export interface ImportOptions {
  /** the split of a prompt that is added */
  split: (text: string) => Split;
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
  addPrompts: true, anyPolicy: false, labeler: 'imported',
  hints: { prompt: 'import its prompts first', policy: 'add the model first, or map "policy" to no column to take the rows without it' },
} as const satisfies Partial<ImportOptions>;

type Verdict = 'new' | 'duplicate' | { problem: string };

/** A completion that came from a file: it was not sampled here, so it has no tokens and no true sampling parameters (maxNew 0 says so). */
export const importedCompletion = (promptId: number, text: string, policyId: number | null): NewCompletion => ({
  promptId, policyId, text, tokenIds: [], logprobs: [], samplingLogprobs: [], finish: 'stop', sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 0, seed: 0 }, runId: null,
});

/** What the project holds, asked once for the rows at hand. */
function lookUp(project: Project) {
  const remember = <K, V>(ask: (key: K) => V) => {
    const known = new Map<K, V>();
    return (key: K): V => {
      if (!known.has(key)) known.set(key, ask(key));
      return known.get(key)!;
    };
  };
  const policies = new Map(listPolicies(project).map(({ name, id }) => [name, id]));
  const labelers = new Map<string, Labeler>(listLabelers(project).map((labeler) => [labeler.name, labeler]));
  const completions = remember((promptId: number) => completionTexts(project, promptId));
  return {
    prompt: remember((text: string) => findPrompt(project, text)),
    completions,
    /** the first of equal texts counts */
    completionId: (promptId: number, text: string) => completions(promptId).find((completion) => completion.text === text)?.id,
    rankings: remember((promptId: number) => new Set(listRankings(project, { promptIds: [promptId] }).map(({ labelerId, ranks }) => rankingKey(labelerId, ranks)))),
    policyId: (name: string) => policies.get(name),
    labeler: (name: string) => labelers.get(name),
  };
}
type LookUp = ReturnType<typeof lookUp>;

const rankingKey = (labelerId: number, ranks: readonly { completionId: number; rank: number }[]) =>
  JSON.stringify([labelerId, ranks.map(({ completionId, rank }) => [completionId, rank]).sort((a, b) => a[0]! - b[0]!)]);

const JUDGES: { [K in ImportKind]: (row: never, know: LookUp, options: ImportOptions, project: Project) => { problem: string | null; known: boolean; key: string } } = {
  prompts: ({ text }: PromptRow, know) => ({ problem: null, known: know.prompt(text) !== undefined, key: text }),
  completions: ({ prompt, completion, policy }: CompletionRow, know, { addPrompts, anyPolicy, hints }) => {
    const promptId = know.prompt(prompt), policyId = policy === null ? null : know.policyId(policy);
    const problem = promptId === undefined && !addPrompts ? `The project does not have its prompt (${hints.prompt}).`
      : policyId === undefined && !anyPolicy ? `The project has no policy "${policy}" (${hints.policy}).` : null;
    const known = promptId !== undefined && know.completions(promptId).some((one) => one.text === completion && one.policyId === (policyId ?? null));
    return { problem, known, key: JSON.stringify([prompt, policyId ?? null, completion]) };
  },
  rankings: (row: RankingRow, know, { addPrompts, labeler, hints }, project) => {
    const name = row.labeler ?? labeler, labelerId = know.labeler(name)?.id;
    const promptId = row.kind === 'ids' ? row.promptId : know.prompt(row.prompt);
    let problem: string | null = null;
    if (row.kind === 'ids') problem = problemOfIds(row, know, project);
    else if (promptId === undefined && !addPrompts) problem = `The project does not have its prompt (${hints.prompt}).`;
    const ids = row.kind === 'ids' ? row.completionIds : promptId === undefined ? [] : row.completions.map((text) => know.completionId(promptId, text));
    const known = problem === null && promptId !== undefined && labelerId !== undefined && ids.every((id) => id !== undefined)
      && know.rankings(promptId).has(rankingKey(labelerId, ids.map((completionId, i) => ({ completionId: completionId!, rank: row.ranks[i]! }))));
    const named = row.kind === 'ids' ? row.completionIds : row.completions;
    return { problem, known, key: JSON.stringify([row.kind === 'ids' ? row.promptId : row.prompt, name, named.map((one, i) => [one, row.ranks[i]]).sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))]) };
  },
};

/** What is wrong with a ranking that names the project's own numbers, or null. */
function problemOfIds({ promptId, completionIds }: RankingRow & { kind: 'ids' }, know: LookUp, project: Project): string | null {
  const own = new Set(know.completions(promptId).map(({ id }) => id));
  const foreign = completionIds.filter((id) => !own.has(id));
  if (foreign.length === 0) return null;
  if (listPrompts(project, { ids: [promptId] }).length === 0) return `The project has no prompt ${promptId}.`;
  const owners = new Map(listCompletions(project, { ids: foreign }).map((completion) => [completion.id, completion.promptId]));
  const unknown = foreign.find((id) => !owners.has(id));
  return unknown !== undefined ? `The project has no completion ${unknown}.` : `Completion ${foreign[0]} belongs to prompt ${owners.get(foreign[0]!)}, not to prompt ${promptId}.`;
}

export interface Importer {
  /** What would become of each row; changes nothing, and remembers the row, so that its like is a duplicate. */
  judge(rows: readonly ImportRow[]): Verdict[];
  /** Adds the rows that are new, in one transaction. */
  add(rows: readonly ImportRow[]): void;
  counts: { added: number; duplicates: number; completionsAdded: number };
  /** rows that could not be taken */
  errors: RowError[];
  /** what was added, for `takeBack` and `recordImport` */
  added: Added[];
}

/** Takes rows of one kind into the project, a part at a time. */
export function createImporter(project: Project, kind: ImportKind, options: ImportOptions): Importer {
  const seen = new Set<string>();
  const counts = { added: 0, duplicates: 0, completionsAdded: 0 };
  const errors: RowError[] = [], added: Added[] = [];
  const judgeWith = (rows: readonly ImportRow[], know: LookUp): Verdict[] => rows.map((row) => {
    const { problem, known, key } = JUDGES[kind](row as never, know, options, project);
    if (problem !== null) return { problem };
    if (known || seen.has(key)) return 'duplicate';
    seen.add(key);
    return 'new';
  });
  return {
    counts, errors, added,
    judge: (rows) => judgeWith(rows, lookUp(project)),
    add: (rows) => {
      const ranges = noteAdded(project, () => {
        const know = lookUp(project);
        const fresh: ImportRow[] = [];
        judgeWith(rows, know).forEach((verdict, i) => {
          const row = rows[i]!;
          if (verdict === 'new') fresh.push(row);
          else if (verdict === 'duplicate') counts.duplicates++;
          else errors.push({ line: 'line' in row ? row.line : 0, message: verdict.problem });
        });
        counts.added += fresh.length;
        if (fresh.length > 0) counts.completionsAdded += WRITERS[kind](project, fresh as never, know, options);
      });
      added.push(...ranges);
    },
  };
}

/** Each adds its rows and returns how many completions that made. */
const WRITERS: { [K in ImportKind]: (project: Project, rows: never, know: LookUp, options: ImportOptions) => number } = {
  prompts: (project, rows: PromptRow[], _know, { split }) => {
    importPrompts(project, rows.map((row) => ({ ...row, split: split(row.text) })));
    return 0;
  },
  completions: (project, rows: CompletionRow[], know, options) => {
    const ids = promptIds(project, rows.map(({ prompt }) => prompt), options);
    return addCompletions(project, rows.map(({ completion, policy }, i) => importedCompletion(ids[i]!, completion, (policy === null ? null : know.policyId(policy)) ?? null))).length;
  },
  rankings: (project, rows: RankingRow[], know, options) => {
    const texts = rows.flatMap((row) => (row.kind === 'texts' ? [row.prompt] : []));
    const ids = new Map(promptIds(project, texts, options).map((id, i) => [texts[i]!, id]));
    const promptOf = (row: RankingRow) => (row.kind === 'ids' ? row.promptId : ids.get(row.prompt)!);
    // all missing completions at once: the full-text index is flushed at every statement
    const missing = new Map<string, NewCompletion>(), key = (promptId: number, text: string) => `${promptId}/${text}`;
    for (const row of rows)
      for (const text of row.kind === 'texts' ? row.completions : [])
        if (know.completionId(promptOf(row), text) === undefined) missing.set(key(promptOf(row), text), importedCompletion(promptOf(row), text, null));
    const newIds = addCompletions(project, [...missing.values()]);
    const made = new Map([...missing.keys()].map((name, i) => [name, newIds[i]!]));
    const rankings = rows.map((row): NewRanking => {
      const promptId = promptOf(row), name = row.labeler ?? options.labeler;
      const completionIds = row.kind === 'ids' ? row.completionIds : row.completions.map((text) => made.get(key(promptId, text)) ?? know.completionId(promptId, text)!);
      const itemId = itemOf(project, completionIds) ?? (completionIds.length <= 9 ? addItem(project, { promptId, completionIds, source: 'import' }) : null);
      const labelerId = ensureLabeler(project, name, know.labeler(name)?.kind ?? 'person').id; // one the project knows keeps its kind; a new one is a person
      return { promptId, labelerId, itemId, status: 'ranked', ranks: completionIds.map((completionId, i) => ({ completionId, rank: row.ranks[i]! })), confidence: row.confidence, note: row.note };
    });
    addRankings(project, rankings, { events: false });
    return newIds.length;
  },
};

/** Ids of the prompts of these texts, added where the project lacks them. */
const promptIds = (project: Project, texts: readonly string[], { split, source }: ImportOptions): number[] =>
  importPrompts(project, texts.map((text) => ({ text, split: split(text), source }))).ids;
