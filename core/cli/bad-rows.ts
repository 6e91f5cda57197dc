// What happens to a file with bad rows: each is named by its line, and nothing is taken from the file unless that was
// allowed.

import { TastemakerError } from '#core/errors.ts';
import type { RowError } from '#core/formats/rows.ts';
import { forTerminal } from './terminal.ts';

const SHOWN = 10;

const HINT = 'Correct the lines named above; `import` also takes --skip-bad, which leaves them out.';

/** Names the first bad rows on stderr; throws 'bad-data' unless they may be skipped. */
export function refuseBadRows(
  file: string,
  errors: readonly RowError[],
  {
    skip = false,
    hint = HINT,
    unlisted = 0,
  }: {
    skip?: boolean;
    hint?: string | undefined;
    /** bad rows that are not among them */ unlisted?: number | undefined;
  } = {},
): void {
  const count = errors.length + unlisted;
  if (errors.length === 0) return;
  const sorted = errors.toSorted((a, b) => a.line - b.line);
  const shown = sorted.slice(0, SHOWN).map(({ line, message }) => `  line ${line}: ${message}\n`);
  if (count > SHOWN) shown.push(`  and ${count - SHOWN} more\n`);
  process.stderr.write(forTerminal(shown.join('')));
  if (skip) return;
  const what =
    count === 1
      ? `Line ${sorted[0]!.line} of ${file} is bad`
      : `${count} lines of ${file} are bad, the first is line ${sorted[0]!.line}`;
  throw new TastemakerError(
    'bad-data',
    `${what}: ${sorted[0]!.message.replace(/\.$/, '')}. Nothing was taken from the file.`,
    hint,
  );
}
