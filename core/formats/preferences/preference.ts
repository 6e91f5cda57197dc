// What other people's preference files say, whatever their format: one record that every reader fills and every writer
// takes.

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface Answer {
  /** as given, leading space and all */
  text: string;
  /** who wrote it, in the file's own word (a policy, "ref", a system's name); null where it does not say */
  writer: string | null;
  /** only in files of token ids */
  tokenIds: number[] | null;
}

/** One labeler's judgement of the answers to one prompt, or a prompt with answers that nobody has judged. */
export interface Preference {
  /** where it stands in the file, counted from 1 (a row, where the file has no lines) */
  line: number;
  /**
   * what was asked, as text: of a conversation, its last message by the user where it has no other, else all of it in
   * turn
   */
  prompt: string;
  /** the conversation up to the answer, where the file gives one; null for plain text */
  messages: Message[] | null;
  answers: Answer[];
  /** 1 is best, equal numbers are ties, one an answer; null: not ranked */
  ranks: number[] | null;
  labeler: string | null;
  /** 1 (unsure) to 9 */
  confidence: number | null;
  note: string | null;
  /** milliseconds */
  durationMs: number | null;
  split: 'train' | 'validation' | 'test' | null;
  /** a person's own answer to the prompt, where the file marks one as such */
  reference: string | null;
  /** axis scores of answers, in the file's own scale from `low` (worst) to `high` (best) */
  ratings: { answer: number; axis: string; value: number; low: number; high: number; labeler: string | null }[];
  /** marked characters of answers, UTF-16, end excluded */
  marks: { answer: number; start: number; end: number; label: string; note: string | null; labeler: string | null }[];
  /** the answers that somebody has flagged as broken (D37); absent where none is */
  flagged?: number[];
  /** the file's own fields that have no place of their own here (id, batch, site, margin), kept for the way back */
  extra: Record<string, string | number | boolean | null>;
}
