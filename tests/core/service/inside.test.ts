// The inside of a model as a window asks for it: stored samples, models by id, what overtakes what, how a score is
// shared out.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lens } from '#core/contract/inspect.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { lens } from '#core/inspection/lens.ts';
import { storedSample } from '#core/inspection/stored-sample.ts';
import { ppo } from '#core/recipes/ppo.ts';
import { creditIn } from '#core/service/models/inside.ts';
import { openProject } from '#core/store/database.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import { addLengthReward, makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { openedService } from './opened-service.ts';

const folder = temporaryProjects()();
const service = openedService();
const ids = { sample: 0, empty: 0, base: 0, reward: 0 };
const place = 'here';

beforeAll(async () => {
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  const [sample] = listCompletions(project);
  [ids.empty] = addCompletions(project, [
    { ...sample!, text: '', tokenIds: [], logprobs: [], samplingLogprobs: [], finish: 'length' },
  ]) as [number];
  Object.assign(ids, {
    sample: sample!.id,
    base: getPolicy(project, 'base').id,
    reward: getPolicy(project, 'longer').id,
  });
  project.close();
  await service.call('project.open', { folder });
});
afterAll(service.remove);

const askLens = (changes: Partial<Parameters<typeof service.call<'inspect.lens'>>[1]> = {}): Promise<Lens> =>
  service.call('inspect.lens', {
    completionId: ids.sample,
    modelId: ids.base,
    besideId: null,
    from: null,
    size: 16,
    count: 3,
    place,
    ...changes,
  });

test('a sample is looked at with who wrote it, what that was tuned from, and the current reward model', async () => {
  expect(await service.call('inspect.models', { completionId: ids.sample })).toEqual({
    policyId: ids.base,
    referenceId: ids.base,
    rewardId: ids.reward,
  });
  await expect(service.call('inspect.models', { completionId: 99_999 })).rejects.toThrow(
    'There is no completion 99999',
  );
});

test('a page of the lens is that part of the whole, and the first is where the answer begins', async () => {
  const first = await askLens();
  const before = first.prompt - 1;
  expect(first.positions[0] % 16).toBe(0);
  expect(first.positions[0]).toBeLessThanOrEqual(before);
  expect(first.positions[1]).toBeGreaterThan(before);
  const project = openProject(folder, { write: false });
  const whole = await lens(createHeldModels({ limit: Infinity }), {
    ...(await storedSample(project, ids.sample)),
    model: { name: 'base', folder: policyPath(project, getPolicy(project, 'base')) },
    beside: null,
    layers: null,
    positions: null,
    count: 3,
  });
  const [completion] = listCompletions(project, { ids: [ids.sample] });
  expect(whole.ids.slice(whole.prompt)).toEqual(completion!.tokenIds);
  project.close();
  expect(first.tokens).toEqual(whole.tokens);
  const part = first.layers.map(({ nextRanks }) => nextRanks);
  expect(part).toEqual(whole.layers.map(({ nextRanks }) => nextRanks.slice(...first.positions)));
  const last = await askLens({ from: whole.ids.length - 1 });
  expect(last.positions).toEqual([whole.ids.length - 1, whole.ids.length]);
  await expect(askLens({ from: 5000 })).rejects.toThrow('The text has the positions 0 to');
});

test('a newer question of one pane overtakes the one before it; another pane has its own', async () => {
  const older = askLens({ place: 'one' });
  const other = askLens({ place: 'two' });
  const newer = askLens({ place: 'one', from: 0 });
  await expect(older).rejects.toMatchObject({ fault: { code: 'stopped' } });
  expect((await newer).positions[0]).toBe(0);
  expect((await other).positions[0]).toBeGreaterThan(0);
});

test('attribution is of the score by a reward model and of ln p by one that writes', async () => {
  const ask = (modelId: number) => service.call('inspect.attribution', { completionId: ids.sample, modelId, place });
  expect([(await ask(ids.reward)).of, (await ask(ids.base)).of]).toEqual(['score', 'logprob']);
});

test('strips say by whose settings the score is shared out, and need no reference or reward model', async () => {
  const ask = (referenceId: number | null, rewardId: number | null) =>
    service.call('inspect.strips', { completionId: ids.sample, modelId: ids.base, referenceId, rewardId, place });
  const whole = await ask(ids.base, ids.reward);
  expect(whole.credit).toEqual({ beta: 0.05, gamma: 1, lambda: 0.95, placement: 'after-end', from: null });
  expect(whole.kl!.every((value) => value === 0)).toBe(true);
  expect(whole.advantage).toHaveLength(whole.logprob.length);
  expect(await ask(null, null)).toMatchObject({ kl: null, value: null, advantage: null });
});

test('settings that share a score out are read as the recipe has them, and nothing else is', () => {
  const defaults = Object.fromEntries(Object.entries(ppo.settings).map(([name, { default: value }]) => [name, value]));
  expect(creditIn(defaults)).toEqual({ beta: 0.05, gamma: 1, lambda: 0.95, placement: 'after-end' });
  expect(creditIn({ ...defaults, beta: 0.2, fixed_length: true })).toMatchObject({ beta: 0.2, placement: 'at-end' });
  for (const changes of [{ beta: '0.1' }, { lambda: Number.NaN }])
    expect(creditIn({ ...defaults, ...changes })).toBeNull();
  expect(creditIn({ learning_rate: 1 })).toBeNull();
});

test('what cannot be asked is a sentence', async () => {
  await expect(askLens({ modelId: ids.reward })).rejects.toThrow('"longer" is a reward model; it cannot write.');
  await expect(askLens({ besideId: 404 })).rejects.toThrow('There is no policy 404');
  await expect(
    service.call('inspect.attribution', { completionId: ids.empty, modelId: ids.base, place }),
  ).rejects.toThrow('The answer is empty');
  await expect(
    service.call('inspect.strips', {
      completionId: ids.sample,
      modelId: ids.base,
      referenceId: null,
      rewardId: ids.base,
      place,
    }),
  ).rejects.toThrow('“base” gives no scores: it is no reward model.');
});
