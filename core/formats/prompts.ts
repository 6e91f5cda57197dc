// Prompts from other people's files: rows with a prompt, conversations, Reddit TL;DR posts, SciTLDR papers, tables,
// plain lines; and their truncation.
import path from 'node:path';
import { delimiterOf, firstLine, headerOf, refuseWide } from './csv.ts';
import { readUtf8 } from './file-access.ts';
import { eachLine } from './jsonl.ts';
import { isParquet } from './parquet.ts';
import { checkAgrees, SYSTEM_COLUMNS, withSystem } from './preferences/prompt-part.ts';
import { conversationText, isMessageList, messageOf, messagesOf } from './preferences/conversation.ts';
import { carriedExtra, splitOf, watchSplits } from './preferences/format.ts';
import type { Message, Preference } from './preferences/preference.ts';
import { checkColumns, fillTemplate, parseTemplate, readTemplate, TLDR_TEMPLATE } from './prompt-template.ts';
import type { Template } from './prompt-template.ts';
import { eachRow } from './row-source.ts';
import {
  asRow,
  badRow,
  collect,
  isRow,
  isText,
  joinBad,
  LONGEST_TEXT,
  noteBad,
  optionalText,
  refuseHopeless,
  requiredText,
  tooLong,
  unlistedNotes,
} from './rows.ts';
import type { BadRows, Row, Rows } from './rows.ts';
import { watchColumns } from './unused-columns.ts';
import { TastemakerError } from '#core/errors.ts';

export interface PromptRow {
  /** of a conversation, what stands for it where only text can */
  text: string;
  messages: Message[] | null;
  /** a person's answer, where the file has one */
  reference: string | null;
  /** the row's own "source", or the file's name */
  source: string;
  /** the split that the row names */
  split: Preference['split'];
  /** fields of the file that the row came from before, as our own files keep them */
  extra: Preference['extra'] | null;
}

/** Which column holds which of a prompt's fields. */
export type PromptMap = { text: string; reference?: string; source?: string };
export interface TldrPost {
  subreddit: string;
  title: string;
  post: string;
}

const TLDR = parseTemplate(TLDR_TEMPLATE);
/** The prompt of a Reddit post. */
export const tldrPrompt = ({ subreddit, title, post }: TldrPost): string =>
  fillTemplate(TLDR, { subreddit, title, post });

/** The post that `tldrPrompt` made a prompt of, or null for any other text. */
export const parseTldrPrompt = (text: string): TldrPost | null => readTemplate(TLDR, text) as TldrPost | null;

/**
 * The prompt of a post that is cut until `lengthOf` (tokens) is at most `limit`: everything from its last line break
 * goes,
 * or where none is left, one character at a time; subreddit, title and "TL;DR:" are never touched (20:tasks.py
 * process_query). Throws 'too-long' when even an empty post does not fit.
 */
export async function truncatePost(
  { subreddit, title, post }: TldrPost,
  limit: number,
  lengthOf: (text: string) => number | Promise<number>,
): Promise<string> {
  for (;;) {
    const text = tldrPrompt({ subreddit, title, post });
    const excess = (await lengthOf(text)) - limit;
    if (excess <= 0) return text;
    if (post === '')
      throw new TastemakerError(
        'too-long',
        `The prompt is ${excess} ${excess === 1 ? 'token' : 'tokens'} longer than ${limit} even without its post.`,
        'Shorten its title, or use a model with a longer context.',
      );
    const newline = post.lastIndexOf('\n');
    // A character has at most 4 bytes, so hardly ever more than 4 tokens: far from the limit, 1 character for every 8
    // tokens
    // too many cannot overshoot, and saves encoding a long line once for each of its characters.
    let end = newline >= 0 ? newline : post.length - Math.max(1, Math.floor(excess / 8));
    end = Math.max(0, end);
    const unit = post.charCodeAt(end);
    if (unit >= 0xdc00 && unit < 0xe000 && end > 0) end--; // never half a surrogate pair
    post = post.slice(0, end);
  }
}

interface RowFormat {
  fits: (row: Row) => boolean;
  /** the columns that it may use */
  uses: readonly string[];
  read: (row: Row) => { text: string; messages?: Message[]; reference: string | null };
}

/** The first of these columns that holds text; a list (several references) gives its first. */
function firstText(row: Row, columns: readonly string[]): string | null {
  for (const column of columns) {
    const value = Array.isArray(row[column]) ? row[column][0] : row[column];
    if (isText(value) && value.trim() !== '') return value;
  }
  return null;
}

export const promptColumns = ['prompt', 'text', 'query'];
export const referenceColumns = ['reference', 'completion', 'target', 'summary'];

const isConversation = (row: Row) => isMessageList(row['messages']) || isMessageList(row['prompt']);

/**
 * A prompt as text or as messages, whichever the row has: our own files mix them. A conversation that ends with an
 * answer has its reference there.
 */
function readPrompt(row: Row): ReturnType<RowFormat['read']> {
  if (!isConversation(row))
    return {
      text: requiredText(row, promptColumns.find((column) => column in row) ?? 'prompt'),
      reference: firstText(row, referenceColumns),
    };
  const all = isMessageList(row['messages'])
    ? messagesOf(row['messages'], 'messages')
    : messagesOf(row['prompt'], 'prompt');
  const last = all.at(-1)!;
  const isAnswered = last.role === 'assistant';
  const messages = isAnswered ? all.slice(0, -1) : all;
  if (messages.length === 0) throw badRow('The conversation is an answer without a question.');
  if (isText(row['prompt']) && isMessageList(row['messages']))
    checkAgrees(row['prompt'], messages, 'the conversation in "messages"');
  const { completion } = row;
  const answer =
    isMessageList(completion) && completion.length === 1
      ? messageOf(completion[0], '"completion"').content
      : firstText(row, referenceColumns);
  return { text: conversationText(messages), messages, reference: isAnswered ? last.content : answer };
}

/** In the order they are tried on the first row; the name is what `readPrompts` reports. */
const rowFormats: Record<string, RowFormat> = {
  messages: { fits: isConversation, uses: ['messages', 'prompt', ...referenceColumns], read: readPrompt },
  prompt: {
    uses: ['messages', ...promptColumns, ...referenceColumns],
    fits: (row) => promptColumns.some((column) => column in row),
    read: readPrompt,
  },
  tldr: {
    uses: ['subreddit', 'title', 'post', ...referenceColumns],
    fits: (row) => 'subreddit' in row && 'title' in row && 'post' in row,
    read: (row) => ({
      text: tldrPrompt({
        subreddit: requiredText(row, 'subreddit'),
        title: optionalText(row, 'title') ?? '',
        post: requiredText(row, 'post'),
      }),
      reference: firstText(row, referenceColumns),
    }),
  },
  scitldr: {
    uses: ['target'],
    fits: (row) => Array.isArray(row['source']) && 'target' in row,
    read: (row) => {
      const { source } = row;
      if (!Array.isArray(source) || source.length === 0 || !source.every(isText))
        throw badRow('"source" is not a list of sentences.');
      return { text: source.join(' ') + '\n\nTL;DR:', reference: firstText(row, ['target']) };
    },
  },
};

const fieldAliases: Record<string, keyof PromptMap> = {
  text: 'text',
  prompt: 'text',
  reference: 'reference',
  completion: 'reference',
  target: 'reference',
  source: 'source',
};

type NamedFormat = RowFormat & { source: string | null };

function columnsOf(map: Record<string, string>): Partial<PromptMap> {
  const columns: Partial<PromptMap> = {};
  for (const [field, column] of Object.entries(map)) {
    const known = Object.hasOwn(fieldAliases, field) ? fieldAliases[field] : undefined;
    if (!known)
      throw new TastemakerError(
        'bad-argument',
        `A prompt has no field ${JSON.stringify(field)}.`,
        'The fields are text, reference and source.',
        'Map one to a column, such as text=question.',
      );
    columns[known] = column;
  }
  return columns;
}

function mappedFormat(map: Record<string, string>): NamedFormat {
  const { text, reference, source } = columnsOf(map);
  if (text === undefined)
    throw new TastemakerError(
      'bad-argument',
      'The map names no column for the text of the prompt.',
      'Say which column holds the text.',
      'Add text=COLUMN.',
    );
  return {
    fits: (row) => text in row,
    uses: [text, reference, source].filter((column) => column !== undefined),
    read: (row) => ({
      text: requiredText(row, text),
      reference: reference === undefined ? null : firstText(row, [reference]),
    }),
    source: source ?? null,
  };
}

/**
 * Rows of which a template makes the prompts; a reference is looked for as in other rows, among the columns that it
 * leaves.
 */
function templateFormat(template: Template, map: Record<string, string>): NamedFormat {
  const { reference, source } = columnsOf(map);
  const references =
    reference === undefined ? referenceColumns.filter((column) => !template.fields.includes(column)) : [reference];
  return {
    fits: (row) => template.fields.some((field) => field in row),
    uses: [...template.fields, ...references, ...(source === undefined ? [] : [source])],
    read: (row) => ({ text: fillTemplate(template, row), reference: firstText(row, references) }),
    source: source ?? null,
  };
}

type Container = 'rows' | 'csv' | 'text';
const containers: Record<string, Container> = {
  '.txt': 'text',
  '': 'text',
  '.jsonl': 'rows',
  '.ndjson': 'rows',
  '.json': 'rows',
  '.csv': 'csv',
  '.tsv': 'csv',
};

/**
 * A first line that is a JSON object decides, then the ending, then a header with a column we know; null for what is
 * none of these.
 */
function containerOf(file: string, start: string, map: Record<string, string> | undefined): Container | null {
  if (start.startsWith('{')) {
    try {
      if (isRow(JSON.parse(start))) return 'rows';
    } catch {
      /* text that happens to start with a brace, or a broken row: the ending decides */
    }
  }
  const ending = path.extname(file).toLowerCase();
  const known = Object.hasOwn(containers, ending) ? containers[ending]! : null;
  if (known && ending !== '') return known;
  const header = start.split(delimiterOf(start)).map((name) => name.trim().replace(/^"(.*)"$/, '$1'));
  const wanted = map ? Object.values(map) : [...promptColumns, 'subreddit'];
  return header.some((name) => wanted.includes(name)) ? 'csv' : known;
}

const namedAfter = (columns: readonly string[]) => Object.fromEntries(columns.map((column) => [column, column]));

/**
 * The columns of a file: a table's header, or the fields of the first 100 rows; none for plain lines. `wanted` columns
 * tell a table whose ending says nothing.
 */
export async function readColumns(file: string, wanted?: readonly string[]): Promise<string[]> {
  const start = isParquet(file) ? '' : startOf(file);
  const container = isParquet(file) ? 'rows' : containerOf(file, start, wanted && namedAfter(wanted));
  if (container === 'text') return [];
  if (container === 'csv') {
    const header = headerOf(start);
    refuseWide(file, header.length);
    return header;
  }
  const columns = new Set<string>();
  let rows = 0;
  await eachRow(file, (row) => {
    if (isRow(row)) for (const column of Object.keys(row)) columns.add(column);
    refuseWide(file, columns.size);
    return ++rows < 100;
  });
  return [...columns];
}

function nothingFits(file: string, why: string): TastemakerError {
  const shapes =
    'JSON lines of {"prompt"}, {"messages": [{"role", "content"}]}, {"subreddit", "title", "post"} or {"source": [sentences], "target": [summaries]}, a table (.csv) with a prompt or text column, or a .txt file with one prompt a line';
  return new TastemakerError(
    'bad-data',
    `No prompt was found in ${file} (${why}); what works is ${shapes}.`,
    'Say which column holds the prompts, or save the file in one of these shapes.',
    'The column is named with --map text=COLUMN.',
  );
}

/** The first line with something on it; '' for a file without one. */
function startOf(file: string): string {
  let start = '';
  eachLine(file, ({ bytes }) => {
    start = firstLine(new TextDecoder().decode(bytes));
    return start === '';
  });
  return start;
}

export interface ReadPrompts extends BadRows {
  prompts: PromptRow[];
  /** what the file was taken for */
  format: string;
  /** what is to be said of the file as a whole */
  notes: string[];
}

/**
 * Reads prompts and says in `format` what it took the file for: prompt, messages, tldr, scitldr, mapped or template (of
 * JSON, a table, named "csv prompt" and so on, or Parquet), or text, one prompt a line. `map` names the columns where
 * they
 * have other names; `template` makes the text of several. A system message in a column of its own makes a conversation.
 * A bad row is left out and named by its
 * line. Throws 'bad-file' for an empty file, 'bad-data' where nothing fits.
 */
export async function readPrompts(
  file: string,
  { map, template: given }: { map?: Record<string, string> | undefined; template?: string | undefined } = {},
): Promise<ReadPrompts> {
  const template = given === undefined ? null : parseTemplate(given);
  if (template) checkColumns(template, await readColumns(file, template.fields));
  const mapped = template ? templateFormat(template, map ?? {}) : map && mappedFormat(map);
  const name = path.basename(file);
  const isRows = isParquet(file);
  const start = isRows ? '' : startOf(file);
  if (start === '' && !isRows)
    throw new TastemakerError(
      'bad-file',
      `${file} is empty.`,
      'Give it one prompt a line, or rows such as {"prompt": "…"}.',
    );
  const container = isRows ? 'rows' : containerOf(file, start, template ? namedAfter(template.fields) : map);
  if (!container) throw nothingFits(file, `its ending is ${path.extname(file)}`);
  if (container === 'text') {
    const read: Rows<PromptRow> = { rows: [], errors: [] };
    for (const [i, text] of readUtf8(file)
      .split(/\r\n|\n|\r/)
      .entries()) {
      if (text.length > LONGEST_TEXT) noteBad(read, { line: i + 1, message: tooLong(text.length).message });
      else if (text.trim() !== '')
        read.rows.push({ text, messages: null, reference: null, source: name, split: null, extra: null });
    }
    return { prompts: read.rows, ...joinBad(read), format: 'text', notes: unlistedNotes(read) };
  }

  let chosen: [name: string, format: RowFormat] | undefined = mapped && [template ? 'template' : 'mapped', mapped];
  const columns = watchColumns();
  const splits = watchSplits();
  const check = (value: unknown): PromptRow => {
    const row = asRow(value);
    chosen ??= Object.entries(rowFormats).find(([, format]) => format.fits(row));
    if (!chosen) throw badRow(`None of the columns ${columnList(row)} is known to hold a prompt.`);
    if (mapped && !mapped.fits(row))
      throw badRow(
        `${template ? 'No column of the template' : 'The column for the text'} is ${template ? '' : 'not '}among ${columnList(row)}.`,
      );
    const source = row[mapped?.source ?? 'source'];
    const { text, messages = null, reference } = chosen[1].read(row);
    const asked = withSystem({ prompt: text, messages }, row);
    columns.see(row, [...chosen[1].uses, ...SYSTEM_COLUMNS, ...ALWAYS_USED]);
    splits.see(row['split']);
    return {
      text: asked.prompt,
      messages: asked.messages,
      reference,
      source: isText(source) && source !== '' ? source : name,
      split: splitOf(row['split']),
      extra: isRow(row['extra']) || isText(row['extra_json']) ? carriedExtra(row) : null,
    };
  };
  const found: Rows<PromptRow> = { rows: [], errors: [] };
  let isTable = false;
  const bad = await eachRow(file, (row, line, kind) => {
    isTable = kind === 'table';
    collect(found, line, () => check(row));
    refuseHopeless(file, found, found.rows.length);
  });
  const all = joinBad(found, bad);
  const [first] = all.errors;
  if (!chosen)
    throw nothingFits(file, first ? `line ${first.line}: ${first.message.replace(/\.$/, '')}` : 'it has no rows');
  return {
    prompts: found.rows,
    ...all,
    format: isTable ? `csv ${chosen[0]}` : chosen[0],
    notes: [...unlistedNotes(all), ...splits.notes(), ...columns.notes()],
  };
}

/** Columns of every shape, and what our own exports write besides. */
const ALWAYS_USED = ['source', 'split', 'extra', 'extra_json', 'id'];

const columnList = (row: Row) =>
  Object.keys(row)
    .slice(0, 12)
    .map((column) => JSON.stringify(column.slice(0, 40)))
    .join(', ') || '(none)';
