// How texts become completions: one place for the leading space and the end-of-text, so that every job agrees (D7).

/**
 * A written answer as a completion: prompts end without a space ("TL;DR:"), so the completion starts with one (P20: "
 * {reference}"), unless white space stands there already.
 */
export const asCompletion = (prompt: string, written: string): string =>
  /\s$/.test(prompt) || /^\s/.test(written) ? written : ` ${written}`;
