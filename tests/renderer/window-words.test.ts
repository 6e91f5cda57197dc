// No word of the command line, and no shorthand of ours for a paper or a decision, reaches the window: every text that
// the service can send there, and every template, is walked.
import type { Setting } from '#core/recipes/settings.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { METRICS } from '#core/recipes/metrics.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { rangeWords } from '#renderer/components/train/field-check.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
/**
 * A flag, a command, a placeholder in capitals after a flag's equals sign, a code such as D12 or P20, a number that no
 * person reads.
 */
const FOREIGN =
  /(^|[\s(`"'=])--[a-z][a-z-]+|[`"']tastemaker [a-z]|\b[a-z]+=[A-Z]{3,}\b|\b(D[1-9]|D[1-9]\d|P19|P20)\b|\bN\+|\d\.\d{4,}e\d/;

/** What may say it all the same, and why. */
const ALLOWED: Readonly<Record<string, string>> = {
  'core/cli/': 'is the command line',
  'core/host/': 'is started from a terminal',
  'core/supervisor/': 'starts processes',
  'core/service/main.ts': 'tells a terminal that it is started otherwise',
  'core/hardware/':
    'asks other programs, and its ways out are commands of a terminal, printed as such under Settings › Hardware',
  'core/formats/other-checkpoints.ts': 'names the converters of other programs',
  'core/formats/preferences/write-pairs.ts': "names a setting of another program, OpenRLHF's",
  'core/models/gguf-architecture.ts': "names llama.cpp's own tool",
  'core/runs/start.ts': 'tells the command line what was chosen by size',
};
/** given to the processes that are started */
const NODE_FLAG = '--disable-warning=ExperimentalWarning';
const reasonFor = (file: string) => Object.entries(ALLOWED).find(([place]) => file.startsWith(place))?.[1];
const filesIn = (folder: string, ending: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name).replaceAll('\\', '/'));

/** Every text of a source file, less what only the command line adds to an error. */
function textsOf(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if (ts.isNewExpression(node) && node.expression.getText() === 'TastemakerError')
      return node.arguments?.slice(0, 3).forEach(visit);
    if (ts.isCallExpression(node) && node.expression.getText() === 'need')
      return node.arguments.slice(0, 4).forEach(visit);
    if (ts.isVariableDeclaration(node) && node.name.getText().endsWith('_THERE')) return; // for the fourth argument
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node))
      found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

test('the walk finds what it looks for', () => {
  for (const text of [
    'Name the column with --map text=COLUMN',
    'by heart (D12).',
    'P20 used 1.5e-5',
    '(2019, N+: 4)',
    'from 0 to 2.81474976710656e14',
    'Run `tastemaker sample`',
  ])
    expect(text).toMatch(FOREIGN);
  for (const text of ['a well-known base', 'an A4 page', 'DPO', '0.05 nats', '1e-5', 'best — worst'])
    expect(text).not.toMatch(FOREIGN);
});

test('settings, their ranges and the sentences of metrics', () => {
  const told = [
    ...Object.values(RECIPES).flatMap(({ settings }) =>
      Object.entries(settings).flatMap(([name, setting]) => {
        const { sentence, range, whole, group } = setting as Setting<number>;
        return [
          sentence,
          rangeWords({
            name,
            kind: whole ? 'whole' : 'number',
            default: 0,
            range: range ? [...range] : null,
            choices: null,
            sentence,
            group,
            main: false,
            when: null,
          }),
        ];
      }),
    ),
    ...Object.values(METRICS).flatMap(({ sentence, healthy }) => [sentence, healthy]),
  ];
  expect(told.length).toBeGreaterThan(100);
  expect(told.filter((text) => FOREIGN.test(text))).toEqual([]);
});

test('every sentence and hint of the core that is not the command line itself', () => {
  const files = filesIn('core', '.ts').filter((file) => !reasonFor(file));
  expect(files.length).toBeGreaterThan(150);
  expect(
    files.flatMap((file) =>
      textsOf(file)
        .filter((text) => FOREIGN.test(text) && text !== NODE_FLAG)
        .map((text) => `${file}: ${text.slice(0, 160)}`),
    ),
  ).toEqual([]);
});

test('every template of the window', () => {
  const files = filesIn('renderer', '.vue');
  expect(files.length).toBeGreaterThan(60);
  const templates = files.map((file) => ({
    file,
    text: readFileSync(join(ROOT, file), 'utf8')
      .replace(/<script[^]*?<\/script>|<style[^]*?<\/style>/g, '')
      .replace(/<!--[^]*?-->/g, '')
      .replace(/var\(--[a-z-]+\)|'--[a-z-]+':/g, ''),
  }));
  expect(
    templates.flatMap(({ file, text }) =>
      text
        .split('\n')
        .filter((line) => FOREIGN.test(line))
        .map((line) => `${file}: ${line.trim().slice(0, 160)}`),
    ),
  ).toEqual([]);
});
