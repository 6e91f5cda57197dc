// Where a model comes from: its lineage, the best weights of a run as a model, and the card of an export.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { projectSettings } from '#core/service/project.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addRun, updateRun } from '#core/store/runs.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { handled } from './handler-context.ts';
import { writeSmallModel } from './projects-at-hand.ts';
import { nextNumber, work, tiny, project, writeRun } from './listed-models.ts';

/** base -> sft -> reward model and PPO policy, with their runs. */
async function lineage() {
  const open = project();
  const { call } = handled(open, modelHandlers);
  const folder = await tiny();
  const base = (await call('models.add', { path: folder, name: 'base', copy: false })).id;
  const at = (name: string) => path.join('models', name);
  for (const name of ['sft', 'reward', 'ppo']) fs.cpSync(folder, path.join(open.folder, at(name)), { recursive: true });
  writeRun(open, '0001-sft', 'sft', {
    models: { policy: folder },
    data: [{}, {}, {}],
    metrics: [
      { step: 1, seconds: 1, loss: 2 },
      { step: 12, seconds: 2, loss: 1, validation_loss: 1.25 },
    ],
  });
  writeRun(open, '0002-reward', 'reward', {
    models: { base: at('sft') },
    data: [
      { prompt: 'p', ranks: [1, 2, 2, 3] },
      { prompt: 'q', ranks: [1, 2] },
      { prompt: 'p', reference: 'r' },
    ],
    metrics: [
      { step: 4, seconds: 1, validation_accuracy: 0.732, validation_accuracy_se: 0.02, validation_rankings: 60 },
    ],
  });
  writeRun(open, '0003-ppo', 'ppo', {
    models: { policy: at('sft'), reward: at('reward') },
    config: { beta: 0.05, seed: 1 },
    metrics: [{ step: 100, seconds: 9, kl: 12.25, score: 2.1, beta: 0.05 }],
  });
  for (const [id, kind] of [
    ['0001-sft', 'sft'],
    ['0002-reward', 'reward'],
    ['0003-ppo', 'ppo'],
  ] as const)
    addRun(open, { id, kind, name: id, status: 'done' });
  const sft = addPolicy(open, { name: 'sft', kind: 'policy', path: at('sft'), parentId: base, runId: '0001-sft' });
  const reward = addPolicy(open, {
    name: 'reward',
    kind: 'reward',
    path: at('reward'),
    parentId: sft,
    runId: '0002-reward',
  });
  const ppo = addPolicy(open, { name: 'ppo', kind: 'policy', path: at('ppo'), parentId: sft, runId: '0003-ppo' });
  return { open, call, folder, ids: { base, sft, reward, ppo } };
}

test('lineage: every step with its numbers, the reward model before the policy it judged', async () => {
  const { open, call, ids } = await lineage();
  const { steps } = await call('models.lineage', { modelId: ids.ppo });
  expect(steps.map(({ name, what, modelId, runId }) => [name, what, modelId, runId])).toEqual([
    ['base', 'base model', ids.base, null],
    ['sft', 'fine-tuned', ids.sft, '0001-sft'],
    ['reward', 'reward model', ids.reward, '0002-reward'],
    ['ppo', 'PPO', ids.ppo, '0003-ppo'],
  ]);
  expect(steps.slice(1).map(({ sentence }) => sentence)).toEqual([
    'Fine-tuned on 3 examples for 12 steps; validation loss 1.250.',
    'Reward model from 2 rankings (6 comparisons); validation accuracy 0.732 (0.69 to 0.77) on 60 rankings.',
    'PPO against "reward": 100 updates, β 0.05; score 2.10, KL 12.25 nats from "sft".',
  ]);
  expect(steps[0]!.sentence).toMatch(/^A base model that was added: gpt2, [\d,]+ parameters\.$/);
  expect((await call('models.list', {})).map(({ step, parentName }) => [step, parentName])).toEqual([
    [null, null],
    [12, 'base'],
    [4, 'sft'],
    [100, 'sft'],
  ]);
  fs.rmSync(path.join(open.folder, 'runs', '0003-ppo'), { recursive: true });
  expect((await call('models.lineage', { modelId: ids.ppo })).steps.at(-1)!.sentence).toBe(
    'Made by run 0003-ppo, whose folder is gone.',
  );
  open.close();
});

describe('the best weights of a run', () => {
  const bestIn = (open: Project, runId = '0003-ppo') => path.join(open.folder, 'runs', runId, 'best');
  const sentenceOf = async ({ call }: Pick<Awaited<ReturnType<typeof lineage>>, 'call'>, modelId: number) =>
    (await call('models.lineage', { modelId })).steps.at(-1)!.sentence;

  test('come in with their lineage, which tells the step and the numbers of these very weights, as the card does', async () => {
    const { open, call, ids } = await lineage();
    const best = bestIn(open);
    await writeSmallModel(best);
    fs.writeFileSync(
      path.join(best, 'made.json'),
      JSON.stringify({
        run: '0003-ppo',
        step: 0,
        steps: 100,
        metrics: { held_out_score: 1.2, held_out_kl: 0, held_out_reward: 1.2, score: 7, kl: 7 },
        reference: 'base',
      }),
    );
    const settings = projectSettings(open);
    const added = await call('models.add', { path: best, name: 'ppo-best', copy: false });
    expect(added).toMatchObject({
      kind: 'policy',
      parentId: ids.sft,
      runId: '0003-ppo',
      folder: best,
      step: 0,
      steps: 100,
      best: true,
      current: null,
    });
    expect(projectSettings(open), 'keeping it chooses nothing').toEqual(settings);
    expect((await call('models.lineage', { modelId: added.id })).steps.map(({ name }) => name)).toEqual([
      'base',
      'sft',
      'reward',
      'ppo-best',
    ]);
    expect(await sentenceOf({ call }, added.id)).toBe(
      'PPO against "reward": its best weights, after 0 of 100 updates, β 0.05; on held-out prompts score 1.20, KL 0.00 nats from "base".',
    );
    expect(await sentenceOf({ call }, ids.ppo), 'the last weights are another model').toContain(
      '100 updates, β 0.05; score 2.10, KL 12.25',
    );
    const { path: exported } = await call('models.export', {
      modelId: added.id,
      folder: path.join(work, `best-${nextNumber()}`),
      format: 'hf-f32',
    });
    const card = fs.readFileSync(path.join(exported, 'README.md'), 'utf8');
    for (const line of [
      '- Weights: the best of its run, step 0 of 100',
      '- Score on held-out prompts: 1.2',
      '- KL from "base" on held-out prompts: 0 nats',
    ])
      expect(card).toContain(line);
    expect(card).not.toContain('12.25');
    open.close();
  });

  test.each([
    [
      'by the gold score, where there is one',
      {},
      [
        [0, 1, 0, 3, 'stop'],
        [5, 2, 4, 3.5, 'stop'],
        [10, 9, 80, 3.5, 'stop'],
      ],
      5,
      'score 2.00, KL 4.00 nats',
    ],
    [
      'by the score',
      {},
      [
        [0, 1, 0, null, 'stop'],
        [5, 2, 4, null, 'stop'],
        [10, 9, 80, null, 'stop'],
      ],
      10,
      'score 9.00, KL 80.00 nats',
    ],
    [
      'by the score with what a missing end costs',
      { missing_end: 'replace', missing_end_penalty: -1 },
      [
        [0, 1, 0, null, 'stop'],
        [5, 2, 4, null, 'length'],
      ],
      0,
      'score 1.00, KL 0.00 nats',
    ],
  ] as const)('of version 0.1.0 have no note: their step is found %s', async (_, config, samples, step, says) => {
    const { open, call } = await lineage();
    const best = bestIn(open);
    await writeSmallModel(best);
    writeRun(open, '0003-ppo', 'ppo', {
      models: { policy: path.join('models', 'sft') },
      config: { ...config, updates: 40 },
      metrics: [{ step: 40, seconds: 9, kl: 138.6, score: 1.71 }],
    });
    fs.writeFileSync(
      path.join(open.folder, 'runs', '0003-ppo', 'samples.jsonl'),
      samples
        .map(
          ([at, score, kl, gold, finish]) =>
            `${JSON.stringify({ step: at, promptId: 1, text: 'x', score, kl, finish, tokens: 1, ...(gold === null ? {} : { gold }) })}\n`,
        )
        .join(''),
    );
    const { id, ...row } = await call('models.add', { path: best, name: 'ppo-best', copy: false });
    expect(row).toMatchObject({ step, steps: 40, best: true });
    expect(await sentenceOf({ call }, id)).toBe(
      `PPO: its best weights, after ${step} of 40 updates; on held-out prompts ${says} from "sft".`,
    );
    open.close();
  });

  test('of a supervised run of 0.1.0 are those of the lowest validation loss; where no file says it, the step is not made up', async () => {
    const { open, call } = await lineage();
    const best = bestIn(open, '0001-sft');
    await writeSmallModel(best);
    writeRun(open, '0001-sft', 'sft', {
      models: { policy: 'x' },
      data: [{}],
      metrics: [
        { step: 4, validation_loss: 1.5 },
        { step: 8, validation_loss: 1.25 },
        { step: 12, validation_loss: 2 },
      ],
    });
    const { id } = await call('models.add', { path: best, name: 'sft-best', copy: false });
    expect(await sentenceOf({ call }, id)).toBe(
      'Fine-tuned on 1 example, its best weights, after 8 steps; validation loss 1.250.',
    );
    fs.rmSync(path.join(open.folder, 'runs', '0001-sft', 'metrics.jsonl'));
    expect(await sentenceOf({ call }, id)).toBe(
      'Fine-tuned on 1 example, its best weights, at a step that is not recorded.',
    );
    expect((await call('models.list', {})).find((row) => row.id === id)).toMatchObject({ step: null, best: true });
    open.close();
  });

  test('of a run that may still go on are copied, so that later ones do not take their place', async () => {
    const { open, call, ids } = await lineage();
    const best = bestIn(open);
    await writeSmallModel(best);
    fs.writeFileSync(
      path.join(best, 'made.json'),
      JSON.stringify({ run: '0003-ppo', step: 20, steps: 100, metrics: { score: 1 } }),
    );
    updateRun(open, '0003-ppo', { status: 'running' });
    const added = await call('models.add', { path: best, name: 'kept', copy: false });
    expect(added).toMatchObject({
      path: 'models/kept',
      kind: 'policy',
      parentId: ids.sft,
      runId: '0003-ppo',
      step: 20,
      best: true,
    });
    fs.rmSync(best, { recursive: true });
    expect(await sentenceOf({ call }, added.id)).toContain('its best weights, after 20 of 100 updates');
    open.close();
  });
});

test('export: the same weights and tokenizer with a card, into a folder or under a name, never over something', async () => {
  const { open, call, folder, ids } = await lineage();
  fs.writeFileSync(path.join(folder, 'README.md'), '---\nlicense: mit\n---\n');
  fs.writeFileSync(path.join(open.folder, 'models', 'ppo', 'README.md'), 'first words');
  const out = path.join(work, `out-${nextNumber()}`);
  fs.mkdirSync(out);
  const { path: made, bytes } = await call('models.export', { modelId: ids.ppo, folder: out, format: 'hf-f32' });
  expect(made).toBe(path.join(out, 'ppo'));
  expect(bytes).toBe(fs.readdirSync(made).reduce((sum, name) => sum + fs.statSync(path.join(made, name)).size, 0));
  expect(loadCheckpoint(made)).toEqual(loadCheckpoint(path.join(open.folder, 'models', 'ppo')));
  expect((await loadTokenizer(made)).vocabularySize).toBe((await loadTokenizer(folder)).vocabularySize);
  const card = fs.readFileSync(path.join(made, 'README.md'), 'utf8');
  for (const line of [
    'base_model: "base"',
    'license: "mit"',
    '# ppo',
    'Reward model from 2 rankings (6 comparisons)',
    '- beta: 0.05',
    'Tastemaker ',
    '- Rankings: 2 (6 comparisons)',
    '- Reward model: reward',
    '- Weights: step 100',
    '- Score: 2.1',
    '- KL from "sft": 12.25 nats',
    '- β: 0.05',
    '- Seeds: 1 (run 0003-ppo)',
  ])
    expect(card).toContain(line);
  expect(fs.readFileSync(path.join(made, 'README.original.md'), 'utf8')).toBe('first words');
  await expect(call('models.export', { modelId: ids.ppo, folder: out, format: 'hf-f32' })).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('already exists'),
  });
  expect(fs.readdirSync(out)).toEqual(['ppo']); // nothing half-written
  expect(
    await call('models.export', { modelId: ids.base, folder: path.join(out, 'named'), format: 'hf-f32' }),
  ).toMatchObject({ path: path.join(out, 'named') });
  fs.truncateSync(path.join(open.folder, 'models', 'reward', 'model.safetensors'), 50);
  await expect(call('models.export', { modelId: ids.reward, folder: out, format: 'hf-f32' })).rejects.toMatchObject({
    code: 'bad-file',
  });
  expect(fs.readdirSync(out).sort()).toEqual(['named', 'ppo']);
  open.close();
});
