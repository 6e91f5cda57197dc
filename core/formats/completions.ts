// Completions from other people's files: rows of a prompt, what was answered, and by whom.
import { withSystem, SYSTEM_COLUMNS, withoutPrompt } from './preferences/prompt-part.ts';
import { conversationText, isMessageList, messageOf, messagesOf } from './preferences/conversation.ts';
import { splitOf, watchSplits } from './preferences/format.ts';
import type { Message, Preference } from './preferences/preference.ts';
import { eachRow } from './row-source.ts';
import {
  asRow,
  badRow,
  collect,
  isText,
  joinBad,
  mapRow,
  optionalText,
  refuseHopeless,
  requiredText,
  unlistedNotes,
  warn,
} from './rows.ts';
import type { BadRows, Row, RowError, Rows } from './rows.ts';
import { watchColumns } from './unused-columns.ts';

export interface CompletionRow {
  line: number;
  /** of a conversation, what stands for it where only text can */
  prompt: string;
  messages: Message[] | null;
  /** as given, leading space and all; may be empty, for a model may answer nothing */
  completion: string;
  policy: string | null;
  /** the split of its prompt that the row names */
  split: Preference['split'];
}

export interface ReadCompletions extends BadRows {
  completions: CompletionRow[];
  /** what is doubtful in rows that were taken */
  warnings: RowError[];
  /** what is to be said of the file as a whole */
  notes: string[];
}

/** What a completion's columns may be called, and what --map and the window let one name otherwise. */
export const COMPLETION_FIELDS = ['prompt', 'completion', 'policy'];
/** What our own export writes of each completion besides, which is worked out anew. */
const OURS = ['score', 'kl', 'logprob', 'tokens', 'finish', 'split', 'run', 'step', 'flagged', 'id'];

function answerOf({ completion }: Row): string {
  if (isMessageList(completion) && completion.length === 1) {
    const { role, content } = messageOf(completion[0], '"completion"');
    if (role !== 'assistant') throw badRow(`The answer in "completion" is by the ${role}, not by the assistant.`);
    return content;
  }
  if (!isText(completion))
    throw badRow(completion === undefined ? '"completion" is missing.' : '"completion" is not text.');
  return completion;
}

function readCompletion(row: Row, line: number, warn: (message: string) => void): CompletionRow {
  const completion = answerOf(row);
  const messages = Array.isArray(row['prompt']) ? messagesOf(row['prompt'], 'prompt') : null;
  const asked = withSystem(
    { prompt: messages ? conversationText(messages) : requiredText(row, 'prompt'), messages },
    row,
  );
  const [rest] =
    withoutPrompt(messages?.findLast(({ role }) => role === 'user')?.content ?? asked.prompt, [completion]) ?? [];
  if (rest !== undefined) warn('The completion begins with the prompt once more; it was taken off.');
  return {
    line,
    ...asked,
    completion: rest ?? completion,
    policy: optionalText(row, 'policy'),
    split: splitOf(row['split']),
  };
}

/**
 * Reads {"prompt", "completion"} rows with an optional "policy" and "split", as JSON, a table or Parquet; the prompt is
 * a text or a
 * list of messages. `map` names columns that are called otherwise. A bad row is left out and named by its line.
 */
export async function readCompletions(
  file: string,
  { map = {} }: { map?: Record<string, string> } = {},
): Promise<ReadCompletions> {
  mapRow(null, map, COMPLETION_FIELDS); // a wrong map is one error, not one a row
  const found: Rows<CompletionRow> = { rows: [], errors: [] };
  const warnings: RowError[] = [];
  const columns = watchColumns();
  const splits = watchSplits();
  const bad = await eachRow(file, (given, line) => {
    collect(found, line, () => {
      const row = asRow(mapRow(given, map, COMPLETION_FIELDS));
      const read = readCompletion(row, line, (message) => warn(warnings, { line, message }));
      splits.see(row['split']);
      columns.see(row, [...COMPLETION_FIELDS, ...SYSTEM_COLUMNS, ...OURS]);
      return read;
    });
    refuseHopeless(file, found, found.rows.length);
  });
  const all = joinBad(found, bad);
  return {
    completions: found.rows,
    ...all,
    warnings,
    notes: [...unlistedNotes(all), ...splits.notes(), ...columns.notes()],
  };
}
