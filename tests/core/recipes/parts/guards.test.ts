// Guards: each trips where its measure is planted and not before, what a person has heard of is not said again, and a
// run that one stops goes on from there.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Group } from '#core/models/rows.ts';
import type { MetricRow } from '#core/recipes/metrics.ts';
import { watch } from '#core/recipes/parts/guard-watch.ts';
import type { GuardMemory, Seen } from '#core/recipes/parts/guard-watch.ts';
import { alarmOf, GUARDS } from '#core/recipes/parts/guards.ts';
import type { GuardName, Watched } from '#core/recipes/parts/guards.ts';
import type { Rollouts } from '#core/recipes/parts/policy-rollouts.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { alarmsOf } from '#core/service/runs/run-alarms.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import {
  addLengthReward,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const usual: MetricRow = { ended: 0.8, length: 20, distinct: 0.9, kl_per_token: 0.1, score: 1 };
const healthy: Watched = { now: usual, first: usual, fall: null, alike: 0, phrase: null };
const planted: Record<GuardName, { bad: Partial<Watched>; says: RegExp; fair: Partial<Watched> }> = {
  gap: {
    bad: { fall: { z: 3.5, from: 1, to: 0.2, rose: true } },
    says: /held-out value fell from 1\.00 to 0\.20 while/,
    fair: { fall: { z: 2.4, from: 1, to: 0.8, rose: true } },
  },
  phrase: {
    bad: { phrase: { text: 'pls halp', share: 0.5, price: 0.4, low: 0.1, high: 0.7 } },
    says: /“pls halp” stands in 50 % of the latest answers, .* pays 0\.40 \(0\.10 to 0\.70\)/,
    fair: { phrase: { text: 'pls halp', share: 0.3, price: 0.4, low: 0.1, high: 0.7 } },
  },
  collapsed: { bad: { alike: 0.6 }, says: /score the same under 60 %/, fair: { alike: 0.4 } },
  ended: {
    bad: { now: { ...usual, ended: 0.3 } },
    says: /only 30 % of the answers end, 80 % did/,
    fair: { now: { ...usual, ended: 0.5 } },
  },
  length: {
    bad: { now: { ...usual, length: 41 } },
    says: /41 tokens long, 20 were usual/,
    fair: { now: { ...usual, length: 10 } },
  },
  distinct: {
    bad: { now: { ...usual, distinct: 0.4 } },
    says: /only 40 % of three-token sequences/,
    fair: { now: { ...usual, distinct: 0.5 } },
  },
  kl: {
    bad: { now: { ...usual, kl_per_token: 1.2 } },
    says: /KL reached 1\.20 nats a token/,
    fair: { now: { ...usual, kl_per_token: 0.9 } },
  },
};

test.each(Object.keys(GUARDS) as GuardName[])('%s trips above its limit, once, and says why', (guard) => {
  const { bad, says, fair } = planted[guard];
  expect(alarmOf({ ...healthy, ...bad }, [])).toEqual({ guard, why: expect.stringMatching(says) as string });
  expect(alarmOf({ ...healthy, ...bad }, [guard])).toBeNull();
  expect(alarmOf({ ...healthy, ...fair }, [])).toBeNull();
  expect(alarmOf(healthy, [])).toBeNull();
});

test('a fall trips as well where the score it is trained on falls with it', () => {
  const alarm = alarmOf({ ...healthy, fall: { z: 3.5, from: 1, to: 0.2, rose: false } }, []);
  expect(alarm).toEqual({
    guard: 'gap',
    why: expect.stringMatching(/, and the score it is trained on with it$/) as string,
  });
});

describe('on a real project', () => {
  const fresh = temporaryProjects();
  let project: Project;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    addLengthReward(project, 'longer', 1);
    addLengthReward(project, 'shorter', -1);
    tokenizer = await loadTokenizer(`${project.folder}/models/base`);
  });
  afterAll(() => project.close());

  const PHRASE = 'so please help';
  /** Updates one after another, in which from the fourth on three of four answers say the phrase. */
  async function through(pays: (tokens: number) => number, looks: readonly MetricRow[] = []) {
    const prompts = await Promise.all(
      listPrompts(project, { split: 'train' }).map(async ({ id, text, messages, split, facts }) => ({
        promptId: id,
        text,
        messages,
        split,
        facts,
        ids: await tokenizer.encode(text),
      })),
    );
    const rollouts = {
      scores: (_: unknown, groups: readonly Group[]) =>
        Promise.resolve(groups.map(({ completions }) => completions.map((ids) => pays(ids.length)))),
      hasRead: () => Promise.resolve(),
    } as Pick<Rollouts, 'scores' | 'hasRead'> as Rollouts;
    const logged: string[] = [];
    const context = { phase: () => {}, log: (line: string) => void logged.push(line) } as never;
    let memory: GuardMemory | undefined;
    for (let update = 0; update < 8; update++) {
      const rows = prompts.map(({ promptId, text }, i) => ({
        promptId,
        text: `${text.slice(i % 9, (i % 9) + 30)} ${update > 3 && i % 4 ? PHRASE : ''}`.trim(),
        tokenIds: [1],
        finish: 'stop' as const,
        score: i,
        logprob: 0,
        referenceLogprob: 0,
      }));
      const now = { ...usual, score: update };
      const seen: Seen = { now, rows, scores: [[1]], look: looks[update] ?? { held_out_value: 1 } };
      const found = await watch({ context, models: { tokenizer, room: 192 }, rollouts, prompts }, memory, seen);
      memory = found.memory;
      if (found.alarm) return { update, alarm: found.alarm, logged };
    }
    return { update: null, alarm: null, logged };
  }

  test('a phrase that is paid for is found while the run is at work, and its samples are shown', async () => {
    const { update, alarm, logged } = await through((tokens) => tokens / 10);
    expect(alarm!.guard).toBe('phrase');
    expect(alarm!.why).toContain(`“${PHRASE}” stands in `);
    expect(update).toBeGreaterThan(3);
    expect(logged[0]).toMatch(/^The guard "phrase" tripped: .*Its limit is 0\.4: what nearly half/);
    expect(logged.slice(1)).toHaveLength(3);
    for (const line of logged.slice(1)) expect(line).toContain(PHRASE);
    expect(alarm).toMatchObject({ limit: GUARDS.phrase.limit, because: GUARDS.phrase.because });
    expect(alarm!.samples.length).toBeGreaterThan(10);
    for (const { text } of alarm!.samples) expect(text).toContain(PHRASE);
  });

  test('the same phrase that nobody pays for, or that costs, trips nothing', async () => {
    expect((await through(() => 1)).alarm).toBeNull();
    expect((await through((tokens) => -tokens / 10)).alarm).toBeNull();
  });

  test('a fall of the held-out value trips where the errors say that it is one', async () => {
    const looks = (error: number) =>
      [1, 2, 1].map((held_out_value) => ({ held_out_value, held_out_value_se: error }) as MetricRow);
    const sure = await through(() => 1, looks(0.1));
    expect([sure.update, sure.alarm?.guard]).toEqual([2, 'gap']);
    expect((await through(() => 1, looks(0.4))).alarm).toBeNull();
  });

  const settings = { ...QUICK_PPO, updates: 8, evaluate_every: 2, checkpoint_every: 3 };

  test('where none trips the run is the same to the last bit', async () => {
    const off = await startRun(project, 'ppo', { ...settings, reward: 'shorter', updates: 4 }, null);
    const on = await startRun(project, 'ppo', { ...settings, reward: 'shorter', updates: 4, guards: true }, null);
    expect(on.status).toBe('done');
    expect(jsonRows(project, on.id, 'rollouts.jsonl')).toEqual(jsonRows(project, off.id, 'rollouts.jsonl'));
    expect(modelBytes(project, on.id).equals(modelBytes(project, off.id))).toBe(true);
  });

  test('one that trips stops the run, saved; resumed, it goes on to the end as if nobody had stopped it', async () => {
    const greedy = { ...settings, reward: 'longer', missing_end: 'keep', learning_rate: 2e-2, schedule: 'constant' };
    const plain = await startRun(project, 'ppo', greedy, null);
    const { id, status, summary } = await startRun(project, 'ppo', { ...greedy, guards: true }, null);
    expect(status).toBe('stopped');
    expect(summary).toMatch(/; a guard stopped it: only \d+ % of the answers end, \d+ % did\.$/);
    const at = metricsOf(project, id).at(-1)!.step;
    expect(at).toBeLessThan(8);
    const [alarm] = alarmsOf(project, runFolderOf(project.folder, id));
    expect(alarm).toMatchObject({ update: at, guard: 'ended', limit: GUARDS.ended.limit });
    expect(summary).toContain(alarm!.why);
    expect(alarm!.samples).toHaveLength(16); // of the update that it stopped at, all of them
    const asked = new Map(alarm!.prompts.map(({ id: promptId, text }) => [promptId, text]));
    for (const { promptId } of alarm!.samples) expect(asked.get(promptId)).not.toBe('');
    let last = { status, id };
    for (let guards = 0; last.status === 'stopped' && guards < 7; guards++) last = await resumeRun(project, id);
    expect(last.status).toBe('done');
    expect(alarmsOf(project, runFolderOf(project.folder, id))[0]).toEqual(alarm); // what was said is kept
    expect(metricsOf(project, id).at(-1)!.step).toBe(8);
    expect(modelBytes(project, id).equals(modelBytes(project, plain.id))).toBe(true);
  });
});
