// The process that answers questions about models: warm, beside a run that goes on, and one that may die at any time.

import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TastemakerError } from '#core/errors.ts';
import { createInspector } from '#core/service/inspector.ts';
import type { Inspector, InspectorOptions } from '#core/service/inspector.ts';
import { startRun } from '#core/runs/start.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { openQueue } from '#tests/core/runs/run-queue.ts';
import type { TestQueue } from '#tests/core/runs/run-queue.ts';
import {
  addTrainedReward,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  temporaryProjects,
} from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();
const SAMPLING = { temperature: 1, topK: 0, topP: 1, maxNew: 6, seed: 1 };

describe('while a run is at work', () => {
  const LONG = { ...QUICK_PPO, updates: 100, epochs: 2, minibatches: 2, checkpoint_every: 20 };
  let project: Project, runs: TestQueue, inspector: Inspector;
  beforeAll(async () => {
    project = await makeTinyProject(fresh());
    await addTrainedReward(project);
    runs = openQueue(project);
    inspector = createInspector();
  });
  afterAll(async () => {
    await runs.until(() => !runs.queue.busy(), 'everything to end');
    await Promise.all([runs.queue.close(), inspector.close()]);
    project.close();
  });

  test('it answers from what it holds, and the run goes on to the same bits', async () => {
    const place = (name: string) => ({ name, folder: policyPath(project, getPolicy(project, name)) });
    const base = {
      model: place('base'),
      reward: place('reward'),
      prompt: 'Once upon a time',
      k: 2,
      sampling: SAMPLING,
    };
    const whole = (await startRun(project, 'ppo', LONG, 'whole')).id; // nobody asks anything meanwhile
    const { id } = await runs.queue.start('ppo', LONG, null);
    await runs.until(() => metricsOf(project, id).length >= 2, 'its first rows');

    const times: number[] = [];
    const ask = async () => {
      const begun = performance.now();
      const { completions } = await inspector.ask('sample', base);
      times.push(performance.now() - begun);
      return completions;
    };
    const first = await ask();
    const pid = inspector.pid();
    for (let i = 0; i < 8; i++) expect(await ask()).toEqual(first); // the same seed
    expect(inspector.pid()).toBe(pid);
    const [cold, ...warm] = times as [number, ...number[]];
    expect(warm.toSorted((a, b) => a - b)[4]!).toBeLessThan(cold / 4); // usually a thirtieth
    expect(first).toHaveLength(2);
    for (const { tokens, score, logprob } of first)
      expect([tokens > 0 && tokens <= 6, Number.isFinite(score), logprob < 0]).toEqual([true, true, true]);

    const held = await inspector.ask('sample', { ...base, k: 8, sampling: { ...SAMPLING, forbid: ['e', ' a'] } });
    expect(held.completions.filter(({ text }) => /[ea]/.test(text))).toEqual([]);
    expect(held.completions.some(({ text }) => text !== '')).toBe(true);

    await expect(inspector.ask('sample', { ...base, prompt: 'word '.repeat(300) })).rejects.toThrow(
      /^The prompt has \d+ tokens; with 6 new ones it exceeds the 192 that "base" can see\.$/,
    );
    await expect(inspector.ask('sample', { ...base, model: base.reward })).rejects.toMatchObject({
      code: 'bad-argument',
      message: '"reward" is a reward model; it cannot write.',
    });
    expect(metricsOf(project, id).length).toBeLessThan(LONG.updates); // it was in the middle of it
    expect((await runs.reaches(id, 'done')).step).toBe(LONG.updates);
    expect(runs.statuses(id)).toEqual(['queued', 'running', 'done']);
    expect(modelBytes(project, id).equals(modelBytes(project, whole))).toBe(true);
  });
});

describe('its process', () => {
  const processFile = path.join(import.meta.dirname, 'stubborn-process.ts');
  const opened: Inspector[] = [];
  afterAll(() => Promise.all(opened.map((inspector) => inspector.close())));
  function asking(options: InspectorOptions = {}) {
    const inspector = createInspector({ processFile, ...options });
    opened.push(inspector);
    const question = (prompt: string) => ({ model: { name: '', folder: '' }, reward: null, prompt, k: 1 });
    const ask = (prompt: string, place?: string) =>
      inspector.ask('sample', { ...question(prompt), sampling: SAMPLING }, place) as Promise<unknown>;
    return { inspector, ask: ask as (prompt: string, place?: string) => Promise<[number, number, string | null]> };
  }

  test('is started by the first question and answers the next; where it dies, another is', async () => {
    const { inspector, ask } = asking();
    expect(inspector.pid()).toBe(null);
    const [[pid], second] = await Promise.all([ask('a'), ask('b')]);
    expect(second).toEqual([pid, 2, null]);
    // what it held may have been the reason: the question is asked once more, of a fresh one
    const [other, count] = await ask('die once');
    expect([other === pid, count]).toEqual([false, 1]);
    const died = ask('die');
    const behind = ask('c'); // waits behind it
    await expect(died).rejects.toMatchObject({
      code: 'runtime',
      message: expect.stringMatching(/^The process that worked on it ended early \(SIGKILL\): last words$/),
      hint: expect.stringContaining('run out of memory'),
    });
    expect((await behind)[1]).toBe(1);
    process.kill(inspector.pid()!, 'SIGKILL'); // while nobody asks
    expect((await ask('d'))[1]).toBe(1);
  });

  test('is left when a question that was overtaken does not come to an end', async () => {
    const { ask } = asking({ overtakenMs: 300 });
    const [pid] = await ask('a', 'window');
    const overtaken = { code: 'stopped', message: 'Something else was asked meanwhile.' };
    const [hanging, waiting, last] = [ask('never', 'window'), ask('b', 'window'), ask('c', 'window')];
    const elsewhere = ask('d', 'another window');
    await expect(hanging).rejects.toMatchObject(overtaken);
    await expect(waiting).rejects.toMatchObject(overtaken);
    const [fresher, count] = await last;
    expect([fresher === pid, count]).toEqual([false, 1]);
    expect(await elsewhere).toEqual([fresher, 2, null]); // nothing overtook this one
    expect(await ask('e', 'window')).toEqual([fresher, 3, null]);
  });

  test('computes on what runs compute on, another one where that changes', async () => {
    let device = 'cpu';
    const { ask } = asking({ environment: () => Promise.resolve({ TASTEMAKER_DEVICE: device }) });
    const [pid, , told] = await ask('a');
    expect(told).toBe('cpu');
    expect(await ask('b')).toEqual([pid, 2, 'cpu']);
    device = 'webgpu';
    const [other, count, now] = await ask('c');
    expect([other === pid, count, now]).toEqual([false, 1, 'webgpu']);
  });

  test('is not started where what was asked for cannot be had', async () => {
    const refusal = new TastemakerError('runtime', 'CUDA was asked for and failed its self-test.', 'x');
    const environment = () => {
      throw refusal;
    };
    const { inspector, ask } = asking({ environment });
    await expect(ask('a')).rejects.toBe(refusal);
    expect(inspector.pid()).toBe(null);
  });

  test('ends when nobody asks for long, and with the project', async () => {
    const { inspector, ask } = asking({ idleMs: 200 });
    const [pid] = await ask('a');
    const gone = () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    };
    await expect.poll(() => [inspector.pid(), gone()], { timeout: 10_000 }).toEqual([null, true]);
    await ask('b');
    const hanging = ask('never');
    const closing = { message: 'The project was closed meanwhile.' };
    const refused = Promise.all([hanging, ask('c')].map((one) => expect(one).rejects.toMatchObject(closing)));
    await inspector.close();
    await refused;
    expect(inspector.pid()).toBe(null);
    await expect(ask('d')).rejects.toMatchObject(closing);
  });
});
