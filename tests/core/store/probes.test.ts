// Probes of a project: what is there from the start, answers drawn by seed, scores kept by the hash of the weights.

import { expect, test } from 'vitest';
import { readProbe } from '#core/findings/probe-edits.ts';
import { addCompletions, deleteCompletions } from '#core/store/completions.ts';
import { checkProject, createProject, openProject } from '#core/store/database.ts';
import { addPolicy, removePolicy } from '#core/store/policies.ts';
import {
  addProbe,
  drawProbeSamples,
  expectOfProbe,
  keepProbed,
  listProbes,
  MOST_PROBED,
  probeAnswers,
  probedWeights,
  probeSamples,
  probeScores,
  removeProbe,
} from '#core/store/probes.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { errorOf, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
type Split = 'train' | 'validation' | 'test';

/** Prompts of a split with these answers each; returns the ids of the answers. */
function answered(
  project: Project,
  split: Split,
  count: number,
  texts: string[],
  step: number | null = null,
): number[] {
  const prompts = addPrompts(
    project,
    Array.from({ length: count }, (_, i) => ({ text: `${split} ${i} ${step} ${texts.join()}`, split, source: 'test' })),
  );
  return addCompletions(
    project,
    prompts.flatMap((promptId) =>
      texts.map((text) => ({
        promptId,
        policyId: null,
        text,
        tokenIds: [],
        logprobs: [],
        samplingLogprobs: [],
        finish: 'stop' as const,
        sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 8, seed: 1 },
        runId: null,
        step,
      })),
    ),
  );
}
const weights = (modelId: number, hash = 'aa') => ({ modelId, stamp: 's', hash, tokenizer: 't', packing: 'F32' });

test('a project has probes from the start, each of a kind that there is, with nothing expected of it', () => {
  const project = createProject(fresh());
  const probes = listProbes(project);
  expect(probes.map(({ kind }) => kind)).toEqual([
    'append',
    'append',
    'drop-last-sentence',
    'title-twice',
    'swap-persons',
    'shorten',
    'lengthen',
  ]);
  for (const { kind, parameters, expected } of probes) {
    expect(readProbe(kind, parameters)).toEqual({ kind, values: parameters });
    expect(expected).toBeNull();
  }
  expect(checkProject(project)).toEqual([]);
  project.close();
});

test('one that is there already is that one; what people expect is kept, and goes with the probe', () => {
  const folder = fresh();
  const project = createProject(folder);
  const before = listProbes(project).length;
  const id = addProbe(project, { kind: 'append', parameters: { text: 'pls halp' }, expected: null });
  expectOfProbe(project, id, 'fall');
  expect(addProbe(project, { kind: 'append', parameters: { text: 'pls halp' }, expected: null })).toBe(id);
  expect(listProbes(project).at(-1)).toEqual({
    id,
    kind: 'append',
    parameters: { text: 'pls halp' },
    expected: 'fall',
  });
  expectOfProbe(project, id, null);
  project.close();
  const again = openProject(folder, { write: true });
  expect(listProbes(again).at(-1)).toMatchObject({ id, expected: null });
  removeProbe(again, id);
  expect(listProbes(again)).toHaveLength(before);
  expect(errorOf(() => removeProbe(again, id)).message).toBe(`There is no probe ${id} in this project.`);
  expect(errorOf(() => expectOfProbe(again, id, 'rise')).code).toBe('bad-data');
  again.close();
});

test('answers are drawn one a prompt, of the split that has enough, never of a test prompt nor of training', () => {
  const project = createProject(fresh());
  expect(drawProbeSamples(project)).toEqual([]);
  answered(project, 'test', 40, ['never']);
  answered(project, 'validation', 40, ['never'], 3);
  answered(project, 'train', 3, [' ']);
  expect(drawProbeSamples(project)).toEqual([]);
  answered(project, 'train', 50, ['a', 'b', 'c']);
  const few = probeAnswers(project, drawProbeSamples(project));
  expect(few.map(({ split }) => split)).toEqual(Array(50).fill('train'));
  expect(new Set(few.map(({ promptId }) => promptId)).size).toBe(50);
  expect(new Set(few.map(({ text }) => text)).size).toBe(3);
  answered(project, 'validation', 33, ['d', 'e']);
  const better = probeAnswers(project, drawProbeSamples(project));
  expect(better.map(({ split }) => split)).toEqual(Array(33).fill('validation'));
  expect(drawProbeSamples(project)).toEqual(better.map(({ id }) => id));
  project.close();
});

test('what was drawn stays until there are more, and of very many 128 are drawn', () => {
  const project = createProject(fresh());
  const model = addPolicy(project, { name: 'r', kind: 'reward', path: 'models/r' });
  const first = answered(project, 'validation', 40, ['a']);
  const keep = (): void =>
    keepProbed(project, { weights: weights(model), samples: drawProbeSamples(project), scores: [] });
  keep();
  expect(probeSamples(project)).toEqual(first);
  answered(project, 'validation', 200, ['b']);
  keep();
  const drawn = probeSamples(project);
  expect(drawn).toHaveLength(MOST_PROBED);
  answered(project, 'validation', 10, ['c']);
  keep();
  expect(probeSamples(project)).toEqual(drawn);
  project.close();
});

test('scores belong to weights: a model that is removed and added again finds its own', () => {
  const project = createProject(fresh());
  const ids = answered(project, 'train', 10, ['a']);
  const probe = listProbes(project)[0]!;
  const scores = ids.map((completionId, i) => ({
    probeId: probe.id,
    completionId,
    scores: i === 0 ? null : { original: i, edited: i + 1 },
  }));
  const model = addPolicy(project, { name: 'r', kind: 'reward', path: 'models/r' });
  keepProbed(project, { weights: weights(model), samples: ids, scores });
  expect(probedWeights(project).get(model)).toEqual(weights(model));
  expect(probeScores(project, 'aa')).toEqual(scores);
  removePolicy(project, model);
  expect(probedWeights(project).size).toBe(0);
  const back = addPolicy(project, { name: 'r', kind: 'reward', path: 'models/r' });
  keepProbed(project, { weights: weights(back), samples: ids, scores: [] });
  expect(probeScores(project, 'aa')).toEqual(scores);
  expect(probeScores(project, 'bb')).toEqual([]);
  deleteCompletions(project, [ids[1]!]);
  expect([probeSamples(project).length, probeScores(project, 'aa').length]).toEqual([9, 9]);
  removeProbe(project, probe.id);
  expect(probeScores(project, 'aa')).toEqual([]);
  expect(checkProject(project)).toEqual([]);
  project.close();
});

test('of what has gone meanwhile nothing is kept, and the rest is', () => {
  const project = createProject(fresh());
  const ids = answered(project, 'train', 3, ['a']);
  const probe = listProbes(project)[0]!;
  const scored = (probeId: number, completionId: number) => ({
    probeId,
    completionId,
    scores: { original: 0, edited: 1 },
  });
  keepProbed(project, {
    weights: weights(999),
    samples: [...ids, 999],
    scores: [scored(probe.id, ids[0]!), scored(999, ids[0]!), scored(probe.id, 999), scored(probe.id, ids[0]!)],
  });
  expect(probedWeights(project).size).toBe(0);
  expect(probeSamples(project)).toEqual(ids);
  expect(probeScores(project, 'aa')).toEqual([scored(probe.id, ids[0]!)]);
  project.close();
});
