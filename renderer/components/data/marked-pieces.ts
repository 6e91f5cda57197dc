// Cutting a text at the borders of spans, so that each piece is drawn once; and where searched words stand in it.

export interface Span {
  start: number;
  end: number;
  tone: 'found' | 'good' | 'bad' | 'other';
  title?: string;
}

/**
 * Where these words stand, whatever their case. A letter whose lower case is longer would shift what follows: such a
 * text is searched as it is.
 */
export function wordsIn(text: string, terms: readonly string[]): Span[] {
  const lower = text.toLowerCase();
  const folded = lower.length === text.length ? lower : text;
  return terms.flatMap((term) => {
    const word = folded === text ? term : term.toLowerCase();
    const found: Span[] = [];
    if (word === '') return found;
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length))
      found.push({ start: at, end: at + word.length, tone: 'found' });
    return found;
  });
}

/** The text in pieces, in order; where spans overlap a piece has the one that began last. */
export function piecesOf(text: string, spans: readonly Span[]): { text: string; span: Span | null }[] {
  const within = spans.filter(({ start, end }) => start < end && start < text.length);
  const borders = [
    ...new Set([0, text.length, ...within.flatMap(({ start, end }) => [start, Math.min(end, text.length)])]),
  ].sort((a, b) => a - b);
  return borders.slice(1).map((end, i) => {
    const start = borders[i]!;
    const over = within.filter((span) => span.start <= start && span.end >= end);
    return { text: text.slice(start, end), span: over.toSorted((a, b) => b.start - a.start)[0] ?? null };
  });
}
