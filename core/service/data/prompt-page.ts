// A page of the list of prompts: by what SQL can order at once, or by an order that is worked out beside and remembered
// until something changes.

import type { PromptList, PromptPage, PromptRow } from '#core/contract/prompts.ts';
import { aroundWord, countListed, listedIds, listedPrompts } from '#core/store/prompt-list.ts';
import type { ListedPrompt } from '#core/store/prompt-list.ts';
import type { Project } from '#core/store/project.ts';
import { versionOf } from '#core/store/samples.ts';
import { termsOf } from '#core/store/search.ts';
import { onceInBackground } from '#core/service/background.ts';
import { oneLine, titlesOf } from './prompt-titles.ts';
import { templatesOf } from './templates.ts';

/** Above so many prompts, ordering what no index orders takes longer than others may wait. */
const AT_ONCE = 300;
const TITLES_AT_ONCE = 500;
const byTitle = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** All ids that pass, in order. */
export function promptOrder(project: Project, { sort = 'id', descending = false, ...filter }: PromptList): number[] {
  if (sort !== 'title') return listedIds(project, filter, sort, descending);
  const ids = listedIds(project, filter, 'id', false);
  const templates = templatesOf(project);
  const titles: { id: number; title: string }[] = [];
  for (let at = 0; at < ids.length; at += TITLES_AT_ONCE) {
    const rows = listedPrompts(project, ids.slice(at, at + TITLES_AT_ONCE));
    const own = titlesOf(rows, templates);
    titles.push(...rows.map(({ id }, i) => ({ id, title: own[i]! })));
  }
  titles.sort((a, b) => byTitle.compare(a.title, b.title) || a.id - b.id);
  return (descending ? titles.toReversed() : titles).map(({ id }) => id);
}

const orders = new WeakMap<Project, { version: string; known: Map<string, Promise<number[]>> }>();

/** The same, worked out once for what the project holds now, and beside the service where it is long. */
function rememberedOrder(project: Project, wanted: PromptList, total: number): Promise<number[]> {
  const version = versionOf(project);
  let kept = orders.get(project);
  if (kept?.version !== version) orders.set(project, (kept = { version, known: new Map() }));
  const key = JSON.stringify(wanted);
  let order = kept.known.get(key);
  if (!order) {
    order =
      total <= AT_ONCE
        ? Promise.resolve(promptOrder(project, wanted))
        : onceInBackground('promptOrder', { project: project.folder, wanted });
    kept.known.set(key, order);
    order.catch(() => kept.known.delete(key));
  }
  return order;
}

export async function promptPage(
  project: Project,
  wanted: PromptList,
  offset: number,
  limit: number,
): Promise<PromptPage> {
  const { sort = 'id', descending = false, ...filter } = wanted;
  const total = countListed(project, filter);
  const ids =
    sort === 'id' || sort === 'split'
      ? listedIds(project, filter, sort, descending, offset, limit)
      : (await rememberedOrder(project, wanted, total)).slice(offset, offset + limit);
  const rows = listedPrompts(project, ids);
  const titles = titlesOf(rows, templatesOf(project));
  const terms = wanted.search === undefined ? [] : termsOf(wanted.search);
  return { total, rows: rows.map((row, i) => rowOf(project, row, titles[i]!, terms)), terms };
}

/** Where a search found a word outside the title, the words around it are shown too. */
function rowOf(
  project: Project,
  { id, split, source, completions, rankings }: ListedPrompt,
  title: string,
  terms: readonly string[],
): PromptRow {
  const hidden = terms.find((term) => !title.toLowerCase().includes(term.toLowerCase()));
  const around = hidden === undefined ? null : aroundWord(project, id, hidden);
  return {
    id,
    title,
    excerpt: around === null ? null : `…${oneLine(around.toWellFormed())}…`,
    split,
    source,
    completions,
    rankings,
  };
}
