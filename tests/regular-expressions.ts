// Finds the regular expressions of the sources, and those that take longer than the text is long on some text made of
// their own signs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { sourceFiles } from './architecture.ts';

export interface Found {
  place: string;
  source: string;
  flags: string;
}

/** Every literal and every `new RegExp('…')` of the program's own files. */
export function regularExpressions(root: string): Found[] {
  return sourceFiles(root)
    .filter((path) => /^(core|electron|renderer)\//.test(path) && /\.(ts|vue)$/.test(path))
    .flatMap((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const script = path.endsWith('.vue')
        ? [...text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)].map((match) => match[1]).join('\n')
        : text;
      const file = ts.createSourceFile(path, script, ts.ScriptTarget.Latest, true);
      const found: Found[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isRegularExpressionLiteral(node)) {
          const end = node.text.lastIndexOf('/');
          found.push({
            place: `${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`,
            source: node.text.slice(1, end),
            flags: node.text.slice(end + 1),
          });
        }
        ts.forEachChild(node, visit);
      };
      visit(file);
      return found;
    });
}

const USUAL = ['a', 'A', '0', ' ', '\n', '"', '/', '-', '_', '\u00e9'];

/** Parts that, repeated, lead an expression astray: its own signs, in ones and twos, and its literal text. */
function parts(source: string): string[] {
  const own = [...new Set(source.replaceAll(/\\[a-zA-Z](\{[^}]*\})?|\(\?<?[:=!]|[()[\]^$|?*+{}]/g, ''))]
    .filter((sign) => sign !== '\\')
    .slice(0, 8);
  const signs = [...new Set([...own, ...USUAL])];
  const text = source.replaceAll(/\\[a-zA-Z]|[()[\]^$|?*+{}\\]/g, '');
  return [...signs, ...own.flatMap((one) => own.map((other) => one + other)), ...(text.length > 2 ? [text] : [])];
}

/** Milliseconds of one use on a text, the shorter of two. */
function time({ source, flags }: Found, text: string): number {
  const use = () => {
    const expression = new RegExp(source, flags);
    const started = performance.now();
    if (flags.includes('g')) text.replaceAll(expression, '');
    else expression.exec(text);
    return performance.now() - started;
  };
  const first = use();
  return first < 1 ? first : Math.min(first, use());
}

const TINY = 26;
const SMALL = 400;
const LONG = 15_000;
const SLOW = 12; // characters, ms: a quadratic one takes a hundred million steps

/** A text on which an expression takes more than its length, as a part that is repeated; null where none was found. */
export function slowOn(found: Found): string | null {
  const starts = ['', ...(/^\^?([^\\()[\]^$|?*+{}.]+)/.exec(found.source)?.[1] ?? '')].slice(0, 2);
  for (const part of parts(found.source)) {
    for (const start of starts) {
      const textOf = (length: number) => `${start}${part.repeat(Math.ceil(length / part.length))}\u0001`;
      // worse than quadratic: the long text would take for ever
      if ([TINY, SMALL].some((length) => time(found, textOf(length)) > SLOW)) return part;
      if (time(found, textOf(LONG)) > SLOW && time(found, textOf(2 * LONG)) > 2.5 * time(found, textOf(LONG)))
        return part;
    }
  }
  return null;
}
