// Taking a model off the list and taking that back: the same row, its scores, its place in the lineage, its role; or a
// sentence that says what is in the way.

import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { changeHandlers } from '#core/service/data/data-changes.ts';
import { deskHandlers } from '#core/service/desk/desk.ts';
import { modelHandlers } from '#core/service/models/models.ts';
import { changeProjectSettings, projectSettings } from '#core/service/project.ts';
import { addCompletions } from '#core/store/completions.ts';
import { undoEvent } from '#core/store/events.ts';
import { settleItems } from '#core/store/item-scores.ts';
import { setMeasures } from '#core/store/measures.ts';
import { addPolicy, removePolicy, renamePolicy } from '#core/store/policies.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { removeModel } from '#core/store/remove-models.ts';
import { removePrompts } from '#core/store/remove-prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { handled } from './handler-context.ts';
import { project as fresh } from './listed-models.ts';
import { completionOf } from './projects-at-hand.ts';

const TABLES = ['policies', 'measures', 'item_scores', 'completions'];
const dump = (project: Project): unknown => {
  settleItems(project);
  return TABLES.map((table) => query(project, `SELECT * FROM ${table} ORDER BY 1, 2`).all());
};

let project: Project;
let promptId: number;
let model: { base: number; judge: number; other: number };
beforeEach(() => {
  project = fresh();
  [promptId] = addPrompts(project, [{ text: 'p', split: 'train', source: 's' }]) as [number];
  addRun(project, { id: '0001-reward', kind: 'reward', name: 'judge', status: 'done' });
  const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  const made = { kind: 'reward', parentId: base, runId: '0001-reward' } as const;
  const judge = addPolicy(project, { name: 'judge', path: path.join('runs', '0001-reward', 'model'), ...made });
  const other = addPolicy(project, { name: 'other', kind: 'reward', path: 'models/other' });
  model = { base, judge, other };
  const ids = addCompletions(
    project,
    ['a', 'b', 'c'].map((text) => completionOf(promptId, text)),
  );
  setMeasures(
    project,
    ids.flatMap((completionId, i) => [
      { completionId, modelId: judge, score: i / 3 },
      { completionId, modelId: other, score: -i },
    ]),
  );
});
afterEach(() => project.close());
const calls = () => handled(project, { ...modelHandlers, ...deskHandlers, ...changeHandlers });
const remove = (id: number) => removeModel(project, id, { chosen: null, needs: [] }).eventId;

test('a removed model comes back as it was: row, scores, lineage, and its role where nobody took another since', async () => {
  changeProjectSettings(project, { rewardModelId: model.judge });
  const before = dump(project);
  const { call, events } = calls();
  const { eventId, lost } = await call('models.remove', { modelId: model.judge });
  expect([lost, projectSettings(project).rewardModelId]).toEqual([0, null]);
  expect(dump(project)).not.toEqual(before);
  const { changes } = await call('data.changes', {});
  expect(changes[0]).toMatchObject({
    eventId,
    kind: 'remove',
    sentence: 'Removed the model “judge” with what it said of 3 answers.',
  });
  events.length = 0;
  expect(await call('events.undo', { eventId: eventId! })).toMatchObject({
    sentence: 'Took back: the removal of the model “judge”',
  });
  expect(dump(project)).toEqual(before);
  expect(projectSettings(project).rewardModelId).toBe(model.judge);
  expect(events.map(({ event }) => event)).toEqual(expect.arrayContaining(['models.changed', 'data.changed']));

  const again = await call('models.remove', { modelId: model.judge });
  changeProjectSettings(project, { rewardModelId: model.other });
  await call('events.undo', { eventId: again.eventId! });
  expect(projectSettings(project).rewardModelId).toBe(model.other);
});

test('of very many scores the row alone comes back, and that is said', () => {
  const removed = removeModel(project, model.judge, { chosen: null, needs: [], most: 2 });
  expect(removed).toMatchObject({ measured: 3, kept: false });
  undoEvent(project, removed.eventId);
  const scores = query(project, 'SELECT model_id FROM measures').all();
  expect(scores).toEqual(Array.from({ length: 3 }, () => ({ model_id: model.other })));
});

test('what is in the way is said: its name was given away, what it was made from is gone', () => {
  const judge = remove(model.judge);
  renamePolicy(project, model.other, 'judge');
  expect(() => undoEvent(project, judge)).toThrow('Another model is called "judge" now.');
  renamePolicy(project, model.other, 'other');
  const base = remove(model.base);
  expect(() => undoEvent(project, judge)).toThrow('The model that "judge" was made from has been removed, too.');
  undoEvent(project, base);
  undoEvent(project, judge);
  expect(query(project, 'SELECT parent_id FROM policies WHERE name = ?').get('judge')).toEqual({
    parent_id: model.base,
  });
});

test('scores of answers that have gone meanwhile stay away; answers come back without what a removed model said', () => {
  const judge = remove(model.judge);
  const prompts = removePrompts(project, [promptId]);
  undoEvent(project, judge);
  expect(query(project, 'SELECT count(*) AS n FROM measures').get()).toEqual({ n: 0 });
  removePolicy(project, model.other);
  undoEvent(project, prompts.eventId);
  expect(query(project, 'SELECT count(*) AS n FROM completions').get()).toEqual({ n: 3 });
});
