// Reads a small part of Markdown into a tree: what people and chat models write in guidelines and answers. Never HTML.
//
// Whatever is not understood stays the text that it is, and links are shown, not followed: nothing here leads anywhere.

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'em' | 'del'; of: Inline[] }
  | { kind: 'link'; of: Inline[]; address: string };
export type Block =
  | { kind: 'paragraph'; of: Inline[] }
  | { kind: 'heading'; level: number; of: Inline[] }
  | { kind: 'code'; /** what stands behind the fence */ language: string; text: string }
  | { kind: 'quote'; of: Block[] }
  | { kind: 'list'; first: number | null; items: Block[][] }
  | { kind: 'rule' };

/** A longer text is shown as it is. */
export const LONGEST_MARKDOWN = 20_000;
const DEEPEST = 6;

const FENCE = /^ {0,3}(```+|~~~+)(.*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}>\s?/;
const ITEM = /^( {0,3})(?:[-*+]|(\d{1,9})[.)])(\s+)(?=\S)/;

/** Whether a text would look different: else there is nothing to choose. */
export const looksLikeMarkdown = (text: string): boolean =>
  text.length <= LONGEST_MARKDOWN &&
  /^ {0,3}(#{1,6}\s|[-*+]\s\S|\d{1,3}[.)]\s\S|>\s|```)|\*\*\S[^\n]*?\S?\*\*|`[^`\n]+`|\[[^\]\n]+\]\([^)\s]+\)/m.test(
    text,
  );

export function readMarkdown(text: string): Block[] {
  return text.length > LONGEST_MARKDOWN
    ? [{ kind: 'paragraph', of: [{ kind: 'text', text }] }]
    : readBlocks(text.replace(/\r\n?/g, '\n').split('\n'), 0);
}

/** One kind of block at a line: what was read, and how many lines it took; null where the line begins no such block. */
type Reader = (lines: readonly string[], at: number, depth: number) => { block: Block; lines: number } | null;

const readFence: Reader = (lines, at) => {
  const [, fence, language = ''] = FENCE.exec(lines[at]!) ?? [];
  if (!fence || language.includes('`')) return null;
  const closes = (line: string) => line.trim().startsWith(fence) && /^(`+|~+)$/.test(line.trim());
  const end = lines.findIndex((line, i) => i > at && closes(line));
  const last = end < 0 ? lines.length : end;
  return {
    block: { kind: 'code', language: language.trim(), text: lines.slice(at + 1, last).join('\n') },
    lines: last - at + (end < 0 ? 0 : 1),
  };
};

const readHeading: Reader = (lines, at) => {
  const found = HEADING.exec(lines[at]!);
  return found && { block: { kind: 'heading', level: found[1]!.length, of: readInline(found[2]!) }, lines: 1 };
};

const readRule: Reader = (lines, at) => (RULE.test(lines[at]!) ? { block: { kind: 'rule' }, lines: 1 } : null);

const readQuote: Reader = (lines, at, depth) => {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end]!)) end++;
  if (end === at || depth >= DEEPEST) return null;
  return {
    block: {
      kind: 'quote',
      of: readBlocks(
        lines.slice(at, end).map((line) => line.replace(QUOTE, '')),
        depth + 1,
      ),
    },
    lines: end - at,
  };
};

/** Items go on with lines that are indented as far as their text; an empty line between two of them is no end. */
const readList: Reader = (lines, at, depth) => {
  const first = ITEM.exec(lines[at]!);
  if (!first || depth >= DEEPEST) return null;
  const numbered = first[2] !== undefined;
  const items: string[][] = [];
  let end = at;
  let indent = 0;
  for (; end < lines.length; end++) {
    const line = lines[end]!;
    const found = RULE.test(line) ? null : ITEM.exec(line);
    if (found && (found[2] !== undefined) === numbered && (items.length === 0 || found[1]!.length < indent)) {
      indent = found[0].length;
      items.push([line.slice(indent)]);
    } else if (line.trim() === '') {
      const next = lines[end + 1] ?? '';
      if (!(/^\s+\S/.test(next) || ITEM.test(next))) break;
      items.at(-1)!.push('');
    } else if (line.startsWith(' '.repeat(Math.min(indent, 2))))
      items.at(-1)!.push(line.slice(Math.min(indent, line.length - line.trimStart().length)));
    else break;
  }
  return {
    block: {
      kind: 'list',
      first: numbered ? Number(first[2]) : null,
      items: items.map((item) => readBlocks(item, depth + 1)),
    },
    lines: Math.max(1, end - at),
  };
};

const READERS: readonly Reader[] = [readFence, readHeading, readRule, readQuote, readList];

function readBlocks(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let open: string[] = [];
  const close = () => {
    if (open.length > 0) blocks.push({ kind: 'paragraph', of: readInline(open.join('\n')) });
    open = [];
  };
  for (let at = 0; at < lines.length;) {
    const line = lines[at]!;
    let found: ReturnType<Reader> = null;
    for (const read of READERS) found ??= read(lines, at, depth);
    if (found || line.trim() === '') close();
    else open.push(line);
    if (found) blocks.push(found.block);
    at += found?.lines ?? 1;
  }
  close();
  return blocks;
}

// ---- Inside a line

const PAIRS = [
  ['**', 'strong'],
  ['__', 'strong'],
  ['~~', 'del'],
  ['*', 'em'],
  ['_', 'em'],
] as const;
const LINK = /^!?\[([^\]\n]{1,1000})\]\(([^)\s]{1,2000})\)/;
const isWord = (character: string | undefined) => character !== undefined && /[\p{L}\p{N}]/u.test(character);

/** What begins at a place, and where it ends; null for a plain character. */
function readMarked(text: string, at: number, depth: number): { found: Inline; end: number } | null {
  const rest = text.slice(at, at + 1500); // a mark reaches no further: so much is looked at once, however long the text
  if (rest[0] === '\\' && /[!-/:-@[-`{-~]/.test(rest[1] ?? ''))
    return { found: { kind: 'text', text: rest[1]! }, end: at + 2 };
  const code = /^(`+)(?!`)([^]*?[^`])\1(?!`)/.exec(rest);
  if (code) return { found: { kind: 'code', text: code[2]!.replace(/^ (.*) $/, '$1') }, end: at + code[0].length };
  if (depth >= DEEPEST) return null;
  const link = LINK.exec(rest);
  if (link)
    return {
      found: { kind: 'link', of: readInline(link[1]!, depth + 1), address: link[2]! },
      end: at + link[0].length,
    };
  for (const [sign, kind] of PAIRS) {
    if (!rest.startsWith(sign) || /^\s?$/.test(rest[sign.length] ?? '')) continue;
    if (sign[0] === '_' && isWord(text[at - 1])) continue; // snake_case
    for (let end = rest.indexOf(sign, sign.length + 1); end > 0; end = rest.indexOf(sign, end + 1)) {
      if (/\s/.test(rest[end - 1]!) || (sign[0] === '_' && isWord(rest[end + sign.length]))) continue;
      if (sign.length === 1 && (rest[end + 1] === sign || rest[end - 1] === sign)) {
        end++;
        continue;
      } // the half of a double one
      return { found: { kind, of: readInline(rest.slice(sign.length, end), depth + 1) }, end: at + end + sign.length };
    }
  }
  return null;
}

function readInline(text: string, depth = 0): Inline[] {
  const parts: Inline[] = [];
  const plain = (more: string) => {
    const last = parts.at(-1);
    if (last?.kind === 'text') last.text += more;
    else if (more) parts.push({ kind: 'text', text: more });
  };
  for (let at = 0; at < text.length;) {
    const sign = /[\\`*_~[!]/.exec(text.slice(at, at + 4000));
    const next = sign ? at + sign.index : Math.min(text.length, at + 4000);
    plain(text.slice(at, next));
    at = next;
    if (!sign) continue;
    const marked = readMarked(text, at, depth);
    if (!marked) plain(text[at++]!);
    else {
      if (marked.found.kind === 'text') plain(marked.found.text);
      else parts.push(marked.found);
      at = marked.end;
    }
  }
  return parts;
}
