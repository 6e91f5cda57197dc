// What a selection leaves of a project's rankings, each reason planted and counted.

import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  describeLeftOut,
  describeSelection,
  rankedRows,
  selectionOf,
  SELECTION_SETTINGS,
} from '#core/recipes/parts/dataset.ts';
import { readConfig } from '#core/recipes/settings.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { setFlag } from '#core/store/flags.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addMarks } from '#core/store/marks.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();
let project: Project, anna: number, ben: number, prompts: number[], answers: number[][];
const select = (changes: Record<string, unknown> = {}) =>
  rankedRows(project, selectionOf(readConfig(SELECTION_SETTINGS, changes)));
const ids = (changes: Record<string, unknown> = {}) => select(changes).rankings.map(({ rankingId }) => rankingId);

beforeAll(() => {
  project = createProject(`${fresh()}/p.tastemaker`);
  [anna, ben] = ['anna', 'ben'].map((name) => ensureLabeler(project, name, 'person').id) as [number, number];
  const [base, tuned] = ['base', 'tuned'].map((name) =>
    addPolicy(project, { name, kind: 'base', path: `models/${name}` }),
  ) as [number, number];
  prompts = addPrompts(
    project,
    (['train', 'train', 'validation', 'test'] as const).map((split, i) => ({
      text: `prompt ${i}`,
      split,
      source: 'test',
    })),
  );
  const one = {
    logprobs: [],
    samplingLogprobs: [],
    tokenIds: [],
    tokenizer: null,
    finish: 'stop' as const,
    sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 9, seed: 1 },
    runId: null,
    step: null,
  };
  answers = prompts.map((promptId) =>
    addCompletions(
      project,
      [' good', ' fair', ' poor', ' poor'].map((text, k) => ({
        ...one,
        promptId,
        policyId: k === 0 ? tuned : base,
        text,
      })),
    ),
  );
});
afterAll(() => project.close());

const rank = (p: number, labelerId: number, ranks: number[], more: object = {}) =>
  addRanking(project, {
    promptId: prompts[p]!,
    labelerId,
    status: 'ranked',
    ranks: ranks.map((place, k) => ({ completionId: answers[p]![k]!, rank: place })),
    ...more,
  });

test('hidden repeats, skipped items, test prompts and rankings without a preference teach nothing', () => {
  const first = rank(0, anna, [1, 2, 3], { confidence: 8 });
  rank(0, anna, [3, 2, 1], { repeatOf: first });
  addRanking(project, { promptId: prompts[1]!, labelerId: anna, status: 'skipped', ranks: [] });
  addRanking(project, { promptId: prompts[1]!, labelerId: anna, status: 'none-acceptable', ranks: [] });
  rank(1, ben, [1, 1, 1]);
  rank(3, ben, [1, 2, 3]);
  const held = rank(2, ben, [1, 2, 3], { confidence: 3 });
  expect(ids()).toEqual([first, held]);
  const { frozen } = select();
  expect(frozen.leftOut).toEqual({ repeat: 1, unranked: 2, split: 1, even: 1 });
  expect(frozen.selection.splits).toEqual(['train', 'validation']);
  expect(describeLeftOut(frozen.leftOut)).toBe(
    '1 hidden repeats, 2 skipped or with nothing acceptable, 1 of other splits, 1 without a preference',
  );
});

test('labelers, confidence, writers and marks', () => {
  const all = ids();
  expect(ids({ labelers: 'anna' })).toEqual([all[0]]);
  expect(ids({ labelers: ' anna , ben ' })).toEqual(all);
  expect(ids({ min_confidence: 5 })).toEqual([all[0]]);
  expect(select({ policies: 'base' }).rankings.map(({ answers: kept }) => kept.map(({ text }) => text))).toEqual([
    [' fair', ' poor'],
    [' fair', ' poor'],
  ]);
  expect(ids({ policies: 'tuned' })).toEqual([]); // one answer alone is no preference
  addMarks(project, [{ completionId: answers[0]![1]!, labelerId: ben, start: 1, end: 3, label: 'made up' }]);
  expect(select({ without_marks: 'made up' }).rankings[0]!.answers.map(({ text }) => text)).toEqual([' good', ' poor']);
});

test('a flagged answer is never learnt from; flagged items only where asked for', () => {
  setFlag(project, { labelerId: anna, completionId: answers[0]![0]! }, true);
  const { rankings, frozen } = select();
  expect(rankings[0]!.answers.map(({ text }) => text)).toEqual([' fair', ' poor']);
  expect(frozen.leftOut.flagged).toBe(1);
});

test('equal texts share the best of their ranks', () => {
  const id = rank(1, anna, [1, 4, 3, 2]);
  const { ranks, answers: kept } = select().rankings.find(({ rankingId }) => rankingId === id)!;
  const place = new Map(kept.map(({ id: completion }, i) => [completion, ranks[i]]));
  expect(answers[1]!.map((completion) => place.get(completion))).toEqual([1, 4, 2, 2]);
});

test('in words', () => {
  expect(describeSelection(selectionOf(readConfig(SELECTION_SETTINGS, {})))).toBe(
    'rankings of the train and validation prompts',
  );
  expect(
    describeSelection(
      selectionOf(
        readConfig(SELECTION_SETTINGS, {
          labelers: 'anna,ben',
          policies: 'base',
          min_confidence: 5,
          flagged: 'items',
          without_marks: 'bad,made up',
        }),
      ),
    ),
  ).toBe(
    'rankings of the train and validation prompts by anna and ben, answers of base only, with a confidence of 5 or more where one was given, flagged items left out, answers marked bad or made up left out',
  );
});

test('a name that the project does not know is refused with those that it does', () => {
  for (const [changes, says, hint] of [
    [{ labelers: 'anna,eve' }, 'no labeler "eve"', 'Its labelers are: anna, ben'],
    [{ policies: 'Base' }, 'no model or writer "Base"', 'base, tuned'],
    [{ rounds: 'sample-9' }, 'no run "sample-9"', 'no runs yet'],
    [{ without_marks: 'made-up' }, 'no mark label "made-up"', 'good, bad, made up'],
  ] as const) {
    const error = (() => {
      try {
        return select(changes);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({
      code: 'bad-argument',
      message: expect.stringContaining(says),
      hint: expect.stringContaining(hint),
    });
  }
  expect(ids({ without_marks: 'bad' })).toEqual(ids()); // a label that may be given, and nobody has
});
