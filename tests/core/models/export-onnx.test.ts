// ONNX exports: what an independent decoder finds in the file, and what the runtime computes from it and the data
// beside it.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openSession } from '#core/autodiff/session.ts';
import { openCheckpoint, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { ONNX_DATA, ONNX_FILE, onnxBytes, onnxDefaults, saveOnnx } from '#core/models/export-onnx.ts';
import { mergedTensors } from '#core/models/merged-tensors.ts';
import type { MergedModel } from '#core/models/merged-tensors.ts';
import { createRandom } from '#core/random.ts';
import { decode } from '#tests/core/autodiff/decode-onnx.ts';
import { expectClose, OWN, readNumbers } from './reference-numbers.ts';
import { FAMILIES, randomTokens, tinyModel, VOCABULARY, withAdapter } from './tiny-models.ts';

const scratch = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'onnx-')));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
function fresh(): string {
  const folder = path.join(scratch, `export-${++folders}`);
  fs.mkdirSync(folder);
  return folder;
}
function stored(checkpoint: Checkpoint): MergedModel {
  const folder = path.join(scratch, `model-${++folders}`);
  saveCheckpoint(folder, checkpoint);
  return mergedTensors(openCheckpoint(folder));
}
const B = 2;
const T = 12;

/** Rows filled up with a token. */
function filled(rows: readonly (readonly number[])[], by: number, length = T): Int32Array {
  const ids = new Int32Array(rows.length * length).fill(by);
  rows.forEach((row, b) => ids.set(row, b * length));
  return ids;
}
async function run(folder: string, ids: Int32Array, rows: number, last?: Int32Array): Promise<Float32Array> {
  const session = await openSession(path.join(folder, ONNX_FILE), { threads: 1 });
  const results = await session.run({
    ids: { dtype: 'int32', shape: [rows, ids.length / rows], data: ids },
    ...(last ? { last: { dtype: 'int32', shape: [rows], data: last } } : {}),
  });
  await session.release();
  expect(Object.keys(results)).toEqual([last ? 'scores' : 'logits']);
  return results[last ? 'scores' : 'logits']!.data as Float32Array;
}

describe.each(FAMILIES)('%s', (family) => {
  const model = tinyModel(family);
  const random = createRandom(2, family);
  const rows = [randomTokens(random, 9), randomTokens(random, 5)];

  test('the file: inputs, output, and every weight in the data beside it, aligned, once, as it was', () => {
    const folder = fresh();
    const merged = stored(model);
    const told: number[][] = [];
    saveOnnx(folder, merged, { batch: B, tokens: T, onProgress: (...at) => told.push(at) });
    expect(fs.readdirSync(folder).sort()).toEqual([ONNX_FILE, ONNX_DATA]);
    const { graph, ir_version } = decode(fs.readFileSync(path.join(folder, ONNX_FILE)));
    const data = fs.readFileSync(path.join(folder, ONNX_DATA));
    expect(ir_version).toBe('10');
    const shown = ({ name, type: { tensor_type } }: (typeof graph.input)[number]) => [
      name,
      tensor_type.elem_type,
      tensor_type.shape.dim.map(({ dim_value }) => Number(dim_value)),
    ];
    expect(graph.input.map(shown)).toEqual([['ids', 6, [B, T]]]);
    expect(graph.output.map(shown)).toEqual([['logits', 1, [B, T, VOCABULARY]]]);
    const outside = graph.initializer
      .filter(({ data_location }) => data_location === 1)
      .map(({ name, dims, raw_data, external_data }) => {
        const { location, offset, length } = Object.fromEntries(external_data.map(({ key, value }) => [key, value]));
        expect([location, raw_data.length]).toEqual([ONNX_DATA, 0]);
        return { name, shape: dims.map(Number), offset: Number(offset), length: Number(length) };
      });
    let end = 0;
    for (const { offset, length } of outside.toSorted((a, b) => a.offset - b.offset)) {
      expect(offset % 64).toBe(0);
      expect(offset).toBeGreaterThanOrEqual(end);
      end = offset + length;
    }
    expect(data.length).toBe(end);
    for (const { name, shape, load } of merged.tensors) {
      const found = outside.find((one) => one.name === name);
      expect(found, name).toMatchObject({ shape, length: 4 * load().length });
      expect(
        new Float32Array(
          data.buffer.slice(data.byteOffset + found!.offset, data.byteOffset + found!.offset + found!.length),
        ),
        name,
      ).toEqual(load());
    }
    // no constant is there for nothing, and what nodes read is there
    const read = new Set(graph.node.flatMap(({ input }) => input));
    const made = [...graph.node.flatMap(({ output }) => output), ...graph.initializer.map(({ name }) => name), 'ids'];
    expect(graph.initializer.filter(({ name }) => !read.has(name))).toEqual([]);
    expect([...read].filter((name) => name !== '' && !made.includes(name))).toEqual([]);
    expect(told.length).toBeGreaterThanOrEqual(merged.tensors.length);
    expect(told.at(-1)![0]).toBe(told.at(-1)![1]);
    expect(onnxBytes(merged, T)).toBeLessThan(2 * end);
  });

  test('the runtime: log-probabilities as ours, whatever fills the rows', async () => {
    const folder = fresh();
    const checkpoint = withAdapter(model, {}, { folder: path.join(scratch, `base-${family}`) });
    saveCheckpoint(checkpoint.adapter!.base, model);
    saveOnnx(folder, stored(checkpoint), { batch: B, tokens: T });
    const logits = await run(folder, filled(rows, 0), B);
    const other = await run(folder, filled(rows, VOCABULARY - 1), B);
    const evaluator = createEvaluator(checkpoint, { threads: 1 });
    const [wanted] = [
      await evaluator.logprobs(
        checkpoint.weights,
        rows.map(([first, ...rest]) => ({ prompt: [first!], completions: [rest] })),
      ),
    ];
    await evaluator.release();
    rows.forEach((row, b) => {
      const at = (y: Float32Array, t: number) => y.slice((b * T + t) * VOCABULARY, (b * T + t + 1) * VOCABULARY);
      row.forEach((_, t) => expect(at(other, t)).toEqual(at(logits, t)));
      const got = row.slice(1).map((id, t) => {
        const z = Array.from(at(logits, t));
        const most = Math.max(...z);
        return z[id]! - most - Math.log(z.reduce((sum, value) => sum + Math.exp(value - most), 0));
      });
      expectClose(got, wanted![b]![0]!, `row ${b}`);
    });
  });

  test('a reward model: scores at the last tokens, bias included', async () => {
    const scorer = withScoreHead(model, 3);
    const folder = fresh();
    scorer.weights['score.bias'] = Float32Array.of(-1.25);
    saveOnnx(folder, stored(scorer), { batch: B, tokens: T });
    const scores = await run(
      folder,
      filled(rows, 7),
      B,
      Int32Array.from(rows, (row) => row.length - 1),
    );
    const evaluator = createEvaluator(scorer, { threads: 1 });
    expectClose(
      scores,
      (
        await evaluator.scores(
          scorer.weights,
          rows.map((row) => ({ prompt: row.slice(0, 2), completions: [row.slice(2)] })),
        )
      ).flat(),
      'scores',
    );
    await evaluator.release();
  });

  test('as long as the context and no longer', async () => {
    const folder = fresh();
    const merged = stored(model);
    const { context } = model.architecture;
    expect(onnxDefaults(model.architecture)).toEqual({ batch: 1, tokens: context });
    expect(onnxDefaults({ ...model.architecture, context: 8192 })).toEqual({ batch: 1, tokens: 512 });
    expect(() => saveOnnx(folder, merged, { batch: 1, tokens: context + 1 })).toThrow(
      `Rows of ${context + 1} tokens are longer than the model's context of ${context}.`,
    );
    expect(fs.readdirSync(folder)).toEqual([]);
    saveOnnx(folder, merged, { batch: 1, tokens: context });
    expect((await run(folder, filled([[2, 3]], 4, context), 1)).every(Number.isFinite)).toBe(true);
  });
});

test.each(['gpt2', 'llama'])('%s: the logits that PyTorch computes', async (name) => {
  const model = path.join(OWN, 'models', name);
  const numbers = readNumbers(path.join(model, 'expected.safetensors'));
  const folder = fresh();
  const [rows, length] = numbers.shape('input_ids') as [number, number];
  const V = numbers.shape('logits')[2]!;
  const mask = numbers.integers('attention_mask');
  saveOnnx(folder, mergedTensors(openCheckpoint(model)), { batch: rows, tokens: length });
  const real = (y: Float32Array) => Array.from(y).filter((_, i) => mask[Math.floor(i / V)] === 1);
  expectClose(real(await run(folder, numbers.integers('input_ids'), rows)), real(numbers.floats('logits')), 'logits');
});

test('a file without its data beside it does not open, and says so', async () => {
  const folder = fresh();
  saveOnnx(folder, stored(tinyModel('llama')), { batch: 1, tokens: 8 });
  fs.rmSync(path.join(folder, ONNX_DATA));
  await expect(openSession(path.join(folder, ONNX_FILE))).rejects.toMatchObject({ code: 'runtime' });
});
