// How long, wide and deep a source may be: functions, lines, nesting of statements, nesting of templates.
import ts from 'typescript';
import { parse } from 'vue/compiler-sfc';

export const MAX_FUNCTION = 80;
export const MAX_NESTING = 4;
export const MAX_TEMPLATE = 6;
export const MAX_WIDTH = 120;

const SPLITTING = 'still to be split';
/** Functions that are longer, as "path name", and why. */
export const LONGER_FUNCTIONS: Readonly<Record<string, string>> = {
  'build/pictures.mjs take': SPLITTING,
  'electron/shell.ts startShell': SPLITTING,
  'tests/app/runs-project.ts makeRunsProject': 'one run of a project after another, as a list',
  'tests/app/two-projects.spec.ts test': 'one story in two windows',
  'tests/core/formats/fuzz-subjects.ts makeSubjects': 'one subject after another, as a list',
  'tests/core/formats/odd-tokenizers.ts otherTokenizers': 'one tokenizer after another, as a list',
  'tests/core/hardware/elf-writer.ts elf': 'the fields of a file in their order',
};
/** Templates that are deeper, and why. */
export const DEEPER_TEMPLATES: Readonly<Record<string, string>> = {};

/** What breaks a limit: of which function or file (as in the lists of exceptions), at which line, and how. */
export interface Excess {
  kind: 'function' | 'nesting' | 'template' | 'width';
  subject: string;
  line: number;
  problem: string;
}

/** A piece of a source from `start` to `end`, both positions in the whole text. */
interface Span {
  start: number;
  end: number;
}

const TABLE_PARTS = ['thead', 'tbody', 'tr', 'template'];
/** What draws no box of its own, or only as a part of the element around it. */
const drawsNoBox = (tag: string) =>
  TABLE_PARTS.includes(tag) || ['option', 'br', 'path'].includes(tag) || /^[A-Z].*(Root|Portal|Provider)$/.test(tag);

/** What the parser of Vue's templates gives, as far as it is read here. */
interface TemplateNode {
  type: number;
  tag?: string;
  loc: { start: { offset: number; line: number }; end: { offset: number } };
  props?: { loc: { start: { offset: number }; end: { offset: number } } }[];
  children?: (TemplateNode | string | symbol)[];
}

const childrenOf = (node: TemplateNode) =>
  (node.children ?? []).filter((child): child is TemplateNode => typeof child === 'object');

/** The deepest element of a template: how many boxes it lies in, itself included, and its line. */
function deepest(node: TemplateNode, around = 0): { depth: number; line: number } {
  const depth = node.tag === undefined || drawsNoBox(node.tag) ? around : around + 1;
  return childrenOf(node)
    .map((child) => deepest(child, depth))
    .reduce((most, found) => (found.depth > most.depth ? found : most), { depth, line: node.loc.start.line });
}

/** The values of a template's attributes, and its texts. */
function templateLiterals(node: TemplateNode): Span[] {
  const own = (node.props ?? []).map(({ loc }) => ({ start: loc.start.offset, end: loc.end.offset }));
  const text =
    node.tag === undefined && node.type !== 0 ? [{ start: node.loc.start.offset, end: node.loc.end.offset }] : [];
  return [...own, ...text, ...childrenOf(node).flatMap(templateLiterals)];
}

/** A file's scripts with all else blanked, so that positions and lines stay. */
function scriptOf(path: string, text: string): string {
  if (!path.endsWith('.vue')) return text;
  const blank = (part: string) => part.replace(/[^\n]/g, ' ');
  let script = '';
  let done = 0;
  for (const match of text.matchAll(/<script[^>]*>([^]*?)<\/script>/g)) {
    const start = match.index + match[0].indexOf('>') + 1;
    const end = start + match[1]!.length;
    script += blank(text.slice(done, start)) + text.slice(start, end);
    done = end;
  }
  return script + blank(text.slice(done));
}

const isBranchOfElse = (node: ts.Node) => ts.isIfStatement(node.parent) && node.parent.elseStatement === node;

const nests = (node: ts.Node) =>
  ts.isIterationStatement(node, false) ||
  ts.isSwitchStatement(node) ||
  ts.isTryStatement(node) ||
  (ts.isIfStatement(node) && !isBranchOfElse(node));

const isLiteral = (node: ts.Node) =>
  ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || ts.isRegularExpressionLiteral(node);

/** The name of a function: its own, that of what it is assigned to, or the call it is handed to. */
function nameOf(node: ts.Node, source: ts.SourceFile): string {
  const named = (of: ts.Node) =>
    (ts.isVariableDeclaration(of) || ts.isPropertyAssignment(of) ? of : null)?.name.getText(source);
  const own = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) ? node.name?.getText(source) : undefined;
  const given = own ?? named(node.parent);
  if (given !== undefined) return given;
  if (!ts.isCallExpression(node.parent)) return 'a function';
  const [first] = node.parent.arguments;
  const said = first && first !== node && ts.isStringLiteralLike(first) ? ` '${first.text}'` : '';
  return named(node.parent.parent) ?? `${node.parent.expression.getText(source).split(/[(\n]/)[0]}${said}`;
}

/** A body of `describe` only gathers tests, each of which has the limit. */
const gathersTests = (node: ts.Node, source: ts.SourceFile) =>
  ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText(source));

/** Long functions and deep statements of a script; adds the places of its literals to `literals`. */
function judgeScript(path: string, script: string, literals: Span[]): Excess[] {
  const kind = path.endsWith('.mjs') ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  const source = ts.createSourceFile(path, script, ts.ScriptTarget.Latest, true, kind);
  const lineOf = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
  const found: Excess[] = [];
  const judgeFunction = (node: ts.Node) => {
    const line = lineOf(node.getStart(source));
    const length = lineOf(node.end) - line + 1;
    if (length <= MAX_FUNCTION || gathersTests(node, source)) return;
    const name = nameOf(node, source);
    const problem = `${name} has ${length} lines, the most is ${MAX_FUNCTION}`;
    found.push({ kind: 'function', subject: `${path} ${name}`, line, problem });
  };
  const visit = (node: ts.Node, around: number): void => {
    if (isLiteral(node)) literals.push({ start: node.getStart(source), end: node.end });
    const begins = ts.isFunctionLike(node) && 'body' in node && node.body !== undefined;
    if (begins) judgeFunction(node);
    const depth = begins ? 0 : around + (nests(node) ? 1 : 0);
    if (depth === MAX_NESTING + 1 && nests(node)) {
      const problem = `statements nest ${depth} deep, the most is ${MAX_NESTING}`;
      found.push({ kind: 'nesting', subject: path, line: lineOf(node.getStart(source)), problem });
    }
    ts.forEachChild(node, (child) => visit(child, depth));
  };
  visit(source, 0);
  return found;
}

/** Lines that are too wide, and would be without the longest literal on them. */
function judgeWidths(path: string, text: string, literals: readonly Span[]): Excess[] {
  const found: Excess[] = [];
  let start = 0;
  for (const [i, line] of text.split('\n').entries()) {
    const end = start + line.length;
    const inside = (span: Span) => Math.max(0, Math.min(span.end, end) - Math.max(span.start, start));
    const rest = () => line.length - Math.max(0, ...literals.map(inside));
    if (line.length > MAX_WIDTH && rest() > MAX_WIDTH) {
      const problem = `${line.length} columns, the most is ${MAX_WIDTH}`;
      found.push({ kind: 'width', subject: path, line: i + 1, problem });
    }
    start = end + 1;
  }
  return found;
}

/**
 * Whatever of a source is longer, wider or deeper than the house has it.
 *
 * - A function has at most 80 lines, from its head to its end; a body of `describe` has no limit.
 * - Statements (if, loops, switch, try) nest at most 4 deep in a function; an `else if` is as deep as its `if`, and a
 *   function in a function begins anew.
 * - A template nests at most 6 boxes. What draws none is not counted: `<template>`, the parts of a table between it and
 *   its cells, an option or a path, and the parts of a dialog or menu called …Root, …Portal and …Provider.
 * - A line has at most 120 columns, unless one string, template, regular expression, attribute or text makes it wider.
 */
export function judgeShape(path: string, text: string): Excess[] {
  if (path.endsWith('.css')) {
    const quoted = [...text.matchAll(/"[^"\n]*"/g)].map(({ index, 0: part }) => ({
      start: index,
      end: index + part.length,
    }));
    return judgeWidths(path, text, quoted);
  }
  const literals: Span[] = [];
  const found = judgeScript(path, scriptOf(path, text), literals);
  const template = path.endsWith('.vue') ? parse(text).descriptor.template?.ast : undefined;
  if (template) {
    const { depth, line } = deepest(template);
    const problem = `the template nests ${depth} deep, the most is ${MAX_TEMPLATE}`;
    if (depth > MAX_TEMPLATE) found.push({ kind: 'template', subject: path, line, problem });
    literals.push(...templateLiterals(template));
  }
  return [...found, ...judgeWidths(path, text, literals)];
}
