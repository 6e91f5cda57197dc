// A project made by version 0.1.0 (tests/fixtures/project-0-1-0) opens, says what bringing it up to date found, loses
// nothing, and trains.

import Database from 'better-sqlite3';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readJsonl } from '#core/formats/jsonl.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { openedService } from './opened-service.ts';

const SOURCE = path.resolve('tests', 'fixtures', 'project-0-1-0');
const MAIN = path.resolve('core', 'cli', 'main.ts');
const work = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'from-0.1.0-')));
afterAll(() => fs.rmSync(work, { recursive: true, force: true }));
const at = (name: string) => path.join(work, name);

/** A fresh copy of the old project, as it lay when the old program closed it. */
function laidOut(name: string): string {
  const folder = at(`${name}.tastemaker`);
  for (const part of ['models', 'runs'])
    fs.cpSync(path.join(SOURCE, part), path.join(folder, part), { recursive: true });
  fs.writeFileSync(path.join(folder, 'project.db'), gunzipSync(fs.readFileSync(path.join(SOURCE, 'project.db.gz'))));
  return folder;
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}
const tastemaker = (line: string): Promise<Ended> =>
  new Promise((resolve) => {
    const env = { ...process.env, TASTEMAKER_THREADS: '1', TASTEMAKER_HOME: at('home') };
    execFile(process.execPath, [MAIN, ...line.split(' ')], { cwd: work, env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    );
  });
async function right(line: string): Promise<Ended> {
  const ended = await tastemaker(line);
  expect(ended.code, `tastemaker ${line}: ${ended.stdout}${ended.stderr}`).toBe(0);
  return ended;
}

type Row = Record<string, unknown>;
/**
 * What a person or a run made; the text indexes, and what is worked out from these, are made anew where they have to
 * be.
 */
const KEPT = [
  'completions',
  'drafts',
  'events',
  'flags',
  'guidelines',
  'item_completions',
  'items',
  'labelers',
  'marks',
  'measures',
  'policies',
  'prompts',
  'ranking_items',
  'rankings',
  'ratings',
  'runs',
];

function rowsOf(file: string, table: string): Row[] {
  const db = new Database(file, { readonly: true });
  try {
    return (db.prepare(`SELECT * FROM ${table}`).all() as Row[]).toSorted((a, b) =>
      JSON.stringify(a) < JSON.stringify(b) ? -1 : 1,
    );
  } finally {
    db.close();
  }
}
const versionOf = (file: string): number => {
  const db = new Database(file, { readonly: true });
  const version = db.pragma('user_version', { simple: true }) as number;
  db.close();
  return version;
};
const only = (rows: readonly Row[], columns: readonly string[]): string[] =>
  rows.map((row) => JSON.stringify(columns.map((name) => row[name]))).toSorted();
const spelled = (text: string): string => text.normalize('NFC').trim();

let folder: string, before: Map<string, Row[]>, notices: readonly string[], problems: readonly string[];
beforeAll(async () => {
  folder = laidOut('service');
  before = new Map(KEPT.map((table) => [table, rowsOf(path.join(folder, 'project.db'), table)]));
  const service = openedService(at('home'));
  notices = (await service.call('project.open', { folder })).project!.notices;
  problems = (await service.call('project.check', {})).problems;
  await service.close();
});

describe('opened by the service', () => {
  test('the old project holds what this is about', () => {
    const prompts = before.get('prompts')! as { text: string; split: string }[];
    const splits = Map.groupBy(prompts, ({ text }) => spelled(text));
    expect(
      [...splits.values()].filter((some) => new Set(some.map(({ split }) => split)).size > 1),
      'texts in two splits',
    ).toHaveLength(3);
    expect(
      before.get('rankings')!.filter((row) => row['repeat_of'] !== null),
      'hidden repeats',
    ).toHaveLength(1);
    expect(before.get('runs')!.map((row) => row['status'])).toContain('stopped');
    for (const [table, rows] of before) expect(rows.length, table).toBeGreaterThan(0);
  });

  test('a backup of it as it was is made first', () => {
    const backups = fs.readdirSync(path.join(folder, 'backups')).map((name) => path.join(folder, 'backups', name));
    expect(backups.length).toBeGreaterThan(0);
    expect(backups.map(versionOf)).toContain(4);
    expect(versionOf(path.join(folder, 'project.db'))).toBe(MIGRATIONS.length);
    expect(problems).toEqual([]);
  });

  test('it says what was found: prompts in two splits, ids of unknown tokenizers, equal texts', () => {
    expect(notices.join('\n')).toMatch(/\b[36] prompts/);
    expect(notices.join('\n')).toMatch(/spell|split/);
    expect(notices.join('\n')).toMatch(/\b63 sampled completions.*tokenizer/);
    expect(notices.join('\n')).toMatch(/1 ranking.*equal texts/);
  });

  test.each(KEPT)('nothing of %s is lost', (table) => {
    const changed = new Set({ prompts: ['text_hash', 'split'], ranking_items: ['rank'] }[table] ?? []);
    const was = before.get(table)!;
    const columns = Object.keys(was[0]!).filter((name) => !changed.has(name));
    expect(only(rowsOf(path.join(folder, 'project.db'), table), columns)).toEqual(only(was, columns));
  });

  test('every prompt is in the split in which it was', () => {
    const now = rowsOf(path.join(folder, 'project.db'), 'prompts');
    expect(only(now, ['id', 'split'])).toEqual(only(before.get('prompts')!, ['id', 'split']));
  });

  test('ranks differ only where equal texts had several', () => {
    const textOf = new Map(before.get('completions')!.map(({ id, text }) => [id, text]));
    const key = ({ ranking_id: of, completion_id: id }: Row) => `${of}/${id}`;
    const was = new Map(before.get('ranking_items')!.map((row) => [key(row), row['rank'] as number]));
    for (const row of rowsOf(path.join(folder, 'project.db'), 'ranking_items')) {
      const same = before
        .get('ranking_items')!
        .filter(
          (other) =>
            other['ranking_id'] === row['ranking_id'] &&
            textOf.get(other['completion_id']) === textOf.get(row['completion_id']),
        );
      expect(row['rank'], key(row)).toBe(Math.min(...same.map((other) => was.get(key(other))!)));
    }
  });

  test('a second opening changes nothing and makes no further backup', async () => {
    const rows = KEPT.map((table) => rowsOf(path.join(folder, 'project.db'), table));
    const count = fs.readdirSync(path.join(folder, 'backups')).length;
    const service = openedService(at('home'));
    const state = await service.call('project.open', { folder });
    expect(state.project!.rankings).toBe(before.get('rankings')!.length);
    expect((await service.call('models.list', {})).map(({ name }) => name).toSorted()).toEqual([
      'judge',
      'other',
      'policy',
      'stopped',
      'tuned',
      'writer',
    ]);
    for (const run of await service.call('runs.list', {}))
      expect((await service.call('runs.get', { runId: run.id })).run.id).toBe(run.id);
    for (const model of await service.call('models.list', {}))
      expect((await service.call('models.lineage', { modelId: model.id })).steps.length).toBeGreaterThan(0);
    await service.close();
    expect(KEPT.map((table) => rowsOf(path.join(folder, 'project.db'), table))).toEqual(rows);
    expect(fs.readdirSync(path.join(folder, 'backups'))).toHaveLength(count);
  });
});

test('what is said of spellings in two splits is said until they are brought together, and no other notice contradicts it', async () => {
  const service = openedService(at('home'));
  const opened = (await service.call('project.open', { folder: laidOut('united') })).project!;
  expect([
    opened.straddling,
    opened.notices.filter((notice) => /stand in different splits/.test(notice)).length,
  ]).toEqual([6, 1]);
  expect(opened.notices).toContainEqual(
    '3 prompts differ only in the spelling from another: from now on all spellings of a prompt go to one split.',
  );
  const { moved, eventIds } = await service.call('prompts.unite', {});
  const united = (await service.call('app.state', {})).project!;
  expect([moved, united.straddling]).toEqual([3, 0]);
  expect(united.notices).toEqual(opened.notices.filter((notice) => !/stand in different splits/.test(notice)));
  for (const eventId of eventIds) await service.call('events.undo', { eventId });
  expect((await service.call('app.state', {})).project!).toMatchObject({ straddling: 6, notices: opened.notices });
  await service.close();
});

describe('used by the command line', () => {
  let project: string;
  beforeAll(async () => {
    fs.writeFileSync(at('prompts.jsonl'), '{"prompt":"Why is the tide late?"}\n{"prompt":"Who keeps the bees?"}\n');
    project = laidOut('line');
  });
  const of = () => `--project ${project}`;

  test('it is brought up to date by the first command that writes, which says what was found', async () => {
    const { stderr } = await right(`import prompts prompts.jsonl ${of()}`);
    expect(stderr).toMatch(/split/);
    expect(stderr).toMatch(/63 sampled completions/);
    expect(fs.readdirSync(path.join(project, 'backups')).length).toBeGreaterThan(0);
    expect(versionOf(path.join(project, 'project.db'))).toBe(MIGRATIONS.length);
  });

  test('its data can be taken out: no ranking is missing', async () => {
    await right(`export data --format tastemaker --repeats --out ${at('all.jsonl')} ${of()}`);
    await right(`export data --format completions --out ${at('completions.jsonl')} ${of()}`);
    const { rows } = readJsonl(at('all.jsonl'), (row) => row as Row);
    const { rows: texts } = readJsonl(at('completions.jsonl'), (row) => row as Row);
    expect(rows.filter((row) => Array.isArray(row['ranks'])).length).toBeGreaterThanOrEqual(
      before.get('rankings')!.filter(({ status }) => status === 'ranked').length,
    );
    expect(texts).toHaveLength(before.get('completions')!.length);
  });

  test('its models load, write and score', async () => {
    for (const name of ['writer', 'other', 'tuned', 'policy', 'stopped'])
      await right(`generate --policy ${name} --in prompts.jsonl --out ${at(`${name}.jsonl`)} --max-new 3 ${of()}`);
    await right(`score --reward judge --in ${at('writer.jsonl')} --out ${at('scored.jsonl')} ${of()}`);
  });

  test('what it holds is scored, test prompts left out', async () => {
    await right(`train score --set reward=judge --set reference=other ${of()}`);
  });

  test('spellings of a text are brought into one split on request, all others stay where they are', async () => {
    await right(`prompts unite ${of()}`);
    const now = rowsOf(path.join(project, 'project.db'), 'prompts') as unknown as {
      id: number;
      text: string;
      split: string;
    }[];
    const texts = Map.groupBy(now, ({ text }) => spelled(text));
    for (const [text, some] of texts) expect(new Set(some.map(({ split }) => split)).size, text).toBe(1);
    const once = new Set([...texts.values()].filter((some) => some.length === 1).map(([one]) => one!.id));
    const splitsOf = (rows: readonly Row[]) =>
      only(
        rows.filter(({ id }) => once.has(id as number)),
        ['id', 'split'],
      );
    expect(splitsOf(now as unknown as Row[])).toEqual(splitsOf(before.get('prompts')!));
    expect((await right(`runs ${of()}`)).stderr).not.toMatch(/split/);
  });

  test('a reward model learns from its rankings, and PPO from that', async () => {
    await right(`train reward --name judge-2 --set policy=writer --set batch=4 ${of()}`);
    const { stdout } = await right(
      `train ppo --name policy-2 --set policy=tuned --set reward=judge-2 --set updates=2 --set episodes=4 --set epochs=1 --set max_new=5 --set evaluate_prompts=2 ${of()}`,
    );
    expect(stdout).toMatch(/policy-2/);
    await right(
      `train ppo --name policy-3 --set policy=policy --set reward=judge --set updates=1 --set episodes=4 --set epochs=1 --set max_new=5 --set evaluate_prompts=2 ${of()}`,
    );
  });

  test('the run that was stopped goes on, or says in a sentence why it cannot', async () => {
    const { code, stderr, stdout } = await tastemaker(`run resume 0006-ppo ${of()}`);
    expect([0, 2], stdout + stderr).toContain(code);
    expect(code === 2 ? stderr : stdout).toMatch(code === 2 ? /^Error: .+[.]\nHint: .{8,}\n$/ : /40 updates/);
  });
});
