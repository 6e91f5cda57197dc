// Folders that other programs wrote: what of them is read, and what is refused.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fromBfloat16, toBfloat16 } from '#core/formats/number-formats.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { expectClose, noReference, readJson, readNumbers, REFERENCE, SKIPPED } from './reference-numbers.ts';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'checkpoint-'));
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));
let folders = 0;
const fresh = () => path.join(scratch, `model-${++folders}`);
function saved(checkpoint: Checkpoint, options: Parameters<typeof saveCheckpoint>[2] = {}): string {
  const folder = fresh();
  saveCheckpoint(folder, checkpoint, options);
  return folder;
}

describe.skipIf(noReference)(`folders of other programs${SKIPPED}`, () => {
  const at = (name: string) => path.join(REFERENCE, name);

  test('bfloat16 shards with an index hold the rounded weights of the same model', () => {
    const whole = loadCheckpoint(at('models/llama'));
    const shards = loadCheckpoint(at('formats/llama-bf16-sharded'));
    expect(fs.existsSync(at('formats/llama-bf16-sharded/model.safetensors')), 'there is no single file').toBe(false);
    expect(shards.architecture).toEqual(whole.architecture);
    expect(Object.keys(shards.weights)).toEqual(Object.keys(whole.weights));
    for (const [name, data] of Object.entries(whole.weights))
      expect(shards.weights[name], name).toEqual(data.map((x) => fromBfloat16(toBfloat16(x))));
  });

  test('a sequence classifier reads as a reward model without bias and scores as PyTorch says', async () => {
    const classifier = loadCheckpoint(at('formats/sequence-classifier'));
    expect(classifier.head).toBe('linear');
    expect(Object.keys(classifier.weights)).not.toContain('score.bias');
    const E = readNumbers(at('models/llama/expected.safetensors'));
    const mask = E.rows('attention_mask');
    const groups = E.rows('input_ids').map((row, b) => {
      const text = row.filter((_, t) => mask[b]![t] === 1);
      return { prompt: text.slice(0, 4), completions: [text.slice(4)] };
    });
    const evaluator = createEvaluator(classifier, { threads: 1 });
    expectClose((await evaluator.scores(classifier.weights, groups)).flat(), E.floats('rm/scores'), 'scores');
    await evaluator.release();
    expect(loadCheckpoint(saved(classifier))).toEqual(classifier);
  });

  /** What config.json must still say: everything of the original that decides the arithmetic, in its own words. */
  const SAID = [
    'model_type',
    'architectures',
    'vocab_size',
    'tie_word_embeddings',
    'dtype',
    'bos_token_id',
    'eos_token_id',
    'pad_token_id',
    'n_embd',
    'n_layer',
    'n_head',
    'n_positions',
    'activation_function',
    'layer_norm_epsilon',
    'hidden_size',
    'num_hidden_layers',
    'num_attention_heads',
    'num_key_value_heads',
    'head_dim',
    'intermediate_size',
    'max_position_embeddings',
    'hidden_act',
    'rope_parameters',
    'rms_norm_eps',
    'layer_norm_eps',
    'use_parallel_residual',
    'attention_bias',
    'mlp_bias',
    'use_sliding_window',
  ];
  const tensorBytes = (folder: string) => {
    const files = fs.readdirSync(folder).filter((name) => /^model.*\.safetensors$/.test(name));
    return new Map(
      files.flatMap((file) => {
        const bytes = fs.readFileSync(path.join(folder, file));
        const length = Number(bytes.readBigUInt64LE(0));
        const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
          string,
          { dtype: string; shape: number[]; data_offsets: [number, number] }
        >;
        return Object.entries(header)
          .filter(([name]) => name !== '__metadata__')
          .map(
            ([
              name,
              {
                dtype,
                shape,
                data_offsets: [from, to],
              },
            ]) =>
              [
                name,
                [dtype, shape.join(), bytes.subarray(8 + length + from, 8 + length + to).toString('base64')].join(' '),
              ] as const,
          );
      }),
    );
  };

  test.each([
    ['models/gpt2', 'F32'],
    ['models/gpt_neox', 'F32'],
    ['models/llama', 'F32'],
    ['models/llama-untied', 'F32'],
    ['models/qwen2', 'F32'],
    ['models/qwen3', 'F32'],
    ['formats/sequence-classifier', 'F32'],
    ['formats/llama-bf16-sharded', 'BF16'],
  ] as const)('%s: what we write back has the bytes of every tensor (%s) and the configuration', (name, dtype) => {
    const original = loadCheckpoint(at(name));
    const folder = saved(original, { tokenizerFrom: at(name), dtype });
    expect(loadCheckpoint(folder)).toEqual(original);
    expect(tensorBytes(folder)).toEqual(tensorBytes(at(name)));
    const before = readJson<Record<string, unknown>>(path.join(at(name), 'config.json'));
    const after = readJson<Record<string, unknown>>(path.join(folder, 'config.json'));
    for (const key of SAID.filter((one) => (before[one] ?? null) !== null))
      expect(after[key], key).toEqual(before[key]);
    const beside = ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'].filter((file) =>
      fs.existsSync(path.join(at(name), file)),
    );
    for (const file of beside)
      expect(fs.readFileSync(path.join(folder, file))).toEqual(fs.readFileSync(path.join(at(name), file)));
  });
});
