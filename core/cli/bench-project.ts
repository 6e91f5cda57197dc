// The bench of a big project: builds one from the demo world's words, then times what the window asks for most.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { SampleSort } from '#core/contract/samples.ts';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import type { Random } from '#core/random.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { deskHandlers } from '#core/service/desk/desk.ts';
import type { Context } from '#core/service/handlers.ts';
import { projectSummary } from '#core/service/project-summary.ts';
import { promptHandlers } from '#core/service/data/prompts.ts';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { addCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { createProject, openProject } from '#core/store/database.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy } from '#core/store/policies.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRankings } from '#core/store/rankings.ts';
import type { NewRanking } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { measureForm } from './bench-estimates.ts';

export interface BigProject {
  prompts: number;
  perPrompt: number;
  rankings: number;
}

const AT_ONCE = 2000; // prompts in one transaction
const SUBMITS = 200; // of each queue: a thousand in all, for what is rare is what annoys
const SEED = 1;
const SAMPLING = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: SEED };
const single = Math.fround;

/** A text of the demo world with made-up tokens: one a word, some of them repeated, each with a log-probability. */
function completionOf(
  promptId: number,
  policyId: number,
  step: number | null,
  text: string,
  ends: boolean,
  random: Random,
): NewCompletion {
  const words = text.split(' ');
  const tokenIds = words.map((word) =>
    [...word].reduce((id, character) => (id * 31 + character.charCodeAt(0)) % 4096, 7),
  );
  const logprobs = tokenIds.map(() => single(Math.log(0.05 + 0.95 * random.uniform())));
  return {
    promptId,
    policyId,
    text,
    tokenIds,
    logprobs,
    samplingLogprobs: logprobs,
    finish: ends ? 'stop' : 'length',
    sampling: SAMPLING,
    runId: null,
    step,
  };
}

/**
 * Waits until the disk holds the file, as it does after a real import: building goes without, and the first submit
 * would pay.
 */
function settleOnDisk(file: string): void {
  const fd = fs.openSync(file, 'r+');
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

/**
 * A project of this size: prompts, completions by three policies with scores and reference log-probabilities, rankings
 * by two labelers.
 */
export function buildBigProject(
  folder: string,
  { prompts, perPrompt, rankings }: BigProject,
  tell: (line: string) => void,
): void {
  const project = createProject(folder);
  try {
    project.db.pragma('synchronous = OFF'); // it is thrown away if the machine stops
    project.db.pragma('cache_size = -262144');
    addRun(project, { id: '0001-ppo', kind: 'ppo', name: 'ppo', status: 'done' });
    const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
    const tuned = addPolicy(project, { name: 'sft', kind: 'policy', path: 'models/sft', parentId: base });
    const policy = addPolicy(project, { name: 'ppo', kind: 'policy', path: 'models/ppo', parentId: tuned });
    const reward = addPolicy(project, { name: 'reward', kind: 'reward', path: 'models/reward', parentId: tuned });
    const labelers = ['ada', 'bob'].map((name) => ensureLabeler(project, name, 'person').id);
    const random = createRandom(SEED, 'bench/project');
    for (let at = 0; at < prompts; at += AT_ONCE) {
      const count = Math.min(AT_ONCE, prompts - at);
      transaction(project, () => {
        const facts = Array.from({ length: count }, () => drawRecord(random));
        const split = (i: number) => ((at + i) % 10 === 0 ? ('validation' as const) : ('train' as const));
        const promptIds = addPrompts(
          project,
          facts.map((record, i) => ({
            text: writePost(record, random),
            split: split(i),
            source: 'demo',
            facts: record,
          })),
        );
        const rows = promptIds.flatMap((promptId, i) =>
          Array.from({ length: perPrompt }, () => {
            const { text, ends } = writeSummary(facts[i]!, random);
            return completionOf(promptId, [base, tuned, policy][(at + i) % 3]!, null, text, ends, random);
          }),
        );
        const ids = addCompletions(project, rows);
        setMeasures(
          project,
          ids.flatMap((completionId, i) => [
            { completionId, modelId: reward, score: single(random.normal()) },
            {
              completionId,
              modelId: base,
              tokenLogprobs: rows[i]!.logprobs.map((value) => single(value - 0.2 * random.uniform())),
            },
          ]),
        );
        addRankings(
          project,
          promptIds.slice(0, Math.max(0, Math.min(count, rankings - at))).map((promptId, i): NewRanking => {
            const own = ids.slice(i * perPrompt, (i + 1) * perPrompt);
            return {
              promptId,
              labelerId: labelers[(at + i) % 2]!,
              status: 'ranked',
              shownOrder: own,
              durationMs: 20_000 + 1000 * random.integer(60),
              ranks: own.map((completionId) => ({ completionId, rank: 1 + random.integer(4) })),
            };
          }),
        );
      });
      if ((at / AT_ONCE) % 10 === 9) tell(`  ${Math.min(prompts, at + AT_ONCE).toLocaleString('en')} prompts`);
    }
    settleItems(project); // what the service does in its idle moments
  } finally {
    project.close();
  }
  settleOnDisk(path.join(folder, 'project.db'));
}

/** Milliseconds: the middle one, the one that one in twenty exceeds, and the longest. */
export interface Times {
  times: number;
  p50: number;
  p95: number;
  max: number;
}

function summarise(list: readonly number[]): Times {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { times: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1)! };
}

async function timed(times: number, work: (i: number) => unknown): Promise<Times> {
  const list: number[] = [];
  for (let i = 0; i < times; i++) {
    const started = performance.now();
    await work(i);
    list.push(performance.now() - started);
  }
  return summarise(list);
}

/** A context as the service gives it, with nobody listening. */
const contextOf = (project: Project): Context => ({
  project,
  emit: () => {},
  home: os.tmpdir(),
  closing: new AbortController().signal,
  preferences: {
    theme: 'system',
    keys: {},
    layout: 'stack',
    advance: true,
    sidebar: true,
    recent: [],
    lastFolder: null,
    device: 'auto',
  },
  changePreferences: () => {
    throw new TastemakerError('runtime', 'A bench changes no preferences.', 'Measure something else.');
  },
  get runs(): Context['runs'] {
    throw new TastemakerError('runtime', 'A bench has no runs.', 'Measure something else.');
  },
  get inspector(): Context['inspector'] {
    throw new TastemakerError('runtime', 'This bench asks no models.', 'Measure something else.');
  },
  get finder(): Context['finder'] {
    throw new TastemakerError('runtime', 'This bench asks for no findings.', 'Measure something else.');
  },
});

const WORDS = [
  'sister',
  'guitar',
  'in the kitchen',
  'lawyer',
  'we do not talk',
  'telescope',
  'brother broke',
  'yesterday',
  'TL;DR',
  'pls halp',
  'my boss',
  'zebra',
];
const SORTS: readonly SampleSort[] = ['id', 'score', 'length', 'kl', 'repetition', 'step', 'logprob'];

type Figures = Record<string, Times>;

/** Prompts: search, and pages of the list. */
async function measurePrompts(context: Context, total: number, random: Random): Promise<Figures> {
  return {
    search: await timed(3 * WORDS.length, (i) =>
      promptHandlers['search.find'](context, { text: WORDS[i % WORDS.length]!, limit: 50 }),
    ),
    'prompts, any page': await timed(30, () =>
      promptHandlers['prompts.page'](context, { offset: random.integer(total), limit: 100 }),
    ),
    'prompts with a text, any page': await timed(24, (i) =>
      promptHandlers['prompts.page'](context, {
        search: WORDS[i % WORDS.length]!,
        offset: random.integer(2000),
        limit: 100,
      }),
    ),
  };
}

/** Samples: in every order, and filtered. */
async function measureSamples(context: Context, completions: number, random: Random): Promise<Figures> {
  const page = (asked: Omit<Parameters<(typeof sampleHandlers)['samples.page']>[1], 'limit'>) =>
    sampleHandlers['samples.page'](context, { ...asked, limit: 100 });
  const figures: Figures = {};
  for (const sort of SORTS) {
    for (const descending of [true, false]) await page({ filter: {}, sort, descending, offset: 0 }); // the first counts
    figures[`samples by ${sort}, any page`] = await timed(30, (i) =>
      page({ filter: {}, sort, descending: i % 2 === 0, offset: random.integer(completions) }),
    );
  }
  figures['samples of a policy by score'] = await timed(6, (i) =>
    page({ filter: { policyId: 1 + (i % 3) }, sort: 'score', descending: true, offset: 0 }),
  );
  figures['samples within two ranges'] = await timed(6, (i) =>
    page({ filter: { length: [10, 20 + i], repetition: [0.1, 1] }, sort: 'length', descending: true, offset: 0 }),
  );
  figures['samples with a text'] = await timed(WORDS.length, (i) =>
    page({ filter: { search: WORDS[i]! }, sort: 'id', descending: true, offset: 0 }),
  );
  return figures;
}

/** The desk: the next item of every queue, and what is done with it. */
async function measureDesk(context: Context, labelerId: number): Promise<Figures> {
  const figures: Figures = {};
  const submits: number[] = [];
  for (const queue of ['sequential', 'shuffled', 'newest', 'uncertain', 'disagrees'] as const) {
    const waits: number[] = [];
    for (let i = 0; i < SUBMITS; i++) {
      const asked = performance.now();
      const item = await deskHandlers['desk.item'](context, { labelerId, queue });
      waits.push(performance.now() - asked);
      if (!item) continue;
      const { itemId } = item;
      const started = performance.now();
      const ranks = item.answers.map(({ completionId }, place) => ({ completionId, rank: place + 1 }));
      await deskHandlers['desk.draft'](context, { labelerId, itemId, changes: { ranks }, durationMs: 1000 });
      await deskHandlers['desk.submit'](context, { labelerId, itemId, status: 'ranked', durationMs: 2000 });
      submits.push(performance.now() - started);
    }
    figures[`next item, ${queue}`] = summarise(waits);
  }
  if (submits.length > 0) figures['draft and submit'] = summarise(submits);
  return figures;
}

/** Times opening, searching, paging, filtering and labelling in the project at `folder`. Milliseconds. */
export async function measureProject(folder: string): Promise<Figures> {
  const open = await timed(3, () => {
    const opened = openProject(folder, { write: true });
    projectSummary(opened);
    opened.close();
  });
  const figures: Figures = { open };
  const project = openProject(folder, { write: true });
  try {
    const context = contextOf(project);
    const random = createRandom(SEED, 'bench/offsets');
    const { prompts, completions } = projectSummary(project);
    const total = prompts.train + prompts.validation + prompts.test;
    Object.assign(figures, await measurePrompts(context, total, random));
    Object.assign(figures, await measureSamples(context, completions, random));
    Object.assign(figures, await measureDesk(context, ensureLabeler(project, 'carol', 'person').id));
  } finally {
    project.close();
  }
  const { waits, holds } = await measureForm(folder);
  figures['estimate, a form being changed'] = summarise(waits);
  figures["the service's thread held by an estimate"] = summarise(holds.map(({ wall }) => wall));
  return figures;
}

export interface ProjectFigures extends BigProject {
  builtInSeconds: number;
  megabytes: number;
  milliseconds: Record<string, Times>;
}

/**
 * Builds the project in `out` (a temporary folder where none is given, which is removed afterwards) and measures it.
 */
export async function benchProject(
  size: BigProject,
  out: string | null,
  tell: (line: string) => void,
): Promise<ProjectFigures> {
  const place = out ?? fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  const folder = path.join(place, 'big.tastemaker');
  try {
    const started = performance.now();
    if (!fs.existsSync(path.join(folder, 'project.db'))) {
      buildBigProject(folder, size, tell);
    }
    const builtInSeconds = (performance.now() - started) / 1000;
    const megabytes = fs.statSync(path.join(folder, 'project.db')).size / 1e6;
    return { ...size, builtInSeconds, megabytes, milliseconds: await measureProject(folder) };
  } finally {
    if (out === null) fs.rmSync(place, { recursive: true, force: true });
  }
}
