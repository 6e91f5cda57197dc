// The commands generate, score and logprobs on conversations: rows of messages go through the chat template, or are
// refused by line.

import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { createEvaluator } from '#core/models/evaluator.ts';
import { loadCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { cli, cliJson, readLines, temporaryFolder, writeLines, writeTinyModel } from './command-line.ts';

const work = temporaryFolder();
const at = (name: string) => path.join(work, name);
const say = (role: string, content: string) => ({ role, content });
// the tokenizer's own end of text ends a turn here: what lies in the folder is a plain model with a template
const TEMPLATE =
  "{% for m in messages %}{{ m.role + ': ' + m.content + '<|endoftext|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";

beforeAll(async () => {
  await writeTinyModel(at('plain'), { context: 96 });
  fs.cpSync(at('plain'), at('chat'), { recursive: true });
  fs.writeFileSync(at('chat/chat_template.jinja'), TEMPLATE);
  const { architecture, weights } = loadCheckpoint(at('chat'));
  saveCheckpoint(
    at('reward'),
    {
      architecture,
      head: 'linear',
      weights: {
        ...weights,
        'score.weight': Float32Array.from({ length: 8 }, (_, i) => i - 3),
        'score.bias': new Float32Array(1),
      },
    },
    { tokenizerFrom: at('chat') },
  );
});

const asked = [say('user', 'The ship?')];
const text = 'user: The ship?<|endoftext|>\nassistant: ';

describe('a chat model', () => {
  test('completes "prompt" and "messages" the same, and as the rendered text', async () => {
    writeLines(at('rows.jsonl'), [{ prompt: asked }, { messages: asked }, { prompt: text }, { prompt: 'The ship?' }]);
    await cliJson(
      work,
      'generate',
      '--policy',
      'chat',
      '--in',
      'rows.jsonl',
      '--out',
      'out.jsonl',
      '--greedy',
      '--max-new',
      '8',
    );
    const [a, b, c, d] = readLines<{ prompt?: unknown; messages?: unknown; token_ids: number[] }>(at('out.jsonl'));
    expect([a!.prompt, b!.messages], 'the rows are kept as they were').toEqual([asked, asked]);
    expect([b!.token_ids, c!.token_ids]).toEqual([a!.token_ids, a!.token_ids]);
    expect(d!.token_ids).not.toEqual(a!.token_ids);
  });

  test('scores and measures an answer after the rendered conversation, its end included in the score', async () => {
    const answer = [say('assistant', 'left')];
    writeLines(at('pairs.jsonl'), [
      { prompt: asked, completion: 'left' },
      { prompt: asked, completion: answer },
      { messages: [...asked, ...answer] },
    ]);
    await cliJson(work, 'score', '--reward', 'reward', '--in', 'pairs.jsonl', '--out', 'scored.jsonl');
    await cliJson(work, 'logprobs', '--policy', 'chat', '--in', 'pairs.jsonl', '--out', 'measured.jsonl');
    const tokenizer = await loadTokenizer(at('chat'));
    const prompt = await tokenizer.encode(text);
    const left = await tokenizer.encode('left');
    const reward = loadCheckpoint(at('reward'));
    const policy = loadCheckpoint(at('chat'));
    const [[score]] = (await createEvaluator(reward).scores(reward.weights, [
      { prompt, completions: [[...left, tokenizer.endOfText]] },
    ])) as [[number]];
    const [[logprobs]] = (await createEvaluator(policy).logprobs(policy.weights, [
      { prompt, completions: [left] },
    ])) as [[number[]]];
    for (const row of readLines<{ score: number }>(at('scored.jsonl'))) expect(row.score).toBeCloseTo(score, 4);
    for (const row of readLines<{ token_logprobs: number[] }>(at('measured.jsonl'))) {
      expect(row.token_logprobs).toHaveLength(left.length);
      row.token_logprobs.forEach((lp, t) => expect(lp).toBeCloseTo(logprobs[t]!, 4));
    }
  });
});

describe('is refused, by line', () => {
  test.each<[string, string, unknown, RegExp]>([
    [
      'a conversation for a model without a template',
      'plain',
      { prompt: asked },
      /Line 2 of bad\.jsonl holds a conversation, and the model has no chat template/,
    ],
    ['an unknown role', 'chat', { prompt: [say('captain', 'x')] }, /Message 1 of "prompt" has the role "captain"/],
    [
      'a message without text',
      'chat',
      { messages: [{ role: 'user', content: [1] }] },
      /Message 1 of "messages" has no text as its "content"/,
    ],
    ['no messages', 'chat', { messages: [] }, /"messages" is not a list of messages/],
    [
      'nothing to answer',
      'chat',
      { prompt: [...asked, say('assistant', 'x')] },
      /"prompt" ends with a message by the assistant/,
    ],
    ['neither', 'chat', { completion: 'x' }, /"prompt" is missing/],
  ])('%s', async (_, model, row, says) => {
    writeLines(at('bad.jsonl'), [{ prompt: 'The ship' }, row]);
    const { code, stderr } = await cli(
      work,
      'generate',
      '--policy',
      model,
      '--in',
      'bad.jsonl',
      '--out',
      'no.jsonl',
      '--max-new',
      '4',
    );
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(says);
    expect(fs.existsSync(at('no.jsonl'))).toBe(false);
  });
});
