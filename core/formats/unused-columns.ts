// Which columns of a file a reader did not use, in sentences: nothing of a file is dropped unseen.

const SHOWN = 12;

/** "a", "b" and 3 more. */
export function columnNames(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).map((name) => JSON.stringify(name.slice(0, 60)));
  const rest = names.length > SHOWN ? [`${names.length - SHOWN} more`] : [];
  const all = [...shown, ...rest];
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}

const isNothing = (value: unknown) =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

export interface ColumnWatch {
  /** Tells of a row that was taken: which of its columns were used, and which others were kept with it. */
  see(row: Readonly<Record<string, unknown>>, used: readonly string[], kept?: Readonly<Record<string, unknown>>): void;
  /** What there is to say when all rows are read. */
  notes(): string[];
}

/** Watches the columns of a file; one that holds nothing in any row is not worth a word. */
export function watchColumns(): ColumnWatch {
  const dropped = new Set<string>();
  const kept = new Set<string>();
  const said = (names: Set<string>, one: string, many: string) =>
    names.size === 0 ? [] : [`${names.size === 1 ? one : many}: ${columnNames([...names].sort())}.`];
  return {
    see: (row, used, own = {}) => {
      for (const [name, value] of Object.entries(row))
        if (!isNothing(value) && !used.includes(name)) (Object.hasOwn(own, name) ? kept : dropped).add(name);
    },
    notes: () => [
      ...said(
        dropped,
        'A column was not taken, for it has no place here',
        'Columns were not taken, for they have no place here',
      ),
      ...said(
        kept,
        'A column is kept with its rows, and nothing is learnt from it',
        'Columns are kept with their rows, and nothing is learnt from them',
      ),
    ],
  };
}
