// What is tried with kills: how a project is laid out for each kind of work, and what must hold of it after a kill.

import Database from 'better-sqlite3';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ImportKind } from '#core/contract/data.ts';
import type { Rank } from '#core/contract/rankings.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { describeBackups } from '#core/store/backup-rows.ts';
import { addCompletions } from '#core/store/completions.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { MIGRATIONS } from '#core/store/migrations.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { listRankings } from '#core/store/rankings.ts';
import { getSetting, setSetting } from '#core/store/settings.ts';

export const KINDS = ['labelling', 'import', 'demo', 'export', 'checkpoint', 'migration'] as const;
export type Kind = (typeof KINDS)[number];

/** A run that saves at every step; when it has come to its end, the next one begins. */
export const TRAINING = { policy: 'writer', batch: 4, epochs: 100, steps_a_run: 1, checkpoint_every: 1 };
const ROWS = 400;
const PROMPTS = 4000;

/** Files of every kind that can be imported; each row bears the stamp of its file. */
export const IMPORTS: Readonly<Record<string, { kind: ImportKind; row: (i: number, stamp: string) => unknown }>> = {
  prompts: { kind: 'prompts', row: (i, stamp) => ({ prompt: `${stamp} question ${i}?` }) },
  completions: {
    kind: 'completions',
    row: (i, stamp) => ({ prompt: `${stamp} question ${i >> 1}?`, completion: `Answer ${i}.` }),
  },
  rankings: {
    kind: 'rankings',
    row: (i, stamp) => ({
      prompt: `${stamp} question ${i}?`,
      completions: ['x', `answer ${i}`],
      ranks: [1, 2],
      labeler: `labeler of ${stamp}`,
    }),
  },
  judgements: {
    kind: 'rankings',
    row: (i, stamp) => ({
      prompt: `${stamp} question ${i}?`,
      completions: ['xyz', `answer ${i}`],
      ranks: [2, 1],
      labeler: 'eve',
      ratings: [{ answer: 0, axis: 'tone', value: 3 }],
      marks: [{ answer: 1, start: 0, end: 3, label: 'good' }],
    }),
  },
};
export function importFile(path: string, name: string, stamp: string): string {
  writeFileSync(path, Array.from({ length: ROWS }, (_, i) => JSON.stringify(IMPORTS[name]!.row(i, stamp))).join('\n'));
  return path;
}
/** How many prompts, answers, rankings, ratings and marks a whole file of each kind brings. */
const WHOLE: Readonly<Record<string, number[]>> = {
  prompts: [ROWS, 0, 0, 0, 0],
  completions: [ROWS / 2, ROWS, 0, 0, 0],
  rankings: [ROWS, 2 * ROWS, ROWS, 0, 0],
  judgements: [ROWS, 2 * ROWS, ROWS, ROWS, ROWS],
};

/** The project that version 0.1.0 made, as the old program closed it. */
function layOutFixture(folder: string): void {
  const source = resolve('tests', 'fixtures', 'project-0-1-0');
  for (const part of ['models', 'runs']) cpSync(join(source, part), join(folder, part), { recursive: true });
  mkdirSync(join(folder, 'exports'));
  writeFileSync(join(folder, 'project.db'), gunzipSync(readFileSync(join(source, 'project.db.gz'))));
}
const TABLES = ['prompts', 'completions', 'rankings', 'ratings', 'marks', 'events', 'policies', 'runs'];
const countsOf = (db: Database.Database): number[] =>
  TABLES.map((table) => db.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number);

interface Work {
  /** milliseconds after 'ready' within which the kill comes */
  within: number;
  /** lays out what is worked at; `again`: after a kill */
  layOut(folder: string, again: boolean): void;
  /** what is wrong after a kill, given all lines that were confirmed since the first */
  judge(project: Project, said: readonly string[][]): string[];
  /** the project may not be there at all */
  mayLack?: true;
}

const once =
  (make: (folder: string) => void) =>
  (folder: string, again: boolean): void => {
    if (!again) make(folder);
  };

export const WORK: Readonly<Record<Kind, Work>> = {
  labelling: {
    within: 400,
    layOut: once((folder) => {
      const project = createProject(folder);
      const ids = addPrompts(
        project,
        Array.from({ length: PROMPTS }, (_, i) => ({
          text: `Question ${i}?`,
          split: 'train' as const,
          source: 'test',
        })),
      );
      addCompletions(
        project,
        ids.flatMap((promptId) =>
          Array.from({ length: 4 }, (_, k) => ({
            promptId,
            policyId: null,
            text: `Answer ${k} to ${promptId}.`,
            tokenIds: [],
            logprobs: [],
            samplingLogprobs: [],
            finish: 'stop' as const,
            runId: null,
            sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 0, seed: 0 },
          })),
        ),
      );
      ensureLabeler(project, 'ada', 'person');
      setSetting(project, 'window', { repeats: 0 });
      project.close();
    }),
    judge: (project, said) => {
      const found = new Map(listRankings(project, { labelerId: 1 }).map(({ itemId, ranks }) => [itemId, ranks]));
      const text = (ranks: Rank[]) => JSON.stringify(ranks.toSorted((a, b) => a.completionId - b.completionId));
      const confirmed = said
        .filter(([word]) => word === 'ranked')
        .map(([, item, ranks]) => [Number(item), JSON.parse(ranks!) as Rank[]] as const);
      return confirmed
        .filter(([item, ranks]) => text(found.get(item) ?? []) !== text(ranks))
        .map(([item]) => `the ranking of item ${item} was confirmed and is not there`);
    },
  },
  import: {
    within: 2500,
    layOut: once((folder) => createProject(folder).close()),
    judge: (project, said) => {
      const stamps = query<{ stamp: string }>(
        project,
        "SELECT DISTINCT substr(text, 1, instr(text, ' ') - 1) AS stamp FROM prompts",
      )
        .all()
        .map(({ stamp }) => stamp);
      const confirmed = new Map(said.filter(([word]) => word === 'imported').map(([, name, stamp]) => [stamp!, name!]));
      const of = (stamp: string) =>
        [
          'prompts p',
          'completions c JOIN prompts p ON p.id = c.prompt_id',
          'rankings r JOIN prompts p ON p.id = r.prompt_id',
          'ratings a JOIN completions c ON c.id = a.completion_id JOIN prompts p ON p.id = c.prompt_id',
          'marks m JOIN completions c ON c.id = m.completion_id JOIN prompts p ON p.id = c.prompt_id',
        ].map(
          (from) =>
            query<{ n: number }>(project, `SELECT count(*) AS n FROM ${from} WHERE p.text LIKE ?`).get(`${stamp} %`)!.n,
        );
      const journals = query(project, "SELECT 1 FROM settings WHERE name GLOB 'importing/*'").all().length;
      return [
        ...[...confirmed.keys()]
          .filter((stamp) => !stamps.includes(stamp))
          .map((stamp) => `the import ${stamp} was confirmed and is not there`),
        ...stamps
          .filter((stamp) => !Object.values(WHOLE).some((counts) => counts.join() === of(stamp).join()))
          .map((stamp) => `the import ${stamp} is half there: ${of(stamp).join()}`),
        ...(query<{ n: number }>(project, "SELECT count(*) AS n FROM events WHERE kind = 'import'").get()!.n ===
        stamps.length
          ? []
          : ['an import has no event, or an event no import']),
        ...(journals > 0 ? ['an import is still open'] : []),
      ];
    },
  },
  demo: {
    within: 2000,
    mayLack: true,
    layOut: (folder) => rmSync(folder, { recursive: true, force: true }),
    judge: (project) => {
      const bytes = (at: string) => readFileSync(join(at, 'model.safetensors'));
      const whole =
        query<{ n: number }>(project, 'SELECT count(*) AS n FROM prompts').get()!.n > 1000 &&
        bytes(join(project.folder, 'models', 'base')).equals(bytes(resolve('resources', 'demo', 'base')));
      const state = getSetting<{ toStart?: true; waitingFor: string | null } | null>(project, 'demo', null);
      return [
        ...(whole ? [] : ['the demo is half made']),
        ...(state && (state.toStart || state.waitingFor) ? [] : ['its runs are neither started nor to be started']),
      ];
    },
  },
  export: {
    within: 4000,
    layOut: once((folder) => {
      layOutFixture(folder);
      openProject(folder, { write: true }).close();
    }),
    judge: (project, said) => {
      const exports = join(project.folder, 'exports');
      const names = existsSync(exports) ? readdirSync(exports) : [];
      const rows = query<{ n: number }>(project, 'SELECT count(*) AS n FROM prompts').get()!.n;
      const problems = names.flatMap((name) => {
        const place = join(exports, name);
        if (name.endsWith('.jsonl'))
          return readFileSync(place, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as unknown).length === rows
            ? []
            : [`the export ${name} is not whole`];
        return ['config.json', 'model.safetensors'].every((file) => existsSync(join(place, file))) &&
          [...readSafetensors(join(place, 'model.safetensors')).tensors.values()].every(
            (tensor) => tensor.load().length > 0,
          )
          ? []
          : [`the model ${name} is not whole`];
      });
      const lost = said
        .filter(([word]) => word === 'exported' || word === 'model')
        .filter(([, place]) => !existsSync(place!))
        .map(([, place]) => `${place} was confirmed and is not there`);
      return [
        ...problems,
        ...lost,
        ...describeBackups(project.folder).flatMap(({ name, problem }) =>
          problem ? [`the backup ${name}: ${problem}`] : [],
        ),
      ];
    },
  },
  checkpoint: {
    within: 1200,
    layOut: once((folder) => {
      layOutFixture(folder);
      openProject(folder, { write: true }).close();
    }),
    judge: (project, said) => {
      const runs = query<{ id: string }>(project, "SELECT id FROM runs WHERE status = 'running'").all();
      return runs.flatMap(({ id }) => {
        const steps = said.filter(([word, , run]) => word === 'step' && run === id).map(([, step]) => Number(step));
        const reached = Math.max(0, ...steps);
        const folder = join(project.folder, 'runs', id, 'checkpoints');
        const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.safetensors')) : [];
        const saved = names.map((name) => Number(readSafetensors(join(folder, name)).metadata.step));
        return Math.max(0, ...saved) >= reached - 1
          ? []
          : // it is saved after it is told
            [`step ${reached} was reached, and the newest checkpoint is of ${Math.max(0, ...saved)}`];
      });
    },
  },
  migration: {
    within: 150,
    layOut: (folder) => {
      rmSync(folder, { recursive: true, force: true });
      mkdirSync(folder, { recursive: true });
      layOutFixture(folder);
    },
    judge: (project) => {
      const old = new Database(
        gunzipSync(readFileSync(resolve('tests', 'fixtures', 'project-0-1-0', 'project.db.gz'))),
      );
      try {
        const before = countsOf(old);
        const after = countsOf(project.db);
        const backups = describeBackups(project.folder);
        return [
          ...(before.join() === after.join() ? [] : [`rows were ${before.join()} and are ${after.join()}`]),
          ...(project.db.pragma('user_version', { simple: true }) === MIGRATIONS.length
            ? []
            : ['it is not up to date']),
          ...(backups.length > 0 && backups.every(({ problem }) => problem === null)
            ? []
            : ['its backup of before is not sound']),
        ];
      } finally {
        old.close();
      }
    },
  },
};

const HALF = /\.(?:part|tmp|partial)$|\.(?:writing|replaced|new)-\d|^project\.(?:lock|db-wal|db-shm)$/;

/** Opens what a kill left at once, judges it, and closes it. */
export function judge(kind: Kind, folder: string, said: readonly string[][]): string[] {
  const work = WORK[kind];
  if (!existsSync(folder) && work.mayLack)
    return said.some(([word]) => word === 'made') ? ['it was confirmed and is not there'] : [];
  const project = openProject(folder, { write: true });
  try {
    return [...checkProject(project), ...work.judge(project, said)];
  } finally {
    project.close();
  }
}

/** What nobody waits for, once all that was at work has ended and the project was opened and closed. */
export function leftHalfMade(folder: string): string[] {
  if (!existsSync(folder)) return [];
  openProject(folder, { write: true }).close();
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => HALF.test(name.split(/[/\\]/).at(-1)!))
    .map((name) => `${name} was left half made`);
}
