// Probes in the service: measured by themselves when a reward model is there, again when one is added, and refused in a
// sentence.

import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ProbeTable } from '#core/contract/probes.ts';
import { openProject } from '#core/store/database.ts';
import { addPolicy, getPolicy } from '#core/store/policies.ts';
import { addLengthReward, makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';
import { openedService } from './opened-service.ts';

const folder = temporaryProjects()();
const service = openedService();
let longer = 0;

beforeAll(async () => {
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  longer = getPolicy(project, 'longer').id;
  project.close();
  await service.call('project.open', { folder });
});
afterAll(service.remove);

const table = (): Promise<ProbeTable> => service.call('probes.table', {});
const settled = (): Promise<ProbeTable> =>
  vi.waitFor(
    async () => {
      const found = await table();
      expect(found.models.map(({ state }) => state)).not.toContain('waiting');
      expect(found.models.map(({ state }) => state)).not.toContain('measuring');
      return found;
    },
    { timeout: 60_000, interval: 100 },
  );

test('a project that is opened has its reward models measured by itself, and windows hear of it', async () => {
  await service.call('probes.measure', { modelId: longer }); // at once
  const { models, cells, probes, samples } = await settled();
  expect(models).toMatchObject([{ modelId: longer, state: 'measured', done: 28 * probes.length, fault: null }]);
  expect(cells).toHaveLength(probes.length);
  expect(samples).toEqual({ count: 28, split: 'train', seed: 1, writers: ['“base”'] });
  expect(service.events.filter(({ event }) => event === 'probes.changed').length).toBeGreaterThan(1);
});

test('a phrase is added as a probe, once; it is measured, and its answers are told', async () => {
  const asked = { kind: 'append', values: { text: 'oh please believe me' }, expected: 'fall' as const };
  const added = await service.call('probes.add', asked);
  expect(added).toMatchObject({ sentence: 'Append “oh please believe me”', isNew: true, of: 28 });
  const again = await service.call('probes.add', { ...asked, expected: null });
  expect(again).toMatchObject({ probeId: added.probeId, isNew: false });
  await service.call('probes.measure', { modelId: longer });
  const { cells, probes } = await settled();
  expect(probes.find(({ id }) => id === added.probeId)).toMatchObject({ kind: 'append', expected: 'fall' });
  expect(cells.find(({ probeId }) => probeId === added.probeId)).toMatchObject({
    n: added.applies,
    wrong: { share: 1 },
  });
  const { samples } = await service.call('probes.samples', { probeId: added.probeId, modelId: longer });
  expect(samples).toHaveLength(added.applies);
  for (const { edited, wrong } of samples)
    expect([edited.endsWith('oh please believe me'), wrong]).toEqual([true, true]);
  await service.call('probes.expect', { probeId: added.probeId, expected: null });
  expect((await table()).cells.find(({ probeId }) => probeId === added.probeId)!.wrong).toBeNull();
  await service.call('probes.remove', { probeId: added.probeId });
  expect((await table()).probes.map(({ id }) => id)).not.toContain(added.probeId);
});

test('what cannot be added, and what is not there, is a sentence', async () => {
  const add = (kind: string, values: Record<string, string | number>) =>
    service.call('probes.add', { kind, values, expected: null });
  await expect(add('replace', { search: '  ', put: 'x' })).rejects.toThrow('There is no word in what is searched for.');
  await expect(add('shout', {})).rejects.toThrow('There is no edit “shout”');
  await expect(service.call('probes.remove', { probeId: 999 })).rejects.toThrow('There is no probe 999');
  await expect(service.call('probes.samples', { probeId: 1, modelId: 999 })).rejects.toThrow('There is no policy 999');
});

test('a model that cannot be read has failed, with the reason, and does not keep the others waiting', async () => {
  await service.call('project.close', {});
  const project = openProject(folder, { write: true });
  addPolicy(project, { name: 'gone', kind: 'reward', path: 'models/gone' });
  addLengthReward(project, 'shorter', -1);
  project.close();
  await service.call('project.open', { folder });
  const { models } = await settled();
  expect(models.map(({ name, state }) => [name, state])).toEqual([
    ['longer', 'measured'],
    ['gone', 'failed'],
    ['shorter', 'measured'],
  ]);
  expect(models[1]!.fault!.message).toMatch(/^“gone” gives no scores: /);
});
