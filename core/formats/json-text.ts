// JSON that keeps what a number cannot hold: whole numbers beyond 2^53 come as text, exactly as they are spelled.

const LONG_NUMBER = /[-:[,\s]\d{16,}/;

/**
 * JSON.parse, but a whole number beyond 2^53 (an id of 64 bits), which a double may round, becomes its text. Throws a
 * SyntaxError.
 */
export function parseJson(text: string): unknown {
  // a reviver makes it several times slower
  if (!LONG_NUMBER.test(text) && !/^\d{16,}/.test(text)) return JSON.parse(text) as unknown;
  const exact = (_key: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && /^-?\d+$/.test(source)
      ? source
      : value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as unknown;
}

/** Why a text is not JSON, in words: the parser's, and what it looks like where that is a usual mistake. */
export function notJson(text: string, error: unknown): string {
  const why = (error as Error).message
    .replace(/ \(line \d+ column \d+\)$/, '')
    .replace(/\s+/g, ' ')
    .slice(0, 200); // would be taken for a line of the file
  if (/(?:^|[:[,]\s*)-?(?:NaN|Infinity)\b/.test(text))
    return `${why}; JSON has no NaN and no Infinity, which Python writes for missing numbers: write null`;
  if (/^\s*[[{]\s*'/.test(text)) return `${why}; it looks like a Python object: write it with json.dumps`;
  return why;
}
