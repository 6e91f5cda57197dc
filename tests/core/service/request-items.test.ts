// Asking for a ranking brings the comparison that teaches: the reference, a healthy answer, another policy's; never an
// equal text.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleHandlers } from '#core/service/data/samples.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { setFlag } from '#core/store/flags.ts';
import { getItem, listItems } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { answerOf, deskFolders, deskOf } from './desk-world.ts';
import { handled } from './handler-context.ts';

const fresh = deskFolders();

/** base → careful (β = 0.2) and base → wild (β = 0, run 0003-ppo), and what they wrote for the only prompt. */
function world(reference: string | null = 'The reference.') {
  const project = createProject(fresh());
  const base = addPolicy(project, { name: 'base', kind: 'base', path: 'models/base' });
  addRun(project, { id: '0002-ppo', kind: 'ppo', name: 'careful', status: 'done' });
  addRun(project, { id: '0003-ppo', kind: 'ppo', name: 'wild', status: 'done' });
  const careful = addPolicy(project, {
    name: 'careful',
    kind: 'policy',
    path: 'models/careful',
    parentId: base,
    runId: '0002-ppo',
  });
  const wild = addPolicy(project, {
    name: 'wild',
    kind: 'policy',
    path: 'models/wild',
    parentId: base,
    runId: '0003-ppo',
  });
  const [promptId] = addPrompts(project, [{ text: 'A post.', split: 'train', source: 'test', reference }]) as [number];
  const add = (text: string, fields: object) =>
    addCompletions(project, [{ ...answerOf(promptId, text), ...fields }])[0]!;
  return {
    project,
    base,
    careful,
    wild,
    promptId,
    add,
    labelerId: ensureLabeler(project, 'ada', 'person').id,
    ...handled(project, sampleHandlers),
  };
}
type World = ReturnType<typeof world>;
const inRun = (step: number, policyId: number | null) => ({ policyId, runId: '0003-ppo', step });
/** The texts of the newest item. */
const newest = ({ project }: World) => {
  const item = listItems(project).at(-1)!;
  return listCompletions(project, { ids: item.completionIds }).map(({ text }) => text);
};

test('an over-optimised sample comes beside the reference, the base and another policy, not beside its own run', async () => {
  const w = world();
  w.add('base one', { policyId: w.base });
  w.add('careful one', { policyId: w.careful });
  w.add('wild early', inRun(10, w.wild));
  const chosen = w.add('pls pls pls', inRun(40, w.wild));
  w.add('pls pls', inRun(40, w.wild));
  expect(await w.call('samples.request', { completionIds: [chosen], reason: 'over-optimised' })).toEqual({ items: 1 });
  expect(newest(w)).toEqual(['base one', 'careful one', 'pls pls pls', 'The reference.']);
  expect(listCompletions(w.project).at(-1)).toMatchObject({
    text: 'The reference.',
    writer: 'reference',
    policyId: null,
    tokenIds: [],
  });
  const item = (await deskOf(w.project).call('desk.item', { labelerId: w.labelerId, queue: 'requested' }))!;
  expect(item.reason).toBe(
    'It was asked for on the Inspect screen: over-optimised; among answers by another policy, from before the training, or the reference.',
  );
  expect(JSON.stringify(item)).not.toMatch(/policyId|runId|writer|careful one".*careful/);
  w.project.close();
});

test('a reference that is an answer already is taken as it is; one that says what was chosen is no company', async () => {
  const w = world('Tea.');
  const chosen = w.add('pls', inRun(40, w.wild));
  const written = w.add(' Tea.', { policyId: w.base });
  await w.call('samples.request', { completionIds: [chosen], reason: 'x' });
  expect(getItem(w.project, 1).completionIds).toEqual([chosen, written]);
  expect(listCompletions(w.project)).toHaveLength(2);
  const other = world('Tea.');
  const tea = other.add('Tea.\n', { policyId: other.wild });
  await expect(other.call('samples.request', { completionIds: [tea], reason: 'x' })).rejects.toMatchObject({
    code: 'bad-data',
    message: expect.stringContaining('nothing to compare'),
  });
  expect(listCompletions(other.project)).toHaveLength(1);
  for (const { project } of [w, other]) project.close();
});

test('where the base wrote nothing, what the run itself wrote before its first updates stands for it', async () => {
  for (const [policyOfStart, step] of [
    [null, 0],
    ['wild', 5],
  ] as const) {
    const w = world(null);
    w.add('wild later', inRun(30, w.wild));
    w.add('wild start', inRun(step, policyOfStart && w[policyOfStart]));
    const chosen = w.add('pls pls pls', inRun(40, w.wild));
    await w.call('samples.request', { completionIds: [chosen], reason: 'x' });
    expect(newest(w)).toEqual(['wild start', 'pls pls pls']);
    w.project.close();
  }
});

test('a run that is not recorded yet: its later samples are one making, its start another', async () => {
  const w = world(null);
  addRun(w.project, { id: '0004-ppo', kind: 'ppo', name: 'going on' });
  w.add('start', { runId: '0004-ppo', step: 0 });
  w.add('middle', { runId: '0004-ppo', step: 5 });
  const chosen = w.add('end', { runId: '0004-ppo', step: 9 });
  await w.call('samples.request', { completionIds: [chosen], reason: 'x' });
  expect(newest(w)).toEqual(['start', 'end']);
  w.project.close();
});

test('several of one run are joined by what teaches; several of different makings are compared with each other', async () => {
  const w = world();
  const [base, careful] = [w.add('base one', { policyId: w.base }), w.add('careful one', { policyId: w.careful })];
  const wild = ['pls', 'pls pls', ' pls'].map((text) => w.add(text, inRun(40, w.wild)));
  await w.call('samples.request', { completionIds: wild, reason: 'x' });
  expect(newest(w)).toEqual(['base one', 'pls', 'pls pls', 'The reference.']); // the same text once
  await w.call('samples.request', { completionIds: [wild[0]!], reason: ' ' });
  expect(listItems(w.project).at(-1)!.reason).toBe(
    'among answers by another policy, from before the training, or the reference',
  );
  await w.call('samples.request', { completionIds: [base, careful, wild[0]!], reason: 'these three' });
  expect(newest(w)).toEqual(['base one', 'careful one', 'pls']);
  expect(listItems(w.project).at(-1)!.reason).toBe('these three');
  w.project.close();
});

test('what is flagged is no company, and with nothing of another making any other answer is', async () => {
  const w = world(null);
  const flagged = w.add('careful, broken', { policyId: w.careful });
  setFlag(w.project, { labelerId: w.labelerId, completionId: flagged }, true);
  w.add('wild other', inRun(40, w.wild));
  const chosen = w.add('pls', inRun(40, w.wild));
  await w.call('samples.request', { completionIds: [chosen], reason: 'x' });
  expect(newest(w)).toEqual(['wild other', 'pls']);
  expect(listItems(w.project).at(-1)!.reason).toBe('x; beside another answer to the same prompt');
  w.project.close();
});

test('whatever is chosen: items of two to nine different texts, every chosen text in one, company in all parts', async () => {
  const row = fc.record({
    text: fc.constantFrom(...'abcdefghijklmnopq', 'a ', ' b'),
    by: fc.constantFrom('base', 'careful', 'wild', null),
    chosen: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 30 }), fc.boolean(), async (rows, withReference) => {
      const w = world(withReference ? 'c' : null);
      const ids = rows.map(({ text, by }) => w.add(text, by === null ? {} : { policyId: w[by] }));
      const before = listItems(w.project).length;
      const chosen = ids.filter((_, i) => rows[i]!.chosen);
      const texts = (list: readonly number[]) =>
        listCompletions(w.project, { ids: list }).map(({ text }) => text.trim());
      const possible = new Set([...texts(ids), ...(withReference ? ['c'] : [])]).size > 1;
      const done = await w.call('samples.request', { completionIds: chosen, reason: 'x' }).catch(() => null);
      const mayRefuse = chosen.length === 0 || !possible || new Set(texts(chosen)).size < 2;
      expect(done !== null || mayRefuse).toBe(true);
      const items = listItems(w.project).slice(before);
      expect(items).toHaveLength(done?.items ?? 0);
      for (const { completionIds } of items) {
        expect(completionIds.length).toBeGreaterThanOrEqual(2);
        expect(completionIds.length).toBeLessThanOrEqual(9);
        expect(new Set(texts(completionIds)).size).toBe(completionIds.length);
      }
      for (const text of done === null ? [] : texts(chosen))
        expect(items.some(({ completionIds }) => texts(completionIds).includes(text))).toBe(true);
      w.project.close();
    }),
    { numRuns: 30 },
  );
});
