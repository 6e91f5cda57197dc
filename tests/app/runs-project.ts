// A project with runs of every recipe as their processes leave them, made from files and rows alone: nothing is
// trained.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RunKind, RunStatus } from '#core/contract/runs.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { addItem } from '#core/store/items.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRanking } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { describeRun } from '#core/store/run-facts.ts';

const HOUR = 3_600_000;
const BEGUN = Date.UTC(2026, 9, 1, 8);
const sampling = { temperature: 0.7, topK: 0, topP: 1, maxNew: 24, seed: 1 };

/**
 * What PPO measured of itself: the gold score rises, then falls while the score goes on; at β = 0 reward is the score.
 */
export function ppoRows(updates: number, beta: number): object[] {
  const rows: object[] = [];
  for (let step = 0; step <= updates; step++) {
    const score = 3 * (1 - Math.exp(-step / 12));
    const kl = 0.12 * step ** 1.4 + 1e-9;
    const wave = Math.sin(step * 1.7) * 0.15;
    if (step > 0)
      rows.push({
        step,
        seconds: step * 3,
        score: score + wave,
        reward: score + wave - beta * kl,
        kl,
        kl_per_token: kl / 20,
        ended: 0.99,
        length: 20,
        distinct: 0.8,
        entropy: 2 - step / 50,
        policy_loss: -0.01,
        learning_rate: 5e-4 * (1 - step / updates),
        grad_norm: 0.5,
        tokens_per_second: 900 + step,
      });
    if (step % 5 === 0)
      rows.push({
        step,
        seconds: step * 3 + 1,
        held_out_n: 64,
        gold: 5.4 - ((step - 15) / 12) ** 2,
        gold_se: 0.12,
        held_out_score: score,
        held_out_score_se: 0.07,
        held_out_value: score - 0.05 * kl,
        held_out_value_se: 0.07,
        held_out_kl: kl,
        held_out_ended: 0.98,
        held_out_length: 21,
        held_out_distinct: 0.8,
        held_out_reward: score - beta * kl,
      });
  }
  return rows;
}

interface Made {
  folder: string;
  samples: number;
}

/** `more`: how many runs beside the seven that have something to show. */
export function makeRunsProject(folder: string, more = 0): Made {
  const project = createProject(folder);
  const write = (run: string, name: string, content: string | Buffer): void => {
    const file = join(folder, 'runs', run, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  };
  const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  let at = 0;
  function run(
    kind: RunKind,
    name: string,
    rows: readonly object[],
    {
      status = 'done',
      config = {},
      summary = '',
      counts = {},
      error = null,
    }: {
      status?: RunStatus;
      config?: Record<string, number | string | boolean>;
      summary?: string;
      counts?: Record<string, number>;
      error?: string | null;
    } = {},
  ): string {
    const id = `${String(++at).padStart(4, '0')}-${kind}`;
    const createdAt = BEGUN + at * HOUR;
    const endedAt = createdAt + 90_000 * at;
    addRun(project, { id, kind, name, status, createdAt, endedAt, error });
    write(
      id,
      'manifest.json',
      JSON.stringify({
        id,
        kind,
        name,
        createdAt: new Date(createdAt + 30_000).toISOString(),
        config,
        models: {},
        data: { rows: 40, sha256: '0'.repeat(64) },
        versions: { tastemaker: '0.1.0' },
      }),
    );
    write(id, 'metrics.jsonl', lines(rows));
    write(id, 'log.txt', `${new Date(createdAt).toISOString()} At work.\n`);
    write(
      id,
      'heartbeat.json',
      JSON.stringify({
        pid: 1,
        birth: null,
        startedAt: createdAt,
        at: endedAt,
        phase: 'saving',
        step: rows.length,
        total: rows.length,
        memoryBytes: 0,
      }),
    );
    write(
      id,
      'status.json',
      JSON.stringify({
        status,
        error,
        endedAt: new Date(endedAt).toISOString(),
        outcome: status === 'failed' ? null : { status, model: null, summary, counts },
      }),
    );
    return id;
  }
  const prompts = addPrompts(
    project,
    Array.from({ length: 8 }, (_, i) => ({
      text: `What should I do about neighbour number ${i + 1}, who plays the trumpet at night?`,
      split: i < 6 ? ('train' as const) : ('validation' as const),
      source: 'test',
    })),
  );

  const drawn = run(
    'sample',
    'samples of base',
    [{ step: 8, seconds: 12, length: 18.2, ended: 0.94, tokens_per_second: 812 }],
    { config: { policy: 'base', k: 3 }, summary: '24 completions of 8 prompts by "base".', counts: { added: 24 } },
  );
  const ids = addCompletions(
    project,
    prompts.flatMap((promptId) =>
      [1, 2, 3].map((n) => ({
        promptId,
        policyId: null,
        text: `Answer ${n}: talk to the neighbour.`,
        tokenIds: [1, 2, 3],
        logprobs: [-1, -1, -1],
        samplingLogprobs: [-1, -1, -1],
        finish: 'stop' as const,
        sampling,
        runId: drawn,
      })),
    ),
  );
  const labelerId = ensureLabeler(project, 'ada', 'person').id;
  const item = addItem(project, { promptId: prompts[0]!, completionIds: ids.slice(0, 3), source: 'sample' });
  addRanking(project, {
    promptId: prompts[0]!,
    labelerId,
    itemId: item,
    status: 'ranked',
    ranks: ids.slice(0, 3).map((completionId, i) => ({ completionId, rank: i + 1 })),
    shownOrder: ids.slice(0, 3),
  });

  const rewardRows = Array.from({ length: 20 }, (_, i) => ({
    step: i + 1,
    seconds: i,
    loss: 0.7 - i * 0.01,
    accuracy: 0.5 + i * 0.012,
    grad_norm: 1,
    learning_rate: 5e-4,
    tokens_per_second: 4000,
  }));
  const reward = run(
    'reward',
    'reward',
    [
      ...rewardRows,
      {
        step: 20,
        seconds: 21,
        validation_accuracy: 0.741,
        validation_accuracy_se: 0.021,
        validation_rankings: 60,
        score_gap: 1.2,
        validation_loss: 0.52,
      },
    ],
    {
      config: { policy: 'base', batch: 8 },
      summary: 'Reward model from 240 rankings in 20 steps, validation accuracy 0.741 (0.70 to 0.78) on 60 rankings.',
    },
  );
  write(
    reward,
    'validation.jsonl',
    lines([
      {
        promptId: prompts[6],
        completionIds: ids.slice(18, 21),
        ranks: [1, 2, 3],
        scores: [-0.4, 0.2, 1.1],
        labeler: 'ada',
        confidence: null,
        policies: [null, null, null],
      },
      {
        promptId: prompts[7],
        completionIds: ids.slice(21, 24),
        ranks: [1, 2, 2],
        scores: [1.4, 0.2, -0.3],
        labeler: 'ada',
        confidence: null,
        policies: [null, null, null],
      },
    ]),
  );
  addPolicy(project, { name: 'reward', kind: 'reward', path: `runs/${reward}/model`, runId: reward });
  write(reward, 'model/model.safetensors', Buffer.alloc(400_000));
  write(reward, 'checkpoints/0000020.safetensors', Buffer.alloc(2_400_000));

  const sensible = run('ppo', 'careful', ppoRows(20, 0.05), {
    config: {
      policy: 'base',
      reward: 'reward',
      beta: 0.05,
      updates: 20,
      learning_rate: 3e-4,
      stop_kl: 0,
      stop_ended: 0,
      stop_distinct: 0,
      stop_drop: 0,
    },
    summary: 'PPO: 20 updates of 64 completions.',
  });
  const greedy = run('ppo', 'greedy', ppoRows(40, 0), {
    config: {
      policy: 'base',
      reward: 'reward',
      beta: 0,
      updates: 40,
      learning_rate: 3e-4,
      stop_kl: 0,
      stop_ended: 0,
      stop_distinct: 0,
      stop_drop: 0,
    },
    summary: 'PPO: 40 updates of 64 completions.',
  });
  for (const id of [sensible, greedy]) {
    const written = [0, 5, 10, 15, 20].flatMap((step) =>
      prompts.slice(6).map((promptId) => ({
        step,
        promptId,
        text: `At step ${step}: talk to the neighbour, kindly.`,
        score: step / 10,
        kl: step / 3,
        gold: 5 - Math.abs(step - 10) / 5,
        finish: 'stop',
        tokens: 9,
      })),
    );
    write(id, 'samples.jsonl', lines(written));
    addCompletions(
      project,
      written.map(({ promptId, step, text }) => ({
        promptId,
        policyId: null,
        text,
        tokenIds: [1, 2],
        logprobs: [-1, -1],
        samplingLogprobs: [-1, -1],
        finish: 'stop' as const,
        sampling,
        runId: id,
        step,
      })),
    );
    write(id, 'completions.jsonl', Buffer.alloc(300_000, 10));
    write(id, 'checkpoints/0000020.safetensors', Buffer.alloc(3_000_000));
  }
  const lmRows = Array.from({ length: 30 }, (_, i) => ({
    step: (i + 1) * 8,
    seconds: i,
    loss: 4 - i * 0.05,
    grad_norm: 1,
    learning_rate: 1e-3,
    tokens_per_second: 9000,
    ...(i % 10 === 9 ? { validation_loss: 4.1 - i * 0.04, perplexity: Math.exp(4.1 - i * 0.04) } : {}),
  }));
  run('sft', 'tuned on references', lmRows, {
    config: { policy: 'base', epochs: 2 },
    summary: 'SFT on 400 references, 240 steps, validation loss 2.940.',
  });
  run('score', 'scores by reward', [{ step: 8, seconds: 3, score: 0.4, tokens_per_second: 5000 }], {
    config: { reward: 'reward', reference: 'base' },
    summary: 'Measured 24 completions of 8 prompts with "reward" and "base".',
    counts: { measured: 24 },
  });
  run('pretrain', 'from nothing', lmRows, {
    config: { texts: 'texts.txt' },
    status: 'stopped',
    summary: 'Stopped after 240 steps.',
  });
  describeRun(project, greedy, { note: 'cheats from step 15 on', tags: ['beta 0'] });
  describeRun(project, sensible, { tags: ['keep'] });
  for (let i = 0; i < more; i++)
    run('ppo', `sweep ${i + 1}`, ppoRows(10 + (i % 30), i % 3 ? 0.05 : 0), {
      config: { policy: 'base', reward: 'reward', beta: i % 3 ? 0.05 : 0, learning_rate: 1e-4 * (1 + (i % 7)) },
      status: i % 11 === 0 ? 'failed' : 'done',
      error: i % 11 === 0 ? 'The loss is NaN at step 7, batch 1 of the 4 in this call.' : null,
      summary: `PPO: ${10 + (i % 30)} updates of 64 completions.`,
    });
  project.close();
  return { folder, samples: ids.length };
}
