// Preference tuning: its loss against PyTorch's numbers, what it learns on a tiny project, runs that go on to the bit.

import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concat, reshape } from '#core/autodiff/ops/movement.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { PREFERENCE_SETTINGS } from '#core/recipes/preference.ts';
import { RECIPES } from '#core/recipes/table.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { pairWeights } from '#core/training/objectives/pair-losses.ts';
import { rankingLoss } from '#core/training/objectives/ranking-losses.ts';
import { policyScores } from '#core/training/objectives/row-losses.ts';
import { NUMBERS, readJson } from '#tests/core/models/reference-numbers.ts';
import { expectClose, valuesOf } from '#tests/core/training/graph-values.ts';
import { errorFrom, jsonRows, makeTinyProject, metricsOf, modelBytes, temporaryProjects } from './tiny-project.ts';

const fresh = temporaryProjects();
const QUICK = { batch: 4, learning_rate: 3e-3, steps_a_run: 2, checkpoint_every: 2, epochs: 2, validation: 0.25 };

let project: Project;
beforeAll(async () => {
  project = await makeTinyProject(fresh());
});
afterAll(() => project.close());

const tune = (changes: Record<string, unknown> = {}, name: string | null = null) =>
  startRun(project, 'preference', { ...QUICK, ...changes }, name);

interface Case {
  inputs: Record<'pc' | 'pr' | 'rc' | 'rr', number[]>;
  loss: number;
  grad: Record<string, number[]>;
}

describe.each(NUMBERS)('PyTorch’s loss and gradients: $title', ({ folder, absent }) => {
  test.skipIf(absent)('−ln σ(β ((ln π − ln π_ref)(chosen) − (ln π − ln π_ref)(rejected)))', async () => {
    const { cases } = readJson<{ cases: { dpo: Case } }>(path.join(folder, 'algorithms/losses.json'));
    const { inputs, loss, grad } = cases.dpo;
    const B = inputs.pc.length;
    const data = inputs.pc.flatMap(() => Array.from(pairWeights([1, 2])));
    const column = (values: readonly number[]) => ({ shape: [B, 1], data: values });
    const found = await valuesOf(
      {
        pc: column(inputs.pc),
        pr: column(inputs.pr),
        rc: column(inputs.rc),
        rr: column(inputs.rr),
        pairs: { shape: [B, 2, 2], data },
      },
      (t) =>
        rankingLoss(
          reshape(
            policyScores(concat([t.pc!, t.pr!], 1), concat([t.rc!, t.rr!], 1), PREFERENCE_SETTINGS.beta.default),
            [B, 2],
          ),
          t.pairs!,
        ),
      ['pc', 'pr'],
    );
    expectClose([found.loss], [loss], 'loss');
    for (const side of ['pc', 'pr']) expectClose(found.gradient[side]!, grad[side]!, `gradient by ${side}`);
  });
});

interface Ranking {
  use: string;
  prompt: string;
  ids: number[][];
  ranks: number[];
}

test('it begins at ln 2, and raises what was chosen over what was not, on rankings that it learnt from', async () => {
  const { id, name } = await tune({ epochs: 8, learning_rate: 1e-2 });
  const rows = metricsOf(project, id);
  expect(rows[0]!['loss']).toBeCloseTo(Math.LN2, 1);
  expect(rows.at(-2)!['loss']).toBeLessThan(0.95 * Math.LN2);
  expect(rows.at(-1)).toMatchObject({ validation_rankings: expect.any(Number), validation_loss: expect.any(Number) });

  const learnt = jsonRows<Ranking>(project, id, 'data.jsonl').filter(({ use }) => use === 'train');
  const margins = async (model: string) => {
    const checkpoint = loadCheckpoint(policyPath(project, getPolicy(project, model)));
    const evaluator = createEvaluator(checkpoint, { constants: checkpoint.weights });
    // the answers alone after one token: whose tokens are likelier does not hang on what stands before them here
    const found = await evaluator.logprobs(
      checkpoint.weights,
      learnt.map(({ ids }) => ({ prompt: [1], completions: ids })),
    );
    await evaluator.release();
    return learnt.map(({ ranks }, i) => {
      const of = (rank: number) => found[i]![ranks.indexOf(rank)]!.reduce((sum, value) => sum + value, 0);
      return of(Math.min(...ranks)) - of(Math.max(...ranks));
    });
  };
  const [before, after] = [await margins('base'), await margins(name)];
  const rise = after.reduce((sum, margin, i) => sum + margin - before[i]!, 0) / learnt.length;
  expect(rise).toBeGreaterThan(0.5);
});

test('stopped and resumed it ends in the same bits; so it does twice over', async () => {
  const whole = await tune({ seed: 5 });
  const again = await tune({ seed: 5 });
  expect(modelBytes(project, again.id)).toEqual(modelBytes(project, whole.id));
  let asked = 0;
  const stopped = await startRun(project, 'preference', { ...QUICK, seed: 5 }, null, { stopping: () => ++asked > 2 });
  expect(stopped.status).toBe('stopped');
  await resumeRun(project, stopped.id);
  expect(modelBytes(project, stopped.id)).toEqual(modelBytes(project, whole.id));
});

test('micro-batches and adapters: fewer rows at once change nothing but rounding; adapters leave the base alone', async () => {
  const whole = await tune({ seed: 7, epochs: 1 });
  const parts = await tune({ seed: 7, epochs: 1, micro_batch: 1 });
  const lossesOf = (id: string) => metricsOf(project, id).flatMap((row) => row['loss'] ?? []);
  expectClose(lossesOf(parts.id), lossesOf(whole.id), 'loss', { relative: 1e-3, absolute: 1e-4 });
  const lora = await tune({ tune: 'lora', epochs: 1 });
  expect(lossesOf(lora.id)[0]).toBeCloseTo(Math.LN2, 3); // an adapter begins as nothing
});

test('too few rankings and a reward model as reference are refused in a sentence', async () => {
  const error = await errorFrom(() => tune({ batch: 4096 }));
  expect(error.message).toMatch(/^This needs 4096 rankings of train prompts/);
  expect(RECIPES.preference.rowsAStep(Object.fromEntries([['batch', 8]]))).toBe(8);
});
