// Which weights a run keeps at its looks: where one would stop, where gold peaked, others evenly, and no more than
// allowed; and from a run's folder to a model of the project.

import fs from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runKeepCommand } from '#core/cli/run-keep.ts';
import { recommendStop } from '#core/findings/overoptimisation.ts';
import { readMade } from '#core/models/model-notes.ts';
import { staying } from '#core/recipes/parts/kept-looks.ts';
import type { KeptLook } from '#core/recipes/parts/kept-looks.ts';
import { startRun } from '#core/runs/start.ts';
import { freeRuns, removeRuns, spaceOfRuns } from '#core/service/runs/run-removal.ts';
import { looksOf } from '#core/service/runs/run-rows.ts';
import { openProject } from '#core/store/database.ts';
import { listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import {
  addTrainedReward,
  errorFrom,
  jsonRows,
  makeTinyProject,
  metricsOf,
  QUICK_PPO,
  runFile,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

/** All that is kept after every look, one after another. */
function keptThrough(values: readonly number[], most: number, golds?: readonly number[]): KeptLook[][] {
  let kept: KeptLook[] = [];
  let top = -Infinity;
  const wanted = { most, updates: values.length, evaluate_every: 1 };
  return values.map((value, update) => {
    const look = { update, value, error: 0.5, best: value > top, ...(golds && { gold: golds[update]! }) };
    top = Math.max(top, value);
    kept = staying(kept, look, wanted);
    return kept;
  });
}
const number = fc.double({ min: -3, max: 3, noNaN: true });

describe('which are kept', () => {
  test('never more than allowed, and nothing comes back that was dropped', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 2, maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (values, most) => {
        let dropped = new Set<number>();
        let before: KeptLook[] = [];
        for (const kept of keptThrough(
          values,
          most,
          values.map((v) => -v),
        )) {
          expect(kept.length).toBeLessThanOrEqual(most);
          const now = new Set(kept.map(({ update }) => update));
          expect([...now].some((update) => dropped.has(update))).toBe(false);
          dropped = new Set([...dropped, ...before.map(({ update }) => update).filter((update) => !now.has(update))]);
          before = kept;
        }
      }),
    );
  });

  test('gold’s peak is among them, and so is where findings would stop', () => {
    fc.assert(
      fc.property(fc.array(number, { minLength: 4, maxLength: 30 }), (values) => {
        const golds = values.map((value, i) => value - i / 10);
        const last = keptThrough(values, 60, golds)
          .at(-1)!
          .map(({ update }) => update);
        const after = golds.slice(1);
        expect(last).toContain(1 + after.indexOf(Math.max(...after)));
        const few = keptThrough(values, 2, golds)
          .at(-1)!
          .map(({ update }) => update);
        expect(few).toContain(1 + after.indexOf(Math.max(...after)));
        const looks = values.map((gain, update) => ({ update, kl: 0, gain }));
        // the start itself is the model that it began with
        expect([0, ...last]).toContain(recommendStop(looks)!.update);
      }),
    );
  });

  test('others lie evenly over the run', () => {
    const falling = Array.from({ length: 24 }, (_, i) => -i);
    expect(
      keptThrough(falling, 6)
        .at(-1)!
        .map(({ update }) => update),
    ).toEqual([6, 12, 18]);
    expect(
      keptThrough(falling, 12)
        .at(-1)!
        .map(({ update }) => update),
    ).toEqual([4, 8, 12, 16, 20]);
  });
});

describe('a run', () => {
  const fresh = temporaryProjects();
  let project: Project;
  let id: string;
  const settings = { ...QUICK_PPO, updates: 6, evaluate_every: 1, keep_checkpoints: 4, learning_rate: 4e-3 };
  const onDisk = (run: string) =>
    fs
      .readdirSync(runFile(project, run, 'looks'))
      .map(Number)
      .sort((a, b) => a - b);
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    await addTrainedReward(project);
    ({ id } = await startRun(project, 'ppo', settings, null));
  });
  afterAll(() => project.close());

  test('its looks are weights of their updates, with what was measured there', () => {
    const looks = looksOf(project, id);
    expect(looks.length).toBeGreaterThan(1);
    expect(looks.map(({ update }) => update)).toEqual(onDisk(id));
    for (const { update, folder } of looks) {
      const row = metricsOf(project, id).find((one) => one.step === update && one.held_out_value !== undefined)!;
      expect(readMade(folder)).toMatchObject({ run: id, step: update, kept: 'look', metrics: { gold: row.gold } });
    }
    const golds = metricsOf(project, id).filter(({ step, gold }) => gold !== undefined && step > 0 && step < 6);
    const peak = golds.reduce((a, b) => (b.gold! > a.gold! ? b : a)).step;
    expect(looks.map(({ update }) => update)).toContain(peak);
  });

  test('without the setting nothing is kept, and the run is the same to the last bit', async () => {
    const other = await startRun(project, 'ppo', { ...settings, keep_checkpoints: 0 }, 'plain');
    expect(fs.existsSync(runFile(project, other.id, 'looks'))).toBe(false);
    expect(jsonRows(project, other.id, 'rollouts.jsonl')).toEqual(jsonRows(project, id, 'rollouts.jsonl'));
    const weights = (run: string, place: string) =>
      fs.readFileSync(runFile(project, run, `${place}/model.safetensors`));
    expect(weights(other.id, 'model').equals(weights(id, 'model'))).toBe(true);
    expect(weights(id, `looks/${onDisk(id)[0]}`).equals(weights(id, 'model'))).toBe(false);
  });

  test('one becomes a model, which stays when the disk is freed and when the run is deleted', async () => {
    const [update, ...rest] = onDisk(id) as [number, ...number[]];
    const keep = (words: string[]) =>
      runKeepCommand.run({ words, options: { name: null, project: project.folder }, json: false, tell: () => {} });
    project.close();
    const listed = await keep([id]);
    expect((listed.data as { at: string }[]).map(({ at }) => at)).toEqual(
      expect.arrayContaining([String(update), ...rest.map(String)]),
    );
    expect((await keep([id, String(update)])).data).toMatchObject({ update, path: `runs/${id}/looks/${update}` });
    expect(await errorFrom(() => keep([id, String(update)]))).toMatchObject({ code: 'bad-argument' });
    expect(await errorFrom(() => keep([id, '77']))).toMatchObject({
      message: expect.stringContaining('update 77') as string,
    });
    project = openProject(project.folder, { write: true });
    const model = listPolicies(project).find(({ path }) => path === `runs/${id}/looks/${update}`)!;
    expect(looksOf(project, id)[0]).toMatchObject({ update, modelId: model.id });
    const space = spaceOfRuns(project).find((one) => one.id === id)!;
    expect(space.free.find(({ part }) => part === 'looks')!.bytes).toBeGreaterThan(0);
    freeRuns(project, id, ['looks']);
    expect(onDisk(id)).toEqual([update]);
    await removeRuns(project, [id], false);
    expect(onDisk(id)).toEqual([update]);
    expect(fs.existsSync(runFile(project, id, `looks/${update}/model.safetensors`))).toBe(true);
  });
});
