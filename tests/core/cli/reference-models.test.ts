// Runs score, logprobs and generate as processes against the numbers that PyTorch computed for the same folders.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { cli, cliJson, readLines, temporaryFolder, writeLines } from './command-line.ts';

const REFERENCE = path.join(process.cwd(), '../shared/reference/models');
const absent = !fs.existsSync(REFERENCE);

const close = (actual: number, wanted: number, what: string) =>
  expect(Math.abs(actual - wanted), `${what}: ${actual}, not ${wanted}`).toBeLessThan(2e-5 + 2e-4 * Math.abs(wanted));

/**
 * The reference texts, to which the file's numbers add an end-of-text, cut in two where the tokens of the parts are
 * those of the whole.
 */
async function cutTexts(
  folder: string,
): Promise<{ rows: { id: string; prompt: string; completion: string }[]; promptTokens: number[] }> {
  const tokenizer = await loadTokenizer(folder);
  const { texts } = JSON.parse(fs.readFileSync(path.join(folder, 'expected.json'), 'utf8')) as { texts: string[] };
  const rows = texts.map((text, i) => {
    const at = text.indexOf(' ', 12);
    return { id: `row ${i}`, prompt: text.slice(0, at), completion: text.slice(at) };
  });
  for (const [i, { prompt, completion }] of rows.entries()) {
    expect(
      [...(await tokenizer.encode(prompt)), ...(await tokenizer.encode(completion))],
      'the cut does not change the tokens',
    ).toEqual(await tokenizer.encode(texts[i]!));
  }
  return {
    rows,
    promptTokens: (await tokenizer.encodeBatch(rows.map(({ prompt }) => prompt))).map((ids) => ids.length),
  };
}

describe.skipIf(absent)(`reference models${absent ? ' (skipped: reference numbers not present)' : ''}`, () => {
  describe.each(['llama', 'gpt2'])('%s', (name) => {
    const folder = path.join(REFERENCE, name);
    const work = temporaryFolder();
    const expected = () => readSafetensors(path.join(folder, 'expected.safetensors')).tensors;

    test('logprobs: natural logarithms at temperature 1, one a completion token', async () => {
      const { rows, promptTokens } = await cutTexts(folder);
      writeLines(path.join(work, 'rows.jsonl'), [rows[0], '', rows[1]]);
      const said = await cliJson<{ rows: number }>(
        work,
        'logprobs',
        '--policy',
        folder,
        '--in',
        'rows.jsonl',
        '--out',
        'out.jsonl',
        '--eos',
      );
      expect(said.rows).toBe(2);
      const E = expected();
      const [, T, V] = E.get('logits')!.shape as [number, number, number];
      const logits = E.get('logits')!.load();
      const ids = E.get('input_ids')!.loadIntegers();
      const mask = E.get('attention_mask')!.loadIntegers();
      const out = readLines<{ id: string; prompt: string; logprob: number; tokens: number; token_logprobs: number[] }>(
        path.join(work, 'out.jsonl'),
      );
      out.forEach((row, b) => {
        const length = Array.from(mask.slice(b * T, (b + 1) * T)).reduce((sum, one) => sum + one, 0);
        const wanted = Array.from({ length: length - promptTokens[b]! }, (_, n) => {
          const t = promptTokens[b]! + n;
          const at = (b * T + t - 1) * V;
          const before = logits.slice(at, at + V);
          const most = Math.max(...before);
          return before[ids[b * T + t]!]! - most - Math.log(before.reduce((sum, x) => sum + Math.exp(x - most), 0));
        });
        expect(row, 'every field of the row is kept').toMatchObject(rows[b]!);
        expect(row.tokens).toBe(wanted.length);
        expect(row.token_logprobs.length).toBe(wanted.length);
        wanted.forEach((value, n) => close(row.token_logprobs[n]!, value, `${row.id}, token ${n}`));
        close(
          row.logprob,
          wanted.reduce((a, x) => a + x, 0),
          `${row.id}, sum`,
        );
      });
    });

    test('generate --greedy writes what PyTorch wrote', async () => {
      const { prompts } = JSON.parse(fs.readFileSync(path.join(folder, 'expected.json'), 'utf8')) as {
        prompts: string[];
      };
      writeLines(
        path.join(work, 'prompts.jsonl'),
        prompts.map((prompt) => ({ prompt })),
      );
      const tokens = expected().get('greedy')!;
      const N = tokens.shape[1]!;
      await cliJson(
        work,
        'generate',
        '--policy',
        folder,
        '--in',
        'prompts.jsonl',
        '--out',
        'greedy.jsonl',
        '--greedy',
        '--max-new',
        String(N),
      );
      const rows = readLines<{ completion: string; token_ids: number[]; finish: string }>(
        path.join(work, 'greedy.jsonl'),
      );
      // the second row of the file came from a padded batch in which PyTorch gave NaN
      expect(rows[0]!.token_ids).toEqual(Array.from(tokens.loadIntegers().slice(0, N)));
      expect(rows[0]!.finish).toBe('length');
      expect(rows[0]!.completion).toBe(await (await loadTokenizer(folder)).decode(rows[0]!.token_ids));
    });

    test('score: the reward head with and without end-of-text', async () => {
      const { rows } = await cutTexts(folder);
      const reward = path.join(work, 'reward');
      const E = expected();
      const checkpoint = loadCheckpoint(folder);
      saveCheckpoint(
        reward,
        {
          ...checkpoint,
          head: 'linear',
          weights: { ...checkpoint.weights, 'score.weight': E.get('rm/score.weight')!.load() },
        },
        { tokenizerFrom: folder },
      );
      writeLines(path.join(work, 'plain.jsonl'), rows);
      writeLines(
        path.join(work, 'ended.jsonl'),
        rows.map((row) => ({ ...row, completion: `${row.completion}<|endoftext|>` })),
      );
      const score = async (file: string, ...more: string[]) => {
        await cliJson(work, 'score', '--reward', 'reward', '--in', file, '--out', 'scores.jsonl', ...more);
        return readLines<{ score: number }>(path.join(work, 'scores.jsonl')).map((row) => row.score);
      };
      const plain = await score('plain.jsonl');
      const ended = await score('plain.jsonl', '--eos');
      E.get('rm/scores')!
        .load()
        .forEach((wanted, i) => close(ended[i]!, wanted, `row ${i}`));
      expect(plain[0], 'end-of-text changes the score').not.toBeCloseTo(ended[0]!, 3);
      expect(await score('ended.jsonl'), '--eos appends one end-of-text').toEqual(ended);
      fs.writeFileSync(path.join(reward, 'tastemaker.json'), '{"appends_end_of_text": true}');
      expect(await score('plain.jsonl'), 'a reward model of ours gets it without asking').toEqual(ended);
      expect(await score('plain.jsonl', '--eos'), 'and one only').toEqual(ended);
    });

    test('a head that does not fit is refused', async () => {
      const { code, stderr } = await cli(work, 'score', '--reward', folder, '--in', 'plain.jsonl', '--out', 'no.jsonl');
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/^Error: .* is a language model; it gives no scores\.\nHint: .*\n$/),
      ]);
      expect(fs.existsSync(path.join(work, 'no.jsonl'))).toBe(false);
    });
  });
});
