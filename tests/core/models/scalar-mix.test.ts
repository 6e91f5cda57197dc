// The scalar-mix head against a mix computed by hand and finite differences, in a real run, in its files and exports.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compile } from '#core/autodiff/compile.ts';
import { gradients } from '#core/autodiff/gradient.ts';
import { mul } from '#core/autodiff/ops/elementwise.ts';
import { sumAll } from '#core/autodiff/ops/reduction.ts';
import { adapterParameters, freshAdapter } from '#core/models/adapter.ts';
import { checkpointParameters, loadShared, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { readHead } from '#core/models/heads.ts';
import { packRows, rowShape, rowTensors, rowTypes } from '#core/models/rows.ts';
import type { Group } from '#core/models/rows.ts';
import { trunk } from '#core/models/transformer.ts';
import { createRandom } from '#core/random.ts';
import { newAdapter } from '#core/recipes/parts/tuning.ts';
import { resumeRun, startRun } from '#core/runs/start.ts';
import { formatsFor } from '#core/service/models/model-formats.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import type { Project } from '#core/store/project.ts';
import {
  makeTinyProject,
  metricsOf,
  modelBytes,
  QUICK_PPO,
  runFile,
  temporaryProjects,
  timeless,
} from '#tests/core/recipes/tiny-project.ts';
import { ONE } from '#tests/core/training/graph-values.ts';
import { tinyModel } from './tiny-models.ts';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'scalar-mix-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

const GROUPS: Group[] = [
  { prompt: [3, 4, 5], completions: [[6, 7], [8], [9, 10, 11]] },
  { prompt: [12], completions: [[13, 14, 15, 16], [17], [18]] },
];
const SHAPE = rowShape(GROUPS, 2, 'last');
const SLOTS = SHAPE.B * SHAPE.Q;

/** A model whose mix is uneven: scores that only the right shares give. */
function uneven(family: 'gpt2' | 'llama'): Checkpoint {
  const model = withScoreHead(tinyModel(family), 3, true, 'scalar-mix');
  const random = createRandom(5, 'mix');
  return {
    ...model,
    weights: {
      ...model.weights,
      'mix.weight': model.weights['mix.weight']!.map(() => random.normal()),
      'mix.gamma': Float32Array.of(1.7),
      'score.bias': Float32Array.of(0.3),
    },
  };
}

/** Scores, raw taps, Σ coefficient · score and its slopes by every parameter. */
async function read(model: Checkpoint, coefficients: Float32Array) {
  const { architecture, head } = model;
  const list = checkpointParameters(model);
  const executable = await compile(
    {
      state: {},
      frozen: Object.fromEntries(list.map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }])),
      feeds: { ...rowTypes(SHAPE), coefficients: { dtype: 'float32', shape: [SLOTS] } },
      step: ({ graph, frozen: weights, feeds }) => {
        const given = { architecture, weights, graph };
        const taps = trunk(given, rowTensors(feeds));
        const scores = readHead(head, given, taps);
        const sum = sumAll(mul(scores, feeds.coefficients!));
        const slopes = gradients(
          sum,
          list.map(({ name }) => weights[name]!),
        );
        const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
        return {
          state: {},
          outputs: {
            scores,
            sum,
            hidden: taps.hidden,
            ...Object.fromEntries(layers.map((layer) => [`tap ${layer}`, taps.at(layer)])),
            ...Object.fromEntries(slopes.map((slope, i) => [`slope ${list[i]!.name}`, slope])),
          },
        };
      },
    },
    ONE,
  );
  const { arrays } = packRows(GROUPS, SHAPE, 2, 'last');
  const { outputs } = await executable.run({}, model.weights, { ...arrays, coefficients });
  await executable.release();
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data as Float32Array)]),
  );
}

const COEFFICIENTS = Float32Array.from({ length: SLOTS }, (_, i) => Math.cos(i + 1));

describe.each(['gpt2', 'llama'] as const)('%s', (family) => {
  test('scores are w · γ Σ softmax(s) norm(h) + b, by hand', async () => {
    const model = uneven(family);
    const { architecture, weights } = model;
    const { channels: C, layers, normEpsilon } = architecture;
    const found = await read(model, COEFFICIENTS);
    const exps = Array.from(weights['mix.weight']!, Math.exp);
    const total = exps.reduce((a, b) => a + b, 0);
    const isLayerNorm = family === 'gpt2';
    const gain = weights[isLayerNorm ? 'transformer.ln_f.weight' : 'model.norm.weight']!;
    const shift = isLayerNorm ? weights['transformer.ln_f.bias']! : new Float32Array(C);
    const normed = (x: number[]): number[] => {
      const center = isLayerNorm ? x.reduce((a, b) => a + b, 0) / C : 0;
      const variance = x.reduce((sum, value) => sum + (value - center) ** 2, 0) / C;
      return x.map((value, c) => ((value - center) / Math.sqrt(variance + normEpsilon)) * gain[c]! + shift[c]!);
    };
    const slot = (numbers: number[], n: number) => numbers.slice(n * C, (n + 1) * C);
    for (let n = 0; n < SLOTS; n++) {
      const states = [
        ...Array.from({ length: layers }, (_, layer) => normed(slot(found[`tap ${layer}`]!, n))),
        slot(found.hidden!, n),
      ];
      const mix = states[0]!.map((_, c) => states.reduce((sum, h, layer) => sum + (exps[layer]! / total) * h[c]!, 0));
      const score = mix.reduce((sum, m, c) => sum + weights['score.weight']![c]! * 1.7 * m, 0.3);
      expect(found.scores![n], `slot ${n}`).toBeCloseTo(score, 4);
    }
  });

  test('its slopes are finite differences, for the mix and for what lies below', async () => {
    const model = uneven(family);
    const found = await read(model, COEFFICIENTS);
    const block = checkpointParameters(model).find(({ name }) => /\.0\..*(c_fc|up_proj)\.weight$/.test(name))!.name;
    for (const name of ['mix.weight', 'mix.gamma', 'score.weight', 'score.bias', block]) {
      const at = Math.min(1, model.weights[name]!.length - 1);
      const step = 1e-2;
      const moved = async (by: number) => {
        const data = model.weights[name]!.slice();
        data[at]! += by;
        return (await read({ ...model, weights: { ...model.weights, [name]: data } }, COEFFICIENTS)).sum![0]!;
      };
      const slope = ((await moved(step)) - (await moved(-step))) / (2 * step);
      expect(Math.abs(found[`slope ${name}`]![at]!), `${name} matters`).toBeGreaterThan(1e-4);
      expect(found[`slope ${name}`]![at], name).toBeCloseTo(slope, 2);
    }
  });
});

test('with every share on the last layer and γ = 1 it is the linear head', async () => {
  const words = tinyModel('gpt2');
  const linear = withScoreHead(words, 3);
  const mix = withScoreHead(words, 3, true, 'scalar-mix');
  mix.weights['mix.weight']!.fill(-100);
  mix.weights['mix.weight']![words.architecture.layers] = 0;
  const [a, b] = [createEvaluator(linear, ONE), createEvaluator(mix, ONE)];
  const [wanted, found] = [await a.scores(linear.weights, GROUPS), await b.scores(mix.weights, GROUPS)];
  for (const one of [a, b]) await one.release();
  found.flat().forEach((score, i) => expect(score).toBeCloseTo(wanted.flat()[i]!, 5));
});

describe('files', () => {
  const places = (model: Checkpoint, name: string) => {
    const folder = path.join(scratch, name);
    saveCheckpoint(folder, model);
    return folder;
  };

  test('saved and read again it is the same model; no folder or adapter of it is exported, ONNX is', () => {
    const model = uneven('llama');
    const folder = places(model, 'whole');
    const again = loadShared(folder);
    expect(again).toEqual({ ...model, architecture: again.architecture });
    const problems = Object.fromEntries(
      formatsFor(openCheckpoint(folder), folder).map(({ name, problem }) => [name, problem]),
    );
    expect(problems['onnx']).toBeNull();
    for (const name of ['hf-f32', 'hf-bf16', 'hf-f16'])
      expect(problems[name]).toBe(
        'Its head mixes all layers, which transformers and PEFT have no place for: export it as ONNX.',
      );
    expect(problems['gguf-f16']).toContain('GGUF has no place');
  });

  test('beside an adapter too, and an unknown head of ours is refused by its name', () => {
    const words = tinyModel('llama');
    const base = places(words, 'base');
    const settings = newAdapter(words.architecture, { lora_rank: 2, lora_alpha: 4, lora_targets: 'all' });
    const head = uneven('llama').weights;
    const adapted: Checkpoint = {
      ...withScoreHead(words, 3, true, 'scalar-mix'),
      weights: { ...head, ...freshAdapter(adapterParameters(words.architecture, settings), 1) },
      adapter: { settings, base },
    };
    const folder = places(adapted, 'adapter');
    const again = loadShared(folder);
    expect(again.head).toBe('scalar-mix');
    for (const name of ['mix.weight', 'mix.gamma', 'score.weight', 'score.bias'])
      expect(again.weights[name], name).toEqual(head[name]);
    const problem = formatsFor(openCheckpoint(folder), folder).find(({ name }) => name === 'adapter')!.problem;
    expect(problem).toContain('no place for');
    const file = path.join(folder, 'adapter_config.json');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('"scalar-mix"', '"no-such"'));
    expect(() => loadShared(folder)).toThrow('"tastemaker_head"');
  });
});

describe('runs', () => {
  const fresh = temporaryProjects();
  const REWARD = { head: 'scalar-mix', batch: 4, learning_rate: 3e-3, steps_a_run: 2, validation: 0.25, seed: 2 };
  let project: Project;
  beforeAll(async () => void (project = await makeTinyProject(fresh())));
  afterAll(() => project.close());
  const folderOf = (id: string) => runFile(project, id, 'model');

  test.each([{}, { tune: 'blocks', tuned_blocks: 1 }, { tune: 'blocks', tuned_blocks: 0 }])(
    'a reward model of %j learns its mix, and stopped and resumed ends in the same bits',
    async (tuning) => {
      const settings = { ...REWARD, ...tuning, checkpoint_every: 1 };
      const whole = await startRun(project, 'reward', settings, null);
      let reports = 0;
      const stopped = await startRun(project, 'reward', settings, null, {
        onReport: () => void reports++,
        stopping: () => reports >= 1,
      });
      expect(stopped.status).toBe('stopped');
      await resumeRun(project, stopped.id);
      expect(modelBytes(project, stopped.id).equals(modelBytes(project, whole.id))).toBe(true);
      expect(timeless(metricsOf(project, stopped.id))).toEqual(timeless(metricsOf(project, whole.id)));
      const { head, weights } = loadShared(folderOf(whole.id));
      expect(head).toBe('scalar-mix');
      expect(Math.max(...weights['mix.weight']!.map(Math.abs)), 'shares').toBeGreaterThan(1e-4);
      expect(weights['mix.gamma']![0], 'γ').not.toBe(1);
    },
  );

  test('PPO takes it as reward model and critic', async () => {
    const judge = await startRun(project, 'reward', REWARD, 'judge');
    expect(judge.status).toBe('done');
    const run = await startRun(project, 'ppo', { ...QUICK_PPO, policy: 'base', reward: 'judge' }, null);
    expect(run.status).toBe('done');
    expect(metricsOf(project, run.id).every(({ value_loss: loss }) => Number.isFinite(loss))).toBe(true);
  });
});
