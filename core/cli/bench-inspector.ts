// The bench of questions to models: how soon the first answer of a model is there and how long the next ones take, with
// nothing else at work and while a PPO run trains on every core.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RunRow } from '#core/contract/runs.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { createInspector } from '#core/service/inspector.ts';
import type { Inspector } from '#core/service/inspector.ts';
import { createRunQueue } from '#core/service/runs/queue.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';

export interface Times {
  p50: number;
  p95: number;
  max: number;
  times: number;
}

/** Milliseconds. `first`: the process is started, the model read, a graph compiled. */
export interface InspectorFigures {
  first: Record<string, number>;
  next: Record<string, Times>;
}

const TEXTS = 40; // of each question, each a word longer than the one before or from another prompt
const WORDS = 10;
const WAIT_MS = 120_000;
const CREDIT = { beta: 0.05, gamma: 1, lambda: 0.95, limit: 48, placement: 'after-end' } as const;
const SAMPLING = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 };

interface Place {
  name: string;
  folder: string;
}
type Ask = (inspector: Inspector, prompt: string, answer: string) => Promise<unknown>;

/** Every kind of question, of a text that grows while it is typed. */
function questions(policy: Place, reward: Place): Record<string, Ask> {
  const along = (model: Place, text: string, answer: string) => ({ model, prompt: { text }, answer, ended: false });
  return {
    'next token, 10 alternatives': (inspector, text, answer) =>
      inspector.ask('next', { model: policy, prompt: { text }, answer, count: 10 }),
    'log-probability of each token': (inspector, text, answer) =>
      inspector.ask('logprobs', along(policy, text, answer)),
    'score at each token': (inspector, text, answer) => inspector.ask('scoresAlong', along(reward, text, answer)),
    'scores of 4 answers': (inspector, text, answer) =>
      inspector.ask('scores', {
        model: reward,
        prompt: { text },
        answers: [1, 2, 3, 4].map((k) => ({ text: answer.slice(k), ended: true, sampled: null })),
      }),
    'lens: all layers, 5 tokens at each position': (inspector, text, answer) =>
      inspector.ask('lens', { ...along(policy, text, answer), beside: null, layers: null, positions: null, count: 5 }),
    'attribution of a score': (inspector, text, answer) => inspector.ask('attribution', along(reward, text, answer)),
    'attribution of a log-probability': (inspector, text, answer) =>
      inspector.ask('attribution', along(policy, text, answer)),
    'strips: policy, reference, reward model': (inspector, text, answer) => {
      const { model, ...written } = along(policy, text, answer);
      return inspector.ask('strips', { ...written, policy: model, reference: model, reward, credit: CREDIT });
    },
    'Try: 2 × 48 tokens, scored': (inspector, prompt) =>
      inspector.ask('sample', { model: policy, reward, prompt, k: 2, sampling: SAMPLING }),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

function summarise(list: readonly number[]): Times {
  const sorted = list.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return { p50: at(0.5), p95: at(0.95), max: sorted.at(-1)!, times: sorted.length };
}

/** With a process of its own for each kind of question, so that each has a first answer. */
async function measure(asks: Record<string, Ask>, texts: readonly [string, string][]): Promise<InspectorFigures> {
  const figures: InspectorFigures = { first: {}, next: {} };
  for (const [kind, ask] of Object.entries(asks)) {
    const inspector = createInspector();
    try {
      const times: number[] = [];
      for (const [prompt, answer] of texts) times.push(await timed(() => ask(inspector, prompt, answer)));
      figures.first[kind] = times[0]!;
      figures.next[kind] = summarise(times.slice(1));
    } finally {
      await inspector.close();
    }
  }
  return figures;
}

/** Prompts of the project, each with its reference as an answer that is typed a word at a time. */
const typedTexts = (project: Project): [string, string][] =>
  listPrompts(project, { limit: TEXTS / WORDS }).flatMap(({ text, reference }) => {
    const words = (reference ?? text).split(' ');
    return Array.from({ length: WORDS }, (_, i): [string, string] => [text, ` ${words.slice(0, i + 5).join(' ')}`]);
  });

export interface InspectorBench {
  idle: InspectorFigures;
  training: InspectorFigures;
  /** of the run that trained meanwhile */
  statuses: RunRow['status'][];
}

/** In a new project of the demo's models. */
export async function benchInspector(): Promise<InspectorBench> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-inspector-'));
  const project = await createDemoProject(path.join(root, 'demo.tastemaker'), {
    prompts: 200,
    validation: 20,
    heldOut: 0,
    seed: 1,
  });
  const folderOf = (name: string) => path.join(project.folder, 'models', name);
  const [policy, reward] = ['base', 'reward'].map((name) => ({ name, folder: folderOf(name) })) as [Place, Place];
  saveCheckpoint(reward.folder, withScoreHead(loadCheckpoint(policy.folder), 1), { tokenizerFrom: policy.folder });
  addPolicy(project, { name: 'reward', kind: 'reward', path: reward.folder });
  const statuses: RunRow['status'][] = [];
  const queue = createRunQueue(
    project,
    (event, data) => {
      if (event === 'run.changed' && 'run' in data) statuses.push(data.run.status);
    },
    { follow: false },
  );
  try {
    const asks = questions(policy, reward);
    const texts = typedTexts(project);
    const idle = await measure(asks, texts);
    const { id } = await queue.start('ppo', { policy: 'base', reward: 'reward', updates: 10_000 }, null);
    const row = () => queue.get(id).run;
    await until(() => (row().step ?? 0) >= 2 || row().status === 'failed', 'the run to train');
    if (row().status === 'failed')
      throw new TastemakerError('runtime', `The run failed: ${row().error}`, 'Measure again.');
    const training = await measure(asks, texts);
    queue.cancel(id);
    await until(() => !queue.busy(), 'the run to end');
    return { idle, training, statuses: statuses.filter((status, i) => status !== statuses[i - 1]) };
  } finally {
    await queue.close();
    project.close();
    fs.rmSync(root, { recursive: true, force: true });
  }
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const begun = Date.now(); !holds(); await wait(50))
    if (Date.now() - begun > WAIT_MS)
      throw new TastemakerError(
        'runtime',
        `Waited in vain for ${what}.`,
        'Measure again on a machine that is less busy.',
      );
}
