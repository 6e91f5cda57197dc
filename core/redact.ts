// Takes the names of a person's folders out of what they may copy into a report: the home folder becomes ~, a project
// <project>.
//
// It reads the text once, forwards, so that a log of any shape takes no longer than its length: logs hold other
// people's texts.

const ENDING = '.tastemaker';
const QUOTES = `"'\`\n`;
/** What stands before the beginning of a path. */
const BEFORE = new Set(' \t([{<>=,;|:');
const isLetter = (sign: string | undefined): boolean =>
  sign !== undefined && ((sign >= 'a' && sign <= 'z') || (sign >= 'A' && sign <= 'Z'));
const isWord = (sign: string | undefined): boolean =>
  isLetter(sign) || (sign !== undefined && ((sign >= '0' && sign <= '9') || sign === '_' || sign === '-'));

/**
 * Where the path begins that goes on to `end`: at its root, else after the last quotation mark; blanks belong to it.
 */
function beginningOf(text: string, from: number, end: number): number {
  let start = from;
  for (let at = end - 1; at >= from; at--)
    if (QUOTES.includes(text[at]!)) {
      start = at + 1;
      break;
    }
  for (let at = end - 1; at >= start; at--) {
    if (text[at] !== '/' && text[at] !== '\\') continue;
    const root =
      text[at - 1] === '~'
        ? at - 1
        : text[at - 1] === ':' && isLetter(text[at - 2]) && !isLetter(text[at - 3])
          ? at - 2
          : at;
    if (root >= start && (root === start || BEFORE.has(text[root - 1]!))) return root;
  }
  return start;
}

function withoutProjects(text: string): string {
  const kept: string[] = [];
  let from = 0;
  for (let at = text.indexOf(ENDING); at >= 0; at = text.indexOf(ENDING, at + 1)) {
    const end = at + ENDING.length;
    if (isWord(text[end])) continue;
    kept.push(text.slice(from, beginningOf(text, from, at)), '<project>');
    from = end;
  }
  return kept.length === 0 ? text : [...kept, text.slice(from)].join('');
}

/** `projects`: folders that are known to be projects, whatever they are called. */
export function redact(text: string, { home, projects = [] }: { home: string; projects?: readonly string[] }): string {
  // as it looks inside a logged message on Windows
  const asJson = (folder: string) => JSON.stringify(folder).slice(1, -1);
  const swaps = [
    ...projects.toSorted((a, b) => b.length - a.length).map((folder) => [folder, '<project>'] as const),
    ...(home.length > 1 ? [[home, '~'] as const] : []),
  ];
  return withoutProjects(
    swaps.reduce((sofar, [folder, stand]) => sofar.replaceAll(folder, stand).replaceAll(asJson(folder), stand), text),
  );
}
