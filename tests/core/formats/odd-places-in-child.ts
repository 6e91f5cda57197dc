// A process in which pipes, sockets, devices and folders lie where files are expected, and every reader is asked for
// them.
//
// node odd-places-in-child.ts FOLDER: prints a line before each reading ("> reader kind") and one of JSON after it, so
// that
// whoever started it sees which one hangs.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { TastemakerError, sentenceOf } from '#core/errors.ts';
import { copyTokenizer, readTokenizerFiles } from '#core/formats/tokenizer-files.ts';
import { readCompletions } from '#core/formats/completions.ts';
import { readCsv } from '#core/formats/csv.ts';
import { readGguf } from '#core/formats/gguf.ts';
import { eachParquetRow } from '#core/formats/parquet.ts';
import { readPreferences } from '#core/formats/preferences/read-preferences.ts';
import { readPrompts } from '#core/formats/prompts.ts';
import { eachRow } from '#core/formats/row-source.ts';
import { readTexts } from '#core/formats/texts.ts';
import { openWheel } from '#core/hardware/wheel.ts';
import { followLines, lastLines } from '#core/runs/new-lines.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import { licenceOf, lookAtModels } from '#core/service/models/model-look.ts';
import { readResults } from '#core/runs/results.ts';
import { rankingsOf } from '#core/service/models/run-folder.ts';
import { createProject, openProject } from '#core/store/database.ts';
import type { Project } from '#core/store/project.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

const root = process.argv[2]!;
const sockets: net.Server[] = [];
/** What is put in a file's place. */
const KINDS: Readonly<Record<string, (place: string) => void>> = {
  pipe: (place) => void execFileSync('mkfifo', [place]),
  socket: (place) => void sockets.push(net.createServer().listen(place)),
  device: (place) => fs.symlinkSync('/dev/zero', place),
  folder: (place) => void fs.mkdirSync(place),
};

const MODEL = path.join(root, 'whole');
fs.cpSync('tests/fixtures/reference/models/gpt2', MODEL, { recursive: true });
await writeTokenizer(MODEL, trainBpe(['the theory of the other thing '.repeat(9)], 262));
/** A copy of a small model in which one name is something else. */
function modelWith(place: string, name: string, put: (place: string) => void): string {
  fs.mkdirSync(place);
  for (const one of fs.readdirSync(MODEL))
    if (one !== name) fs.copyFileSync(path.join(MODEL, one), path.join(place, one));
  put(path.join(place, name));
  return place;
}
const file =
  (name: string, read: (place: string) => unknown): Reader =>
  (place, put) => {
    const at = path.join(place, name);
    fs.mkdirSync(place);
    put(at);
    return read(at);
  };
const model =
  (name: string, read: (place: string) => unknown): Reader =>
  (place, put) =>
    read(modelWith(place, name, put));
const project =
  (name: string, write: boolean): Reader =>
  (place, put) => {
    const folder = `${place}.tastemaker`;
    createProject(folder).close();
    fs.rmSync(path.join(folder, name), { force: true });
    put(path.join(folder, name));
    openProject(folder, { write }).close();
  };
const ofRun =
  (name: string, read: (project: Project) => unknown): Reader =>
  (place, put) => {
    fs.mkdirSync(path.join(place, 'runs', '1-x'), { recursive: true });
    put(path.join(place, 'runs', '1-x', name));
    return read({ folder: place } as Project);
  };

type Reader = (place: string, put: (place: string) => void) => unknown;
const READERS: Readonly<Record<string, Reader>> = {
  'prompts.jsonl': file('a.jsonl', (at) => readPrompts(at)),
  'prompts.csv': file('a.csv', (at) => readPrompts(at)),
  'prompts.txt': file('a.txt', (at) => readPrompts(at)),
  'rankings.jsonl': file('a.jsonl', (at) => readPreferences(at)),
  'completions.jsonl': file('a.jsonl', (at) => readCompletions(at)),
  'rows.json': file('a.json', (at) => eachRow(at, () => true)),
  'table.csv': file('a.csv', (at) => readCsv(at, (row) => row)),
  'rows.parquet': file('a.parquet', (at) => eachParquetRow(at, () => true)),
  'texts.txt': file('a.txt', (at) => readTexts(at)),
  'model.gguf': file('a.gguf', (at) => readGguf(at)),
  'look at .gguf': file('a.gguf', (at) => lookAtModels(at)),
  'files.whl': file('a.whl', (at) => openWheel(at)),
  'config.json': model('config.json', (at) => openCheckpoint(at)),
  'model.safetensors': model('model.safetensors', (at) => openCheckpoint(at)),
  'tokenizer.json': model('tokenizer.json', (at) => loadTokenizer(at)),
  'tokenizer_config.json': model('tokenizer_config.json', (at) => loadTokenizer(at)),
  'chat_template.jinja': model('chat_template.jinja', (at) => loadTokenizer(at)),
  'a template to be exported': model('chat_template.jinja', (at) => readTokenizerFiles(at)),
  'a tokenizer to be copied': model('merges.txt', (at) => copyTokenizer(at, fs.mkdtempSync(path.join(root, 'copy-')))),
  ...Object.fromEntries(
    ['config.json', 'model.safetensors', 'tokenizer.json', 'LICENSE', 'README.md', 'adapter_config.json'].map(
      (name) => [`look at ${name}`, model(name, (at) => lookAtModels(at))],
    ),
  ),
  'licence file': model('LICENSE', (at) => licenceOf(at)),
  'model card': model('README.md', (at) => licenceOf(at)),
  'project.db': project('project.db', true),
  'project.db, read': project('project.db', false),
  'project.lock': project('project.lock', true),
  'project.db-wal': project('project.db-wal', true),
  'project.db-journal': project('project.db-journal', true),
  'project.db-checked': project('project.db-checked', true),
  'metrics.jsonl': ofRun('metrics.jsonl', ({ folder }) => readResults(path.join(folder, 'runs', '1-x'), null)),
  'data.jsonl': ofRun('data.jsonl', (one) => rankingsOf(one, '1-x')),
  'log.txt': file('log.txt', (at) => lastLines(at, 5)),
  'samples.jsonl': file('samples.jsonl', (at) => followLines(at).read(1000)),
};

let count = 0;
for (const [reader, read] of Object.entries(READERS)) {
  for (const [kind, put] of Object.entries(KINDS)) {
    console.log(`> ${reader}, ${kind}`);
    const started = performance.now();
    let said: string | null = null;
    let isSentence = true;
    try {
      await read(path.join(root, `p${count++}`), put);
    } catch (error) {
      said = sentenceOf(error);
      isSentence = error instanceof TastemakerError && error.hint !== '';
    }
    console.log(JSON.stringify({ reader, kind, ms: performance.now() - started, said, isSentence }));
  }
}
for (const socket of sockets) socket.close();
