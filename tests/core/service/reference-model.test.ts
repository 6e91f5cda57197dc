// The model that KL is measured from: named, the same through all rounds, and never the newest result.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { RunKind } from '#core/contract/runs.ts';
import { referenceOf } from '#core/runs/reference-model.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy, policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { completionOf } from '#tests/core/store/temporary-folder.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();

/** base, and what is made of it in turn; `reference` is what the run's setting names. */
function line(...steps: { kind: RunKind; reference?: string }[]): {
  project: Project;
  referenceAt: (name: string) => string;
  ids: Record<string, number>;
} {
  const project = createProject(fresh());
  const ids: Record<string, number> = { base: addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' }) };
  let parent = 'base';
  const placeOf = (name: string) => policyById(project, ids[name]!).path;
  for (const [i, { kind, reference }] of steps.entries()) {
    const id = `000${i + 1}-${kind}`;
    const name = `${kind}${i + 1}`;
    const folder = path.join(project.folder, 'runs', id);
    fs.mkdirSync(folder, { recursive: true });
    const models = {
      policy: { path: placeOf(parent), sha256: 'x' },
      ...(reference ? { reference: { path: placeOf(reference), sha256: 'x' } } : {}),
    };
    fs.writeFileSync(
      path.join(folder, 'manifest.json'),
      JSON.stringify({ id, kind, name, config: {}, models, data: { rows: 0, sha256: 'x' }, versions: {} }),
    );
    addRun(project, { id, kind, name, status: 'done' });
    ids[name] = addPolicy(project, {
      name,
      kind: 'policy',
      path: `runs/${id}/model`,
      parentId: ids[parent]!,
      runId: id,
    });
    parent = name;
  }
  return { project, ids, referenceAt: (name) => referenceOf(project, policyById(project, ids[name]!)).name };
}

test('it is where the chain of tuned policies began, however many rounds there were', () => {
  const { project, referenceAt } = line(
    { kind: 'sft' },
    { kind: 'ppo' },
    { kind: 'ppo' },
    { kind: 'sft' },
    { kind: 'ppo' },
  );
  expect(['base', 'sft1', 'ppo2', 'ppo3', 'sft4', 'ppo5'].map(referenceAt)).toEqual([
    'base',
    'sft1',
    'sft1',
    'sft1',
    'sft1',
    'sft1',
  ]);
  project.close();
});

test('what a run names is kept in the rounds after it; its own numbers are against what it was given', () => {
  const { project, referenceAt } = line(
    { kind: 'sft' },
    { kind: 'ppo', reference: 'base' },
    { kind: 'ppo', reference: 'sft1' },
    { kind: 'ppo' },
  );
  expect(['ppo2', 'ppo3', 'ppo4'].map(referenceAt)).toEqual(['base', 'sft1', 'sft1']);
  expect(
    ['0002-ppo', '0003-ppo', '0004-ppo'].map((id) => referenceOf(project, null, { runId: id })?.name),
    'without a name: what the run began with',
  ).toEqual(['base', 'sft1', 'ppo3']);
  project.close();
});

test('a recipe that tunes and is not PPO does not become its own reference', () => {
  const { project, referenceAt } = line({ kind: 'dpo' as RunKind }, { kind: 'dpo' as RunKind });
  expect(['dpo1', 'dpo2'].map(referenceAt)).toEqual(['base', 'base']);
  project.close();
});

test('numbers of a run that names nothing, or is gone, have the reference of the policy', () => {
  const { project, ids } = line({ kind: 'sft' }, { kind: 'ppo' });
  const policy = policyById(project, ids['ppo2']!);
  expect(referenceOf(project, policy, { runId: '0009-gone' })?.name).toBe('sft1');
  expect(referenceOf(project, null, { runId: '0009-gone' })).toBeNull();
  expect(referenceOf(project, null)).toBeNull();
  project.close();
});

test('numbers that are shown are from the reference where there are some, else from where most are', () => {
  const { project, ids } = line({ kind: 'sft' }, { kind: 'ppo' });
  const policy = policyById(project, ids['ppo2']!);
  const shown = () => referenceOf(project, policy, { shown: true })?.name;
  expect(shown(), 'nothing is measured yet').toBe('sft1');
  const [promptId] = addPrompts(project, [{ text: 'p', split: 'train', source: 'test' }]);
  const answers = ['x', 'y'].map((text) => completionOf(promptId!, text));
  const [first, second] = addCompletions(project, answers);
  const measure = (modelId: number, completionId: number) =>
    setMeasures(project, [{ completionId, modelId, tokenLogprobs: [-0.5, -0.5] }]);
  measure(ids['base']!, first!);
  expect(shown(), 'only the base has measured').toBe('base');
  expect(referenceOf(project, null, { shown: true })?.name).toBe('base');
  expect(referenceOf(project, policy)?.name, 'the rule itself does not hang on it').toBe('sft1');
  measure(ids['base']!, second!);
  measure(ids['sft1']!, first!);
  expect(shown(), 'one number of the reference’s own is enough').toBe('sft1');
  project.close();
});
