// The model that KL is measured from: named, the same through all rounds, and never the newest result.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { RunKind } from '#core/contract/runs.ts';
import { measuredFrom, referenceOf } from '#core/runs/reference-model.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy, policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addRun } from '#core/store/runs.ts';
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
    ['0002-ppo', '0003-ppo', '0004-ppo'].map((id) => measuredFrom(project, id)?.name),
    'without a name: what the run began with',
  ).toEqual(['base', 'sft1', 'ppo3']);
  project.close();
});

test('a recipe that tunes and is not PPO does not become its own reference', () => {
  const { project, referenceAt } = line({ kind: 'dpo' as RunKind }, { kind: 'dpo' as RunKind });
  expect(['dpo1', 'dpo2'].map(referenceAt)).toEqual(['base', 'base']);
  project.close();
});
