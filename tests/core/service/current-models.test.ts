// What is current: what a person chose, else what was measured to be better; a stopped, collapsed or unmeasured model
// never by itself.

import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { RunKind, RunStatus } from '#core/contract/runs.ts';
import { currentModels, currentPolicy, currentReward, settleCurrent } from '#core/service/current-models.ts';
import { changeProjectSettings } from '#core/service/project.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy, removePolicy, renamePolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { completionOf, freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

interface RunFiles {
  kind: RunKind;
  status?: RunStatus;
  config?: object;
  models?: Record<string, string>;
  files?: Record<string, readonly object[]>;
  made?: object;
}
let runs = 0;
/** A run as its job leaves it, and the model that came out of it. */
function ran(
  project: Project,
  name: string,
  parentId: number,
  { kind, status = 'done', config = {}, files = {}, made }: RunFiles,
): number {
  const id = `${String(++runs).padStart(4, '0')}-${kind}`;
  const folder = path.join(project.folder, 'runs', id);
  fs.mkdirSync(path.join(folder, 'model'), { recursive: true });
  fs.writeFileSync(
    path.join(folder, 'manifest.json'),
    JSON.stringify({ id, kind, name, config, models: {}, data: { rows: 0, sha256: 'x' }, versions: {} }),
  );
  for (const [file, rows] of Object.entries(files)) fs.writeFileSync(path.join(folder, file), lines(rows));
  if (made) fs.writeFileSync(path.join(folder, 'model', 'made.json'), JSON.stringify({ run: id, ...made }));
  addRun(project, { id, kind, name, status });
  return addPolicy(project, {
    name,
    kind: kind === 'reward' ? 'reward' : 'policy',
    path: `runs/${id}/model`,
    parentId,
    runId: id,
  });
}

function withBase(): { project: Project; base: number } {
  const project = createProject(fresh());
  return { project, base: addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' }) };
}
const PROMPTS = 12;

/** A PPO run whose held-out prompts gained `gains[i]` in score, with `kl` nats at the end. */
function ppo(
  project: Project,
  name: string,
  parentId: number,
  {
    gains,
    kl = 2,
    updates = 40,
    step = updates,
    ...rest
  }: { gains: number[]; kl?: number; updates?: number; step?: number } & Partial<RunFiles>,
): number {
  const samples = [0, step].flatMap((at) =>
    gains.map((gain, promptId) => ({
      step: at,
      promptId,
      text: 'x',
      score: at ? 1 + gain : 1,
      kl: at ? kl : 0,
      finish: 'stop',
      tokens: 3,
    })),
  );
  return ran(project, name, parentId, {
    kind: 'ppo',
    config: { beta: 0.05, updates },
    files: { 'samples.jsonl': samples, 'metrics.jsonl': [{ step, seconds: 1, kl, score: 2 }] },
    ...rest,
  });
}
const clear = Array.from({ length: PROMPTS }, (_, i) => 0.8 + 0.05 * (i % 3));
const blurred = Array.from({ length: PROMPTS }, (_, i) => (i % 2 ? 1.5 : -1));

test('where no person chose, it is the base, and what a stopped, ruled-off, collapsed or unpriced run made is proposed and no more', async () => {
  const cases: [string, Parameters<typeof ppo>[3], RegExp][] = [
    [
      'stopped',
      { gains: clear, status: 'stopped', step: 20 },
      /^“ppo” is newer: its run was stopped at update 20 of 40\.$/,
    ],
    ['a stop rule', { gains: clear, step: 20 }, /a stop rule ended its run at update 20 of 40/],
    ['no price', { gains: clear, kl: 138, config: { beta: 0, updates: 40 } }, /no price on KL \(β = 0\)/],
    ['collapsed', { gains: clear, kl: 60 }, /its KL is 60\.0 nats, above 20/],
    [
      'an interval that holds 0',
      { gains: blurred },
      /its score less β·KL rose by 0\.15 on \d+ held-out prompts \(95 %: −\d\.\d\d to \d\.\d\d\)/,
    ],
    [
      'a note in another form',
      { gains: clear, made: { step: '40', steps: 40, metrics: {} } },
      /cannot be told: .*made\.json: "step" is "40", not a whole number/,
    ],
    ['too few prompts', { gains: clear.slice(0, 5) }, /held out 5 prompts, and a comparison takes 8/],
  ];
  for (const [why, run, says] of cases) {
    const { project, base } = withBase();
    ppo(project, 'ppo', base, run);
    expect(await settleCurrent(project)).toBe(true);
    const { policy } = currentModels(project);
    expect([policy.name, policy.by], why).toEqual(['base', 'rule']);
    expect(policy.proposal?.sentence, why).toMatch(says);
    expect(policy.proposal?.sound, why).toBe(why.startsWith('an interval') || why.startsWith('too few'));
    project.close();
  }
});

test('a policy that did better than its start by a margin takes its place, and says by how much; its best weights never do', async () => {
  const { project, base } = withBase();
  const tuned = ppo(project, 'ppo', base, { gains: clear });
  addPolicy(project, {
    name: 'ppo-best',
    kind: 'policy',
    path: `runs/${String(runs).padStart(4, '0')}-ppo/best`,
    parentId: base,
    runId: `${String(runs).padStart(4, '0')}-ppo`,
  });
  await settleCurrent(project);
  expect(currentModels(project).policy).toEqual({
    modelId: tuned,
    name: 'ppo',
    by: 'rule',
    proposal: null,
    reason: expect.stringMatching(
      /^its score less β·KL rose by 0\.75 on 12 held-out prompts \(95 %: 0\.\d\d to 0\.\d\d\)$/,
    ),
  });
  // one that went on from the old base was not compared with what is current now
  ppo(project, 'other', base, { gains: clear });
  await settleCurrent(project);
  expect(currentModels(project).policy).toMatchObject({
    name: 'ppo',
    proposal: { name: 'other', sentence: expect.stringContaining('it was not tuned from “ppo”') },
  });
  project.close();
});

test('what a person chose stays, whatever comes; taking the choice back lets the rule choose again', async () => {
  const { project, base } = withBase();
  const stopped = ppo(project, 'stopped', base, { gains: clear, status: 'stopped', step: 4 });
  changeProjectSettings(project, { currentPolicyId: stopped });
  ppo(project, 'better', stopped, { gains: clear });
  await settleCurrent(project);
  expect(currentModels(project).policy).toMatchObject({
    name: 'stopped',
    by: 'person',
    reason: 'you chose it',
    proposal: { name: 'better' },
  });
  expect(currentPolicy(project)?.name).toBe('stopped');
  changeProjectSettings(project, { currentPolicyId: null });
  await settleCurrent(project);
  expect(currentModels(project).policy).toMatchObject({ name: 'base', by: 'rule' });
  project.close();
});

test('a second base, and a supervised model, are proposed', async () => {
  const { project, base } = withBase();
  const second = addPolicy(project, { name: 'larger', kind: 'base', path: 'models/larger' });
  await settleCurrent(project);
  expect(currentModels(project).policy).toMatchObject({
    name: 'base',
    proposal: { modelId: second, sound: true, sentence: '“larger” is newer: it was added later.' },
  });
  ran(project, 'sft', base, {
    kind: 'sft',
    config: { epochs: 1 },
    made: { step: 8, steps: 8, metrics: { validation_loss: 1 } },
  });
  await settleCurrent(project);
  expect(currentModels(project).policy.proposal).toMatchObject({
    name: 'sft',
    sentence: expect.stringContaining('was not measured'),
  });
  renamePolicy(project, base, 'first');
  expect(await settleCurrent(project)).toBe(true);
  expect(await settleCurrent(project), 'nothing has happened since').toBe(false);
  expect(currentModels(project).policy.name).toBe('first');
  project.close();
});

// ---- Reward models

/**
 * 40 prompts with a pair each, of which the first answer is the better; a reward model is right on the prompts of
 * `right`, and learnt from those of `taught`.
 */
function ranked(
  splits: ('train' | 'validation' | 'test')[] = Array.from({ length: 40 }, (_, i) => (i < 20 ? 'train' : 'validation')),
) {
  const { project, base } = withBase();
  const labelerId = ensureLabeler(project, 'ada', 'person').id;
  const prompts = addPrompts(
    project,
    splits.map((split, i) => ({ text: `prompt ${i}`, split, source: 's' })),
  );
  const pairs = prompts.map((promptId) => {
    const ids = addCompletions(
      project,
      ['good', 'bad'].map((text) => completionOf(promptId, text)),
    ) as [number, number];
    addRanking(project, {
      promptId,
      labelerId,
      status: 'ranked',
      ranks: ids.map((completionId, i) => ({ completionId, rank: i + 1 })),
    });
    return ids;
  });
  const reward = (
    name: string,
    right: (i: number) => boolean,
    { taught = (i: number) => splits[i] === 'train', scored = true, status = 'done' as RunStatus } = {},
  ) => {
    const scoreOf = (i: number, place: number) => (right(i) ? 1 - place : place);
    const held = prompts.flatMap((promptId, i) =>
      splits[i] !== 'validation' || taught(i)
        ? []
        : [{ promptId, completionIds: pairs[i], ranks: [1, 2], scores: [scoreOf(i, 0), scoreOf(i, 1)] }],
    );
    const id = ran(project, name, base, {
      kind: 'reward',
      status,
      files: {
        'data.jsonl': prompts
          .filter((_, i) => splits[i] !== 'test')
          .map((promptId) => ({ promptId, prompt: 'p', ranks: [1, 2] })),
        'validation.jsonl': held,
      },
    });
    if (scored)
      setMeasures(
        project,
        pairs.flatMap((ids, i) =>
          ids.map((completionId, place) => ({ completionId, modelId: id, score: scoreOf(i, place) })),
        ),
      );
    return id;
  };
  const found = async () => {
    await settleCurrent(project);
    return currentModels(project).reward;
  };
  return { project, base, reward, found };
}

test('a newer reward model is current only where it orders better, by an interval above 0, on prompts that neither was trained on', async () => {
  const { project, reward, found } = ranked();
  reward('first', (i) => i % 2 === 0); // half of the validation prompts
  expect(await found()).toMatchObject({
    name: 'first',
    by: 'rule',
    reason: 'it is the only reward model',
    proposal: null,
  });
  reward('worse', (i) => i % 4 === 0);
  expect(await found()).toMatchObject({
    name: 'first',
    proposal: {
      name: 'worse',
      sentence: expect.stringMatching(
        /on 20 prompts that neither was trained on it orders 25\.0 % of 20 comparisons as the labelers did, “first” 50\.0 %: a difference of −25\.0 points/,
      ),
    },
  });
  reward('unclear', (i) => i % 2 === 0 || i === 21);
  expect(await found()).toMatchObject({ name: 'first', proposal: { name: 'unclear' } });
  reward('better', (i) => i % 2 === 0 || i % 4 === 1);
  expect(await found()).toMatchObject({
    name: 'better',
    by: 'rule',
    proposal: null,
    reason: expect.stringMatching(/orders 75\.0 % .* “first” 50\.0 %: a difference of 25\.0 points \(95 %: \d/),
  });
  expect(currentReward(project)?.name).toBe('better');
  project.close();
});

test('accuracy on what a model was trained on, and on test prompts, counts for nothing', async () => {
  const learnt = ranked();
  learnt.reward('first', (i) => i % 2 === 0);
  learnt.reward('by-heart', (i) => i < 20 || i % 2 === 0); // right on all of the train split
  expect(await learnt.found()).toMatchObject({
    name: 'first',
    proposal: { sentence: expect.stringContaining('on 20 prompts') },
  });
  learnt.project.close();

  const kept = ranked(Array.from({ length: 40 }, (_, i) => (i < 20 ? 'train' : 'test')));
  kept.reward('first', () => false);
  kept.reward('right-on-tests', () => true);
  expect(await kept.found()).toMatchObject({
    name: 'first',
    proposal: {
      sentence:
        '“right-on-tests” is newer: there are 0 prompts that both have scored and neither was trained on, and a comparison takes 8.',
    },
  });
  kept.project.close();
});

test('a model whose completions are not all scored yet is compared on what its run held out', async () => {
  const { project, reward, found } = ranked();
  reward('first', () => false);
  reward('second', () => true, { scored: false });
  expect(await found()).toMatchObject({ name: 'second' });
  project.close();
});

test('a reward model of a stopped run, and one of unknown training, wait for a person', async () => {
  const { project, reward, found } = ranked();
  reward('stopped', () => true, { status: 'stopped' });
  expect(await found()).toMatchObject({
    modelId: null,
    name: null,
    reason: 'there is none yet',
    proposal: { name: 'stopped', sentence: '“stopped” is there: its run was stopped before its end.' },
  });
  reward('whole', () => false);
  addPolicy(project, { name: 'foreign', kind: 'reward', path: 'models/foreign' });
  expect(await found()).toMatchObject({
    name: 'whole',
    proposal: {
      name: 'foreign',
      sentence: expect.stringContaining('nobody knows which prompts “foreign” was trained on'),
    },
  });
  project.close();
});

test('before the rule has acted, and after a current model is gone, the first that may stand in does', () => {
  const { project, base } = withBase();
  const other = addPolicy(project, { name: 'other', kind: 'base', path: 'models/other' });
  changeProjectSettings(project, { currentPolicyId: other });
  expect(currentModels(project).policy).toMatchObject({ name: 'other', by: 'person' });
  removePolicy(project, other);
  expect(currentModels(project).policy).toMatchObject({ modelId: base, by: 'rule' });
  project.close();
});

test('a reward model that orders held-out rankings no better than chance is doubted, in a sentence', async () => {
  const cases: [metrics: Record<string, number>, doubted: boolean][] = [
    [{ validation_accuracy: 0.167, validation_accuracy_se: 0.15, validation_rankings: 2 }, true],
    // two coins fall alike as often as not
    [{ validation_accuracy: 1, validation_accuracy_se: 0, validation_rankings: 2 }, true],
    [{ validation_accuracy: 0.55, validation_accuracy_se: 0.05, validation_rankings: 40 }, true],
    [{ validation_accuracy: 0.73, validation_accuracy_se: 0.02, validation_rankings: 300 }, false],
    [{ loss: 0.6 }, false], // not measured
  ];
  for (const [metrics, doubted] of cases) {
    const { project, base } = withBase();
    const id = ran(project, 'judge', base, {
      kind: 'reward',
      files: { 'metrics.jsonl': [{ step: 3, seconds: 1, ...metrics }] },
    });
    await settleCurrent(project);
    const { reward, doubt } = currentModels(project);
    expect([metrics, reward.modelId, doubt !== null]).toEqual([metrics, id, doubted]);
    expect(doubt ?? 'none').toMatch(
      /^none$|^“judge” orders \d+ % of held-out comparisons \(\d+ rankings\) as their labelers did, and chance does as well/,
    );
    changeProjectSettings(project, {
      rewardModelId: addPolicy(project, { name: 'other', kind: 'reward', path: 'models/other' }),
    });
    expect(currentModels(project).doubt).toBeNull(); // it was of another model
    project.close();
  }
});
