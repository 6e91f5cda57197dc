// Our own small inputs of each kind that was read wrongly, in every family, format and command: the right values, or the right refusal.

import { describe, expect, test } from 'vitest';
import { inTurn, readOwnCases, runCase } from './case-runner.ts';

const cases = readOwnCases();

/** The cases that are still wrong. A case that has become right must leave the list. */
const STILL_WRONG: readonly string[] = [
  'k1-generate-score',
  'k1-smaller-reference',
  'k2-always',
  'k2-always-begin',
  'k2-boundary-gpt2',
  'k2-boundary-llama',
  'k2-first',
  'k2-first-begin',
  'k2-llama2',
  'k2-llama2-begin',
  'k2-never-begin',
  'k2-rows-without-token',
  'k2-sft-always',
  'k2-sft-llama2',
  'k2-special-last',
  'k2-special-within',
  'k2-special-within-chat',
  'k3-begin-and-end',
  'k3-begin-gpt2',
  'k3-begin-gpt_neox',
  'k3-begin-llama',
  'k3-begin-qwen2',
  'k3-begin-qwen3',
  'k3-end-by-generation-config',
  'k3-end-by-settings',
  'k3-end-by-settings-as-record',
  'k3-end-null',
  'k3-end-once',
  'k3-end-written-gpt2',
  'k3-export-llama',
  'k3-export-qwen2',
  'k3-gguf-begin-true',
  'k3-one-convention-gpt2',
  'k3-one-convention-qwen3',
  'k3-pad-is-end-gpt_neox',
  'k3-pad-is-end-llama',
  'k3-pad-is-end-qwen2',
  'k3-pad-is-end-qwen3',
  'k3-sft-gpt2',
  'k3-sft-gpt_neox',
  'k3-sft-llama',
  'k3-sft-qwen2',
  'k3-sft-qwen3',
  'k9-repeated-one',
];

describe.concurrent('our own cases', () => {
  test('are there, and those still wrong among them', () => {
    expect(cases.length).toBeGreaterThan(0);
    expect(STILL_WRONG.filter((entry) => !cases.some(({ name }) => entry === name))).toEqual([]);
  });

  test.each(cases.map((one) => [one.name, one.what, one] as const))('%s: %s', async (name, _, one) => {
    const wrong = await inTurn(() => runCase(one));
    if (STILL_WRONG.includes(name)) expect(wrong, `${name} is right now: take it off the list STILL_WRONG`).not.toBe(null);
    else if (wrong !== null) expect.fail(wrong);
  });
});
