// What tells a prompt from others in a list: the part of it that is its own, in one line.
//
// The rule: of a conversation its last turn; of a text by a template that the project knows, or of lines with labels in
// capitals ("TITLE: …"), the field that names it (title, question and so on, else the first that is not empty); of any
// other
// text what comes after the words with which all shown texts of its file begin. Line ends and blanks in a row are one
// blank.

import { parseTemplate, readTemplate, TLDR_TEMPLATE } from '#core/formats/prompt-template.ts';
import type { Template } from '#core/formats/prompt-template.ts';
import type { ListedPrompt } from '#core/store/prompt-list.ts';

const NAMING = ['title', 'question', 'headline', 'subject', 'name', 'query', 'topic'];
const LONGEST = 300;
/** A beginning that is shorter is no boilerplate, and one that two texts share may be chance. */
const LEAST_LETTERS = 12;
const LEAST_TEXTS = 3;

export const oneLine = (text: string): string => text.replace(/\s+/gu, ' ').trim();
const brief = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST).toWellFormed()}…` : text);

/** The field by which a text of a template is known. */
function nameIn(fields: Readonly<Record<string, string>>): string | null {
  const filled = Object.entries(fields)
    .map(([name, value]) => [name.toLowerCase(), oneLine(value)] as const)
    .filter(([, value]) => value !== '');
  return (NAMING.map((name) => filled.find(([field]) => field === name)).find(Boolean) ?? filled[0])?.[1] ?? null;
}

const LABELLED = /^([A-Z][A-Z0-9 ;_-]{0,30}):(.*)$/gm;

/** What stands at the labels of a text whose first line has one, where there are several. */
function labelledFields(text: string): Record<string, string> | null {
  const found = [...text.matchAll(LABELLED)];
  return found.length > 1 && found[0]!.index === 0
    ? Object.fromEntries(found.toReversed().map((match) => [match[1]!, match[2]!]))
    : null;
}

/** Of so many of the texts at least. */
const MOST = 0.8;

/**
 * The template that nearly all these texts were put together by: one that the project knows, or lines with the same
 * labels; null where they are of many kinds.
 */
export function templateOf(texts: readonly string[], templates: readonly string[]): string | null {
  const isMost = (n: number) => n > 0 && n >= MOST * texts.length;
  const known = [...templates, TLDR_TEMPLATE].find((template) =>
    isMost(texts.filter((text) => readTemplate(parseTemplate(template), text)).length),
  );
  if (known !== undefined) return known;
  const labelled = texts
    .map((text) => [...text.matchAll(LABELLED)])
    .filter((lines, i) => lines.length > 1 && lines.length === texts[i]!.split('\n').length);
  const alike =
    [...Map.groupBy(labelled, (lines) => lines.map((match) => match[1]!).join('\n')).values()].toSorted(
      (a, b) => b.length - a.length,
    )[0] ?? [];
  if (!isMost(alike.length)) return null;
  const lines = alike[0]!.map(([, label], i) =>
    alike.every((one) => one[i]![2] === '') ? `${label}:` : `${label}: {${label!.toLowerCase()}}`,
  );
  return lines.some((line) => line.endsWith('}')) ? lines.join('\n') : null;
}

/** With how many letters all these texts begin, up to the end of a word; 0 where it would leave one of them empty. */
export function commonStart(texts: readonly string[]): number {
  if (texts.length < LEAST_TEXTS) return 0;
  const [first, ...others] = texts as [string, ...string[]];
  let length = first.length;
  for (const text of others) {
    let at = 0;
    while (at < length && text[at] === first[at]) at++;
    length = at;
  }
  const end = /^.*[\s:.,;!?/>)\]]/su.exec(first.slice(0, length))?.[0].length ?? 0;
  return end >= LEAST_LETTERS && texts.every((text) => text.slice(end).trim() !== '') ? end : 0;
}

/** `templates`: those that the project's prompts were imported with. */
export function titlesOf(
  rows: readonly Pick<ListedPrompt, 'text' | 'isCut' | 'isConversation' | 'source'>[],
  templates: readonly string[],
): string[] {
  const known: Template[] = [...templates, TLDR_TEMPLATE].map(parseTemplate);
  const named = rows.map(({ text, isCut, isConversation }) => {
    if (isConversation) return oneLine(text);
    for (const template of known) {
      const fields = readTemplate(template, text, { cut: isCut });
      if (fields) return nameIn(fields);
    }
    const fields = labelledFields(text);
    return fields && nameIn(fields);
  });
  const plain = Map.groupBy(
    [...rows.keys()].filter((i) => named[i] === null),
    (i) => rows[i]!.source,
  );
  const starts = new Map([...plain].map(([source, places]) => [source, commonStart(places.map((i) => rows[i]!.text))]));
  return rows.map(({ text, source }, i) => brief(named[i] ?? (oneLine(text.slice(starts.get(source) ?? 0)) || text)));
}
