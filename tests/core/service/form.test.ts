// A form being changed over a project of thousands of prompts: the service's thread is free while it is estimated.
import path from 'node:path';
import { expect, test } from 'vitest';
import { PROCESSOR } from '#core/autodiff/device.ts';
import { measureForm } from '#core/cli/bench-estimates.ts';
import { buildBigProject } from '#core/cli/bench-project.ts';
import { watchThread } from '#core/cli/held-thread.ts';
import { estimateRun } from '#core/service/runs/estimate.ts';
import { openProject } from '#core/store/database.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();
const MOST_MS = 20;

test('no estimate holds the thread for more than 20 ms, which each would if it were made there', async () => {
  const folder = path.join(fresh(), 'big.tastemaker');
  buildBigProject(folder, { prompts: 4000, perPrompt: 2, rankings: 3000 }, () => {});
  const { holds, waits } = await measureForm(folder);
  expect(holds.length).toBeGreaterThan(20);
  expect(waits).toHaveLength(holds.length);
  // what this thread computed: a busy machine takes it away for longer
  expect(Math.max(...holds.map(({ busy }) => busy))).toBeLessThan(MOST_MS);

  const project = openProject(folder, { write: false });
  const watch = watchThread();
  try {
    const machine = { device: PROCESSOR, cardFreeBytes: null, availableBytes: 64e9, pace: 1 };
    await estimateRun(project, machine, 'pretrain', { layers: 24, channels: 256, heads: 4 });
    expect(watch.longest().busy).toBeGreaterThan(MOST_MS);
  } finally {
    watch.stop();
    project.close();
  }
}, 120_000);
