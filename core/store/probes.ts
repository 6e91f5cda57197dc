// Probes of a project: what each is, the answers that they are measured on, and what reward models gave to those.
//
// A score belongs to the weights that gave it, by their hash: a model that is removed and added again finds its own.

import type { ProbeExpected } from '#core/contract/probes.ts';
import { createRandom } from '#core/random.ts';
import { insertMany, query, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';

export interface StoredProbe {
  id: number;
  kind: string;
  parameters: Record<string, string | number>;
  expected: ProbeExpected | null;
}

/** What the weights of a model are, as long as its files have this stamp. */
export interface ProbedWeights {
  modelId: number;
  stamp: string;
  /** SHA-256 of the weights */
  hash: string;
  /** hash of the tokenizer beside them */
  tokenizer: string;
  /** how most of its numbers are packed */
  packing: string;
}

export interface ProbeScore {
  probeId: number;
  completionId: number;
  /** null where the edit does not apply, or what comes of it is longer than the model reads */
  scores: { original: number; edited: number } | null;
}

/** Answers that probes are measured on, one a prompt. */
export const MOST_PROBED = 128;
/** From so many on those to validation prompts are enough by themselves. */
const ENOUGH = 32;
export const PROBE_SEED = 1;

type Row = Omit<StoredProbe, 'parameters'> & { parameters: string };

/** Oldest first. */
export const listProbes = (project: Project): StoredProbe[] =>
  query<Row>(project, 'SELECT id, kind, parameters, expected FROM probes ORDER BY id')
    .all()
    .map(({ parameters, ...row }) => ({ ...row, parameters: JSON.parse(parameters) as StoredProbe['parameters'] }));

/** Adds a probe; returns its id. Where there is the same one already it is that, and expects what is said now. */
export function addProbe(project: Project, { kind, parameters, expected }: Omit<StoredProbe, 'id'>): number {
  return transaction(project, () => {
    const json = JSON.stringify(parameters);
    query(
      project,
      `INSERT INTO probes (kind, parameters, expected, created_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (kind, parameters) DO UPDATE SET expected = coalesce(excluded.expected, expected)`,
    ).run(kind, json, expected, Date.now());
    return query<{ id: number }>(project, 'SELECT id FROM probes WHERE kind = ? AND parameters = ?').get(kind, json)!
      .id;
  });
}

/** 'bad-data' where there is no such probe. */
export function requireProbe(project: Project, id: number): StoredProbe {
  const found = listProbes(project).find((probe) => probe.id === id);
  requireThat(found !== undefined, `There is no probe ${id} in this project.`, 'It may have been removed; look again.');
  return found;
}

/** Says how people think that scores should move; null takes it back. 'bad-data' where there is no such probe. */
export function expectOfProbe(project: Project, id: number, expected: ProbeExpected | null): void {
  transaction(project, () => {
    requireProbe(project, id);
    query(project, 'UPDATE probes SET expected = ? WHERE id = ?').run(expected, id);
  });
}

/** With what was measured of it. 'bad-data' where there is no such probe. */
export function removeProbe(project: Project, id: number): void {
  transaction(project, () => {
    requireProbe(project, id);
    query(project, 'DELETE FROM probes WHERE id = ?').run(id);
  });
}

/** Ids of the answers that probes are measured on, ascending. */
export const probeSamples = (project: Project): number[] =>
  query<{ id: number }>(project, 'SELECT completion_id AS id FROM probe_samples ORDER BY completion_id')
    .all()
    .map(({ id }) => id);

/** Before any other id of this stream, or after it: one number an id, so that what comes later moves nothing. */
const lot = (what: string, id: number): number => createRandom(PROBE_SEED, `probe ${what} ${id}`).uniform();

function drawnFrom(project: Project, split: 'train' | 'validation'): number[] {
  const rows = query<{ id: number; promptId: number }>(
    project,
    `SELECT c.id, c.prompt_id AS promptId FROM completions c JOIN prompts p ON p.id = c.prompt_id
    WHERE p.split = ? AND c.step IS NULL AND trim(c.text) <> '' ORDER BY c.id`,
  ).all(split);
  const prompts = [...Map.groupBy(rows, ({ promptId }) => promptId)]
    .map(([promptId, own]) => ({ place: lot('prompt', promptId), own }))
    .sort((a, b) => a.place - b.place)
    .slice(0, MOST_PROBED);
  const least = (own: { id: number }[]) =>
    own.map(({ id }) => ({ id, place: lot('answer', id) })).reduce((a, b) => (b.place < a.place ? b : a)).id;
  return prompts.map(({ own }) => least(own)).sort((a, b) => a - b);
}

/**
 * Draws the answers that probes are measured on: by seed one of each of up to MOST_PROBED prompts, none that was
 * written during training and none to a test prompt. Of the validation split where it has enough, else of the split
 * that has more. What was drawn before stays unless there are more now.
 */
export function drawProbeSamples(project: Project): number[] {
  const before = probeSamples(project);
  if (before.length >= MOST_PROBED) return before;
  const validation = drawnFrom(project, 'validation');
  const train = validation.length >= ENOUGH ? [] : drawnFrom(project, 'train');
  const drawn = train.length > validation.length ? train : validation;
  return drawn.length > before.length ? drawn : before;
}

/** An answer that probes are measured on. */
export interface ProbeSample {
  id: number;
  promptId: number;
  split: 'train' | 'validation' | 'test';
  prompt: string;
  text: string;
  policyId: number | null;
  /** hash of the tokenizer of its ids; null where nobody knows */
  tokenizer: string | null;
}

/** Those of these ids that are still there. */
export const probeAnswers = (project: Project, ids: readonly number[]): ProbeSample[] =>
  query<ProbeSample>(
    project,
    `SELECT c.id, c.prompt_id AS promptId, p.split, p.text AS prompt, c.text, c.policy_id AS policyId, c.tokenizer
    FROM completions c JOIN prompts p ON p.id = c.prompt_id WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.id`,
  ).all(JSON.stringify(ids));

/** By model. */
export const probedWeights = (project: Project): Map<number, ProbedWeights> =>
  new Map(
    query<ProbedWeights>(project, 'SELECT model_id AS modelId, stamp, hash, tokenizer, packing FROM probed_models')
      .all()
      .map((row) => [row.modelId, row]),
  );

interface ScoreRow {
  probeId: number;
  completionId: number;
  original: number | null;
  edited: number | null;
}
const scoreOf = ({ probeId, completionId, original, edited }: ScoreRow): ProbeScore => ({
  probeId,
  completionId,
  scores: original === null || edited === null ? null : { original, edited },
});

/** What these weights gave to the answers that probes are measured on now. */
export const probeScores = (project: Project, hash: string): ProbeScore[] =>
  query<ScoreRow>(
    project,
    `SELECT s.probe_id AS probeId, s.completion_id AS completionId, s.original, s.edited
    FROM probe_scores s JOIN probe_samples a ON a.completion_id = s.completion_id WHERE s.hash = ?`,
  )
    .all(hash)
    .map(scoreOf);

/** All that these weights were measured on, also of answers that are drawn no more. */
export const allProbeScores = (project: Project, hash: string): ProbeScore[] =>
  query<ScoreRow>(
    project,
    'SELECT probe_id AS probeId, completion_id AS completionId, original, edited FROM probe_scores WHERE hash = ?',
  )
    .all(hash)
    .map(scoreOf);

/** What was measured of a model: its weights, the answers that were drawn, and scores of some. */
export interface Probed {
  weights: ProbedWeights;
  samples: readonly number[];
  scores: readonly ProbeScore[];
}

/** Keeps it; of probes, answers and models that have gone meanwhile nothing. */
export function keepProbed(project: Project, { weights, samples, scores }: Probed): void {
  transaction(project, () => {
    const before = probeSamples(project);
    if (before.length !== samples.length || before.some((id, i) => id !== samples[i])) {
      query(project, 'DELETE FROM probe_samples').run();
      query(
        project,
        `INSERT INTO probe_samples (completion_id) SELECT id FROM completions
        WHERE id IN (SELECT value FROM json_each(?))`,
      ).run(JSON.stringify(samples));
    }
    const { modelId, stamp, hash, tokenizer, packing } = weights;
    query(
      project,
      `INSERT INTO probed_models (model_id, stamp, hash, tokenizer, packing) SELECT id, ?, ?, ?, ? FROM policies
      WHERE id = ? ON CONFLICT (model_id) DO UPDATE SET stamp = excluded.stamp, hash = excluded.hash,
      tokenizer = excluded.tokenizer, packing = excluded.packing`,
    ).run(stamp, hash, tokenizer, packing, modelId);
    const probes = new Set(listProbes(project).map(({ id }) => id));
    const there = new Set(
      probeAnswers(
        project,
        scores.map(({ completionId }) => completionId),
      ).map(({ id }) => id),
    );
    insertMany(
      project,
      'probe_scores',
      ['probe_id', 'hash', 'completion_id', 'original', 'edited'],
      scores
        .filter(({ probeId, completionId }) => probes.has(probeId) && there.has(completionId))
        .map(({ probeId, completionId, scores: given }) => [
          probeId,
          hash,
          completionId,
          given?.original ?? null,
          given?.edited ?? null,
        ]),
      'ON CONFLICT DO NOTHING',
    );
  });
}
