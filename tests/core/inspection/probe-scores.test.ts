// Probes measured under reward models: planted rewards give the known differences, a portion at a time, once for the
// same weights; what cannot be measured is a sentence.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { applyProbe, readProbe } from '#core/findings/probe-edits.ts';
import type { Probe } from '#core/findings/probe-edits.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { probeScores } from '#core/inspection/probe-scores.ts';
import type { ProbeAnswer } from '#core/inspection/probe-scores.ts';
import { probedSamples, probeTable } from '#core/inspection/probe-table.ts';
import { addPolicy, getPolicy, policyPath, removePolicy } from '#core/store/policies.ts';
import { addProbe, expectOfProbe, keepProbed, listProbes } from '#core/store/probes.ts';
import type { Project } from '#core/store/project.ts';
import { createProject } from '#core/store/database.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import {
  addLengthReward,
  CONTEXT,
  errorFrom,
  makeTinyProject,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const models = createHeldModels({ limit: Infinity });
let project: Project;
const idOf = (name: string): number => getPolicy(project, name).id;

beforeAll(async () => {
  project = await makeTinyProject(fresh());
  addLengthReward(project, 'longer', 1);
  addLengthReward(project, 'shorter', -1);
  addProbe(project, { kind: 'replace', parameters: { search: 'no such words', put: '' }, expected: null });
});
afterAll(() => project.close());

const ask = (modelId: number, most = Infinity): Promise<ProbeAnswer> =>
  probeScores(models, { projectFolder: project.folder, modelId, most });
async function measure(name: string): Promise<void> {
  keepProbed(project, await ask(idOf(name)));
}
const table = () => probeTable(project, () => ({ state: 'waiting', fault: null }));
const cell = (kind: string, name: string) => {
  const probe = table().probes.find((row) => row.kind === kind)!;
  return table().cells.find(({ probeId, modelId }) => probeId === probe.id && modelId === idOf(name))!;
};

test('a portion at a time, each answer whole, until nothing is left; then nothing is scored twice', async () => {
  const probes = listProbes(project).length;
  const first = await ask(idOf('longer'), 20);
  expect(first.samples).toHaveLength(28); // one of each train prompt: six validation prompts are too few
  expect(first.scores.length % probes).toBe(0);
  expect(first.scores.length + first.left).toBe(28 * probes);
  keepProbed(project, first);
  expect(table().models.find(({ name }) => name === 'longer')).toMatchObject({
    state: 'waiting',
    done: first.scores.length,
    total: 28 * probes,
  });
  const rest = await ask(idOf('longer'));
  expect([rest.scores.length, rest.left]).toEqual([first.left, 0]);
  keepProbed(project, rest);
  expect(table().models.find(({ name }) => name === 'longer')).toMatchObject({ state: 'measured', notes: [] });
  expect((await ask(idOf('longer'))).scores).toEqual([]);
});

test('a reward that knows nothing but the length gives the difference that the lengths say, sample by sample', async () => {
  await measure('longer');
  const tokenizer = await loadTokenizer(policyPath(project, getPolicy(project, 'base')));
  const scoreOf = (tokens: number): number => 10 * Math.sin(((tokens - 1) / CONTEXT - 0.5) * 2);
  const probe = table().probes.find(({ kind }) => kind === 'append')!;
  const { samples, leftOut } = probedSamples(project, { probeId: probe.id, modelId: idOf('longer') });
  expect(samples.length + leftOut).toBe(28);
  expect(samples.length).toBeGreaterThan(20);
  for (const { prompt, text, edited, original, score } of samples) {
    const [asked, before, after] = await tokenizer.encodeBatch([prompt, prompt + text, prompt + edited]);
    expect(after!.length).toBeGreaterThan(asked!.length);
    expect(original).toBeCloseTo(scoreOf(before!.length), 4);
    expect(score).toBeCloseTo(scoreOf(after!.length), 4);
  }
  const differences = samples.map(({ original, score }) => score - original);
  expect(differences).toEqual(differences.toSorted((a, b) => b - a)); // nobody said what it should do
  const { difference, n } = cell('append', 'longer');
  expect(n).toBe(samples.length);
  expect(difference!.mean).toBeCloseTo(differences.reduce((a, b) => a + b, 0) / n, 10);
  expect(difference!.low).toBeGreaterThan(0);
});

test('the two rewards for length are each other’s opposite; the wrong way is as a person says', async () => {
  await measure('longer');
  await measure('shorter');
  for (const kind of ['append', 'lengthen', 'shorten'])
    expect(cell(kind, 'shorter').difference!.mean).toBeCloseTo(-cell(kind, 'longer').difference!.mean, 6);
  expect(cell('shorten', 'longer').difference!.high).toBeLessThan(0);
  const { id } = table().probes.find(({ kind }) => kind === 'lengthen')!;
  expect(cell('lengthen', 'longer').wrong).toBeNull();
  expectOfProbe(project, id, 'fall');
  expect([cell('lengthen', 'longer').wrong!.share, cell('lengthen', 'shorter').wrong!.share]).toEqual([1, 0]);
  expect(cell('lengthen', 'shorter').wrong!.high).toBeGreaterThan(0);
  const { samples } = probedSamples(project, { probeId: id, modelId: idOf('longer') });
  expect(samples.every(({ wrong }) => wrong)).toBe(true);
});

test('an edit that applies to nothing has no difference, and a model with the same weights is measured already', async () => {
  await measure('longer');
  expect(cell('replace', 'longer')).toMatchObject({ n: 0, difference: null, wrong: null });
  const copy = `${policyPath(project, getPolicy(project, 'longer'))}-copy`;
  fs.cpSync(policyPath(project, getPolicy(project, 'longer')), copy, { recursive: true });
  const id = addPolicy(project, { name: 'copy', kind: 'reward', path: copy });
  const found = await ask(id);
  expect([found.scores, found.left]).toEqual([[], 0]);
  keepProbed(project, found);
  expect(table().models.find(({ name }) => name === 'copy')).toMatchObject({ state: 'measured' });
  fs.appendFileSync(path.join(copy, 'config.json'), '\n'); // its files are other ones: nobody knows its weights now
  expect(table().models.find(({ name }) => name === 'copy')).toMatchObject({ state: 'waiting', done: 0 });
  removePolicy(project, id);
});

test('an edit that is longer than the model reads is left out', async () => {
  const added = { kind: 'append', parameters: { text: 'please '.repeat(60) }, expected: null };
  const probeId = addProbe(project, added);
  await measure('longer');
  const probe = readProbe(added.kind, added.parameters) as Probe;
  const { samples, leftOut } = probedSamples(project, { probeId, modelId: idOf('longer') });
  expect([samples.length, leftOut]).toEqual([0, 28]);
  expect(applyProbe(probe, { prompt: '', text: 'a' })).not.toBeNull();
});

test('what is no reward model, and what has gone, is said', async () => {
  expect((await errorFrom(() => ask(idOf('base')))).message).toBe('“base” gives no scores: it is no reward model.');
  const gone = addPolicy(project, { name: 'gone', kind: 'reward', path: 'models/gone' });
  expect((await errorFrom(() => ask(gone))).message).toMatch(/^“gone” gives no scores: .*models.gone/);
  removePolicy(project, gone);
});

test('a project without answers has nothing to measure on, and says so', () => {
  const empty = createProject(fresh());
  expect(probeTable(empty, () => ({ state: 'waiting', fault: null }))).toMatchObject({
    models: [],
    cells: [],
    samples: { count: 0, writers: [] },
  });
  empty.close();
});
