// The queue with real job processes: order, pausing to the bit, stopping, killing, cancelling, taking up again.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask, livingProcess, readHeartbeat } from '#core/runs/control.ts';
import { startRun } from '#core/runs/start.ts';
import { openProject } from '#core/store/database.ts';
import { getPolicy, listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import { openQueue, QUICK } from './run-queue.ts';
import type { TestQueue } from './run-queue.ts';
import {
  addTrainedReward,
  jsonRows,
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  QUICK_SFT,
  runFile,
  temporaryProjects,
  timeless,
} from '#tests/core/recipes/tiny-project.ts';

/** About two seconds of work in forty updates. */
const LONG = {
  ...QUICK_PPO,
  updates: 40,
  epochs: 2,
  minibatches: 2,
  evaluate_every: 10,
  evaluate_prompts: 4,
  checkpoint_every: 5,
};
const SHORT = { ...QUICK_SFT, show_prompts: 2, show_max_new: 8 };

const fresh = temporaryProjects();
const folder = fresh();
let project: Project, runs: TestQueue, whole: string;
beforeAll(async () => {
  project = await makeTinyProject(folder);
  await addTrainedReward(project);
  whole = (await startRun(project, 'ppo', LONG, 'whole')).id; // nobody touches this one
  runs = openQueue(project);
});
afterAll(async () => {
  for (const { id, status } of runs.queue.list())
    if (['queued', 'running', 'paused'].includes(status)) runs.queue.cancel(id);
  await runs.until(() => !runs.queue.busy(), 'everything to end');
  await runs.queue.close();
  project.close();
});

const rows = (id: string) => metricsOf(project, id).length;
const after = (id: string, count: number) => runs.until(() => rows(id) >= count, `${count} rows of ${id}`);
/** The run ended as if nobody had touched it, to the last bit. */
function expectWhole(id: string): void {
  expect(modelBytes(project, id).equals(modelBytes(project, whole))).toBe(true);
  expect(timeless(metricsOf(project, id))).toEqual(timeless(metricsOf(project, whole)));
  expect(jsonRows(project, id, 'samples.jsonl')).toEqual(jsonRows(project, whole, 'samples.jsonl'));
}

test('runs take their turns one at a time, and a cancelled one is left out', async () => {
  const [a, b, c] = [
    await runs.queue.start('sft', SHORT, 'first'),
    await runs.queue.start('sft', SHORT, 'second'),
    await runs.queue.start('sft', { ...SHORT, seed: 9 }, null),
  ];
  expect([a, b, c].map(({ status }) => status)).toEqual(['running', 'queued', 'queued']);
  expect(b!.phase).toBe('waiting for its turn');
  await expect(runs.queue.start('sft', SHORT, 'second')).rejects.toThrow(
    'A run is already making a model called "second".',
  );
  await expect(runs.queue.start('sft', { batch: -1 }, null)).rejects.toThrow('The setting batch is -1');
  expect(runs.queue.cancel(b!.id).status).toBe('cancelled');
  await runs.reaches(c!.id, 'done');
  expect(runs.statuses(a!.id)).toEqual(['queued', 'running', 'done']);
  expect(runs.statuses(b!.id)).toEqual(['queued', 'cancelled']);
  expect(runs.statuses(c!.id)).toEqual(['queued', 'running', 'done']);
  const states = runs.heard.flatMap(({ event, data }) => (event === 'run.changed' ? [data.run] : []));
  expect(states.findIndex(({ id, status }) => id === a!.id && status === 'done')).toBeLessThan(
    states.findIndex(({ id, status }) => id === c!.id && status === 'running'),
  );
  const done = runs.queue.get(a!.id);
  expect(done.run).toMatchObject({
    modelId: getPolicy(project, 'first').id,
    step: 7,
    total: 7,
    secondsLeft: null,
    resumable: false,
  });
  expect(done.run.summary).toMatch(/^SFT on 28 references, 7 steps/);
  expect(done.manifest).toMatchObject({ id: a!.id, config: { batch: 4 } });
  expect(done.checkpoints).toEqual([4, 7]);
  expect(getPolicy(project, 'sft').runId).toBe(c!.id);
  // every row of numbers was told once, in order
  const told = runs.heard.flatMap(({ event, data }) => (event === 'run.metrics' && data.runId === c!.id ? [data] : []));
  expect(told.flatMap((one) => one.rows)).toEqual(metricsOf(project, c!.id));
  told.reduce((at, one) => (expect(one.from).toBe(at), at + one.rows.length), 0);
  expect(() => runs.queue.cancel(a!.id)).toThrow(`Run ${a!.id} is done, so it cannot be cancelled.`);
  expect(() => runs.queue.pause(a!.id)).toThrow('cannot be paused');
});

describe('a run that is interrupted ends in the same bits', () => {
  test('paused, it computes nothing; resumed, it goes on', async () => {
    const { id } = await runs.queue.start('ppo', LONG, null);
    await after(id, 3);
    expect(runs.queue.pause(id)).toMatchObject({ status: 'paused', phase: 'pausing at the next border' });
    await runs.until(() => runs.queue.get(id).run.phase === 'paused', 'the pause');
    const before = rows(id);
    const pid = livingProcess(runFile(project, id, ''))!;
    const cpu = cpuOf(pid);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(rows(id)).toBe(before);
    expect(cpuOf(pid) - cpu).toBeLessThan(10); // hundredths of a second
    expect(getRun(project, id).status).toBe('paused'); // as the person left it
    expect(runs.queue.resume(id).status).toBe('running');
    await after(id, before + 2);
    expect((await runs.reaches(id, 'done')).step).toBe(40);
    expectWhole(id);
  });

  test('stopped and saved, resumed, killed by hand, resumed', async () => {
    const { id } = await runs.queue.start('ppo', LONG, null);
    await after(id, 4);
    expect(runs.queue.stop(id)).toMatchObject({ status: 'stopping', phase: 'saving' });
    const stopped = await runs.reaches(id, 'stopped');
    expect(stopped).toMatchObject({ resumable: true, error: null });
    expect(stopped.modelId).toBe(listPolicies(project, { runId: id })[0]!.id);
    expect(fs.existsSync(runFile(project, id, 'model/model.safetensors'))).toBe(true);
    expect(rows(id)).toBeLessThan(40);

    const before = rows(id);
    expect(runs.queue.resume(id).status).toBe('running'); // nothing else waits
    await after(id, before + 8);
    process.kill(livingProcess(runFile(project, id, ''))!, 'SIGKILL');
    const killed = await runs.reaches(id, 'failed');
    expect(killed.error).toMatch(
      new RegExp(
        `^The process of run ${id} was ended by SIGKILL \\(by hand, or because memory ran out\\) at step \\d+ of 40\\.`,
      ),
    );
    expect(killed.resumable).toBe(true);

    runs.queue.resume(id);
    expect(await runs.reaches(id, 'done')).toMatchObject({ error: null, modelId: stopped.modelId });
    expect(listPolicies(project, { runId: id })).toHaveLength(1);
    expectWhole(id);
  });

  test('the service is killed; the job goes on, and another service takes it up', async () => {
    await runs.queue.close();
    project.close();
    const service = spawn(
      process.execPath,
      [path.join(import.meta.dirname, 'own-queue.ts'), folder, 'ppo', JSON.stringify(LONG)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const id = await new Promise<string>((resolve) => {
      let said = '';
      service.stdout.on('data', (piece: Buffer) => {
        said += piece;
        if (/^step [2-9]/m.test(said)) resolve(/^run (\S+)/m.exec(said)![1]!);
      });
    });
    service.kill('SIGKILL');
    await new Promise((resolve) => service.once('exit', resolve));
    const pid = livingProcess(path.join(folder, 'runs', id))!;
    expect(pid).not.toBe(null);

    project = openProject(folder, { write: true });
    runs = openQueue(project);
    expect(getRun(project, id).status).toBe('running');
    const done = await runs.reaches(id, 'done', 'failed');
    expect(done).toMatchObject({ status: 'done', step: 40, error: null });
    expect(listPolicies(project, { runId: id }).map((policy) => policy.id)).toEqual([done.modelId]);
    expect(runs.heard.some(({ event }) => event === 'run.metrics')).toBe(true);
    expectWhole(id);
  });
});

test('a run that ended while nobody watched, and one whose process was killed, are told apart at the next opening', async () => {
  const { id } = await runs.queue.start('sft', SHORT, null);
  await runs.until(() => livingProcess(runFile(project, id, '')) !== null, 'its process');
  await runs.queue.close();
  await runs.until(
    () => fs.existsSync(runFile(project, id, 'status.json')) && livingProcess(runFile(project, id, '')) === null,
    'its end',
  );
  expect(getRun(project, id).status).toBe('running');
  runs = openQueue(project);
  expect((await runs.reaches(id, 'done')).modelId).not.toBe(null);

  const lost = await runs.queue.start('ppo', LONG, null);
  await runs.until(() => runs.queue.get(lost.id).run.step > 1, 'its second update');
  await runs.queue.close();
  process.kill(livingProcess(runFile(project, lost.id, ''))!, 'SIGKILL');
  runs = openQueue(project);
  const found = await runs.reaches(lost.id, 'failed');
  expect(found).toMatchObject({
    resumable: true,
    error: expect.stringMatching(/ended without a word at step \d+ of 40/),
  });
});

test('a job that does not obey is killed when it is cancelled; one that obeys ends by itself', async () => {
  await runs.queue.close();
  runs = openQueue(project, {
    ...QUICK,
    killAfterMs: 300,
    silentAfterMs: 100,
    processFile: path.join(import.meta.dirname, 'deaf-process.ts'),
  });
  const deaf = await runs.queue.start('ppo', LONG, null);
  await runs.until(() => runs.queue.get(deaf.id).run.step === 3, 'its word');
  const pid = livingProcess(runFile(project, deaf.id, ''))!;
  expect(runs.queue.memoryInUse()).toBe(1);
  const begun = Date.now();
  expect(runs.queue.cancel(deaf.id).status).toBe('cancelling');
  expect(() => runs.queue.resume(deaf.id)).toThrow('cannot be resumed');
  expect(await runs.reaches(deaf.id, 'cancelled')).toMatchObject({ error: null, resumable: false, modelId: null });
  expect(Date.now() - begun).toBeGreaterThan(290);
  expect(Date.now() - begun).toBeLessThan(5000);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  await runs.queue.close();

  runs = openQueue(project);
  const other = await runs.queue.start('ppo', LONG, null);
  await after(other.id, 2);
  ask(project.folder, { runId: other.id, action: 'cancel' }); // what the command line leaves
  await runs.reaches(other.id, 'cancelled');
  expect(runs.statuses(other.id)).toEqual(['queued', 'running', 'cancelling', 'cancelled']);
  expect(listPolicies(project, { runId: other.id })).toEqual([]);
  expect(() => runs.queue.resume(other.id)).toThrow(`Run ${other.id} was cancelled.`);
});

test('a process that falls silent is not killed, but it is said', async () => {
  await runs.queue.close();
  runs = openQueue(project, {
    ...QUICK,
    killAfterMs: 0,
    silentAfterMs: 150,
    processFile: path.join(import.meta.dirname, 'deaf-process.ts'),
  });
  const { id } = await runs.queue.start('ppo', LONG, null);
  await runs.until(() => runs.queue.get(id).run.step === 3, 'its word');
  const pid = livingProcess(runFile(project, id, ''))!;
  expect(runs.queue.get(id).notices).toEqual([]);
  process.kill(pid, 'SIGSTOP');
  await runs.until(() => runs.queue.get(id).notices.length > 0, 'the notice');
  expect(runs.queue.get(id)).toMatchObject({
    run: { status: 'running', phase: expect.stringContaining('has not answered for') },
    notices: [expect.stringContaining('has not answered for')],
  });
  expect(readHeartbeat(runFile(project, id, ''))!.pid).toBe(pid);
  runs.queue.cancel(id);
  await runs.reaches(id, 'cancelled');
});

test('a run that cannot be prepared fails with the sentence that says why', async () => {
  await runs.queue.close();
  runs = openQueue(project);
  const { id } = await runs.queue.start('sft', { ...SHORT, batch: 500 }, null);
  expect(await runs.reaches(id, 'failed')).toMatchObject({
    error: 'This needs 500 training prompts with a reference completion; there are 28.',
    resumable: true,
  });
});

/** Hundredths of a second that a process has computed; 0 where the system does not say. */
function cpuOf(pid: number): number {
  try {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
