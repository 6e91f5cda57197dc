// Checks every export of a model with the programs that will read it: transformers, PEFT, gguf and onnxruntime in a
// Python of yours.
//
// npm run check:python [-- --python PATH] [--write]: exports all formats of all families, opens each there, and
// compares
// logits and scores with ours. Exits with 1 where one differs by more than it may. --write puts the result into
// docs/formats.md.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const DOCUMENT = join(root, 'docs/formats.md');
const BEGIN = '<!-- check:python -->';
const END = '<!-- end of check:python -->';
const NEEDED = ['torch', 'transformers'];
const INSTALL =
  'A Python with them: python3 -m venv VENV && VENV/bin/pip install torch transformers peft gguf onnxruntime, then npm run check:python -- --python VENV/bin/python.';

/** Why this Python cannot check, or null when it can. */
function whatIsMissing(python) {
  const probe = `import importlib.util as u; print(",".join(n for n in ${JSON.stringify(NEEDED)} if not u.find_spec(n)))`;
  const { status, stdout, error } = spawnSync(python, ['-c', probe], { encoding: 'utf8' });
  if (error || status !== 0) return `there is no ${python} that starts`;
  return stdout.trim() ? `${python} has no ${stdout.trim().split(',').join(' and no ')}` : null;
}

/** Rows of cells as a table of Markdown, which reads well on a terminal too. */
function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(rows[0]), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)];
}

const number = (value) => (value === undefined ? '' : value === 0 ? '0' : value.toExponential(1));
const outcome = ({ ok, skipped, problem }) => (skipped ? `skipped: ${skipped}` : ok ? 'pass' : `FAIL: ${problem}`);

/** What is exported, from how the check calls it: "gpt2, reward model" -> "reward model". */
const kindOf = ({ model }) => model.split(', ')[1] ?? 'language model';
const isReal = ({ model, family }) => !model.startsWith(family);

/** One row a kind and format, one column a family (and a real model): the largest difference there. */
function overview(results) {
  const columns = [
    ...new Set(results.filter((one) => !isReal(one)).map(({ family }) => family)),
    ...new Set(results.filter(isReal).map(({ model }) => model)),
  ];
  const rows = [...new Set(results.map((one) => JSON.stringify([kindOf(one), one.format])))].map((key) =>
    JSON.parse(key),
  );
  rows.sort(([a], [b]) => Number(a !== 'language model') - Number(b !== 'language model'));
  const kindOfRow = (one) => (isReal(one) ? 'language model' : kindOf(one));
  const columnOf = (one) => (isReal(one) ? one.model : one.family);
  return table([
    ['model', 'format', 'allowed', ...columns],
    ...rows.map(([kind, format]) => {
      const here = results.filter((one) => kindOfRow(one) === kind && one.format === format);
      const cell = (column) => {
        const there = here.filter((one) => columnOf(one) === column);
        const bad = there.find(({ ok, skipped }) => !ok && !skipped);
        if (there.length === 0) return '–';
        if (bad) return 'FAIL';
        return there[0].skipped ? 'skipped' : number(Math.max(...there.map(({ original }) => original)));
      };
      return [kind, format, number(here[0].tolerance), ...columns.map(cell)];
    }),
  ]);
}

/** Puts the lines between the markers of the document. */
function writeDocument(lines) {
  const text = readFileSync(DOCUMENT, 'utf8');
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) throw new Error(`${DOCUMENT} has no lines ${BEGIN} and ${END}`);
  writeFileSync(DOCUMENT, `${text.slice(0, from + BEGIN.length)}\n${lines.join('\n')}\n${text.slice(to)}`);
}

/** Runs the Python side; resolves to its versions and results, with a line for each as it comes. */
async function open(python, folder) {
  const child = spawn(python, [join(root, 'tests/python/check_exports.py'), folder], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (piece) => (said = `${said}${piece}`.slice(-20_000)));
  const ended = new Promise((done) => child.once('close', done));
  const found = { versions: {}, missing: [], results: [] };
  for await (const line of createInterface({ input: child.stdout })) {
    const row = JSON.parse(line);
    if (row.versions) Object.assign(found, row);
    else {
      found.results.push(row);
      process.stdout.write(`${row.model}, ${row.format}: ${outcome(row)}\n`);
    }
  }
  const code = await ended;
  if (code !== 0) throw new Error(`the Python side ended with ${code}:\n${said}`);
  return found;
}

async function main() {
  const { values: options } = parseArgs({
    options: { python: { type: 'string' }, write: { type: 'boolean' }, help: { type: 'boolean' } },
  });
  if (options.help)
    return process.stdout.write(
      'npm run check:python [-- --python PATH] [--write]\nExports every format of every family and opens it with transformers, PEFT, gguf and onnxruntime.\n',
    );
  const python = options.python ?? 'python3';
  const missing = whatIsMissing(python);
  if (missing) return process.stdout.write(`skipped: ${missing}.\n${INSTALL}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'check-python-'));
  try {
    process.stdout.write('Writing the exports …\n');
    const made = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(root, 'tests/python/make-exports.ts'), folder],
      { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
    );
    if (made.status !== 0) throw new Error('the exports could not be written');
    const { versions, missing: without, results } = await open(python, folder);
    const rows = results.map((one) => [
      one.format,
      one.family,
      one.model,
      number(one.original),
      number(one.tolerance),
      number(one.reading),
      outcome(one),
    ]);
    process.stdout.write(
      `\n${table([['format', 'family', 'model', 'difference', 'allowed', 'from our reading', 'result'], ...rows]).join('\n')}\n\n`,
    );
    const failed = results.filter(({ ok, skipped }) => !ok && !skipped).length;
    const skipped = results.filter((one) => one.skipped).length;
    const told = [...new Set(results.flatMap((one) => one.told ?? []))];
    const summary = `${results.length - failed - skipped} of ${results.length} exports agree${failed ? `, ${failed} do not` : ''}${skipped ? `, ${skipped} were skipped (not installed: ${without.join(', ')})` : ''}: ${Object.entries(
      versions,
    )
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}; ${new Date().toISOString().slice(0, 10)}.`;
    const byHand = told.length
      ? [`transformers does not take ${told.join(' and ')} over from GGUF: given by hand where that is so.`]
      : [];
    process.stdout.write(`${[summary, ...byHand].join('\n')}\n`);
    if (options.write) writeDocument(['', summary, ...byHand, '', ...overview(results), '']);
    process.exitCode = failed ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
