// Chat models in the jobs: prompt and answer ids are those of the whole conversation, sampling stops at the end of a
// turn, and templates that do not fit say so.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { Message } from '#core/contract/prompts.ts';
import { TastemakerError } from '#core/errors.ts';
import { encodeAnswers, encodePrompts, promptText, withStops } from '#core/recipes/parts/prompt-tokens.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { sample } from '#core/inspection/sample.ts';
import { startRun } from '#core/runs/start.ts';
import { loadArchitecture, loadCheckpoint } from '#core/models/checkpoint.ts';
import { createEvaluator } from '#core/models/evaluator.ts';
import { endOf } from '#core/models/sampler.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { renderChat } from '#core/tokenizer/chat-template.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { chatTokenizer, FORMATS, writeChatModel } from './chat-model.ts';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'chat-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const models = createHeldModels({ limit: 2 ** 30 });
const question = (content = 'Where is the ship?'): Message[] => [{ role: 'user', content }];
const asked = (messages: Message[]) => ({ text: messages.at(-1)!.content, messages });
const spell = (tokenizer: Tokenizer, ids: readonly number[]) => ids.map((id) => tokenizer.token(id)).join('');
const content = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.constantFrom('Hi', ' spaced out ', 'the keeper\n\nwrote', '\n', '\n\nletter', '漢字 😀', ''),
);
const conversation = (system: boolean): fc.Arbitrary<Message[]> =>
  fc
    .tuple(fc.boolean(), fc.array(fc.tuple(content, content), { maxLength: 3 }), content)
    .map(([told, before, last]) => [
      ...(told && system ? [{ role: 'system', content: 'Be brief.' } as const] : []),
      ...before.flatMap(([q, a]): Message[] => [
        { role: 'user', content: q },
        { role: 'assistant', content: a },
      ]),
      ...question(last),
    ]);

describe.each(Object.entries(FORMATS))('%s', (_, format) => {
  const tokenizer = chatTokenizer(format);
  const end = tokenizer.answerShape!.endId;
  /** The whole conversation as the template writes it, up to and with the token that ends the last turn. */
  const whole = (messages: Message[], text: string) => {
    const all = renderChat(format.template, [...messages, { role: 'assistant', content: text }], {
      addGenerationPrompt: false,
      specialTokens: tokenizer.specialTokens,
    });
    return all.slice(0, all.lastIndexOf(format.end) + format.end.length);
  };

  test('prompt + answer + end of turn are the tokens of the whole conversation', async () => {
    let shared = 0;
    let all = 0;
    await fc.assert(
      fc.asyncProperty(conversation(format.system), content, async (messages, text) => {
        const prompt = asked(messages);
        const [[ids], [answer]] = (await Promise.all([
          encodePrompts(tokenizer, [prompt]),
          encodeAnswers(tokenizer, [{ prompt, text, ended: true }]),
        ])) as [[number[]], [number[]]];
        const expected = await tokenizer.encode(whole(messages, text));
        all++;
        // where the tokenizer would join the opening's last line break with the answer's first, the prompt keeps its
        // own token
        const isShared =
          spell(tokenizer, [...ids, ...answer]) === spell(tokenizer, expected) &&
          ids.some((id, i) => id !== expected[i]);
        if (isShared) shared++;
        expect(isShared ? expected : [...ids, ...answer]).toEqual(expected);
        expect(answer.at(-1)).toBe(end);
        expect(await encodeAnswers(tokenizer, [{ prompt, text, ended: false }])).toEqual([answer.slice(0, -1)]);
      }),
      { numRuns: 60 },
    );
    expect(shared, 'that is rare').toBeLessThan(all / 2);
  });

  test('what is learnt is the answer and its end, nothing of the prompt and nothing after', async () => {
    const messages: Message[] = [
      ...question(),
      { role: 'assistant', content: 'In the harbour.' },
      ...question('And the keeper?'),
    ];
    const prompt = asked(messages);
    const [[ids], [answer]] = (await Promise.all([
      encodePrompts(tokenizer, [prompt]),
      encodeAnswers(tokenizer, [{ prompt, text: 'He wrote a letter.', ended: true, written: true }]),
    ])) as [[number[]], [number[]]];
    const row = [...ids, ...answer];
    const mask = [...ids.map(() => 0), ...answer.map(() => 1)];
    expect(await tokenizer.decode(row.filter((_, i) => mask[i] === 1)), 'no space is put before it').toBe(
      'He wrote a letter.',
    );
    expect(
      row.filter((id, i) => mask[i] === 1 && id === end),
      'one end of turn',
    ).toHaveLength(1);
    expect(
      spell(
        tokenizer,
        row.filter((_, i) => mask[i] === 0),
      )
        .replaceAll('Ċ', '\n')
        .replaceAll('Ġ', ' '),
    ).toBe(promptText(tokenizer, prompt));
    expect(promptText(tokenizer, prompt).endsWith(format.opening)).toBe(true);
    const bos = format.bos === null ? [] : row.filter((id) => tokenizer.token(id) === format.bos);
    expect(bos, 'the beginning of text stands once').toHaveLength(format.bos === null ? 0 : 1);
  });

  test('a text is never put into a template, nor a conversation where there is none', async () => {
    const bare = chatTokenizer(format, null);
    const plain = { text: 'The ship', messages: null };
    expect(await encodePrompts(tokenizer, [plain, { text: 'The ship' }])).toEqual([
      await tokenizer.encode('The ship'),
      await tokenizer.encode('The ship'),
    ]);
    expect(await encodePrompts(bare, [asked(question())])).toEqual([await bare.encode('Where is the ship?')]);
    const answers = [
      { prompt: plain, text: 'sank', ended: true, written: true },
      { prompt: plain, text: 'sank', ended: false },
    ];
    const expected = [[...(await tokenizer.encode(' sank')), tokenizer.endOfText], await tokenizer.encode('sank')];
    expect(await encodeAnswers(tokenizer, answers)).toEqual(expected);
    expect(
      await encodeAnswers(
        bare,
        answers.map((one) => ({ ...one, prompt: asked(question()) })),
      ),
    ).toEqual(expected);
  });
});

const SHARED = path.resolve(process.cwd(), '..', 'shared');
const EXPECTED = path.join(SHARED, 'reference', 'smollm2', 'expected.json');
const SMOLLM2 = path.join(SHARED, 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
const absent = !fs.existsSync(EXPECTED) || !fs.existsSync(SMOLLM2);
test.skipIf(absent)(
  `SmolLM2: the ids that transformers gave the model, and the end of its reply${absent ? ' (skipped: reference numbers not present)' : ''}`,
  async () => {
    const { chat } = JSON.parse(fs.readFileSync(EXPECTED, 'utf8')) as {
      chat: { messages: Message[]; template: string; ids: number[]; greedy: string; greedy_ids: number[] };
    };
    const tokenizer = await loadTokenizer(SMOLLM2);
    const prompt = asked(chat.messages);
    expect(tokenizer.chatTemplate).toBe(chat.template);
    expect(await encodePrompts(tokenizer, [prompt])).toEqual([chat.ids]);
    expect(
      await encodeAnswers(tokenizer, [
        { prompt, text: chat.greedy.replace('<|im_end|>', ''), ended: true, written: true },
      ]),
    ).toEqual([chat.greedy_ids]);
    expect(endOf(chat.greedy_ids, tokenizer.stops)).toBe(chat.greedy_ids.length - 1);
  },
);

describe('templates that write an answer in another way', () => {
  const chatml = FORMATS.ChatML!;
  const answer = (template: string, text = 'At sea.', messages = question()) =>
    encodeAnswers(chatTokenizer(chatml, template), [{ prompt: asked(messages), text, ended: true }]);
  const opening = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}";
  const closing =
    "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
  test.each<[string, string, RegExp]>([
    [
      'something before it',
      `${opening}{% if m.role == 'assistant' %}Hm. {% endif %}{{ m.content }}${closing}`,
      /changes the answer: it writes "Hm. At sea." for "At sea."\.$/,
    ],
    [
      'another opening',
      `{% for m in messages %}{{ '<|im_start|>' + m.role + (': ' if m.role == 'assistant' else '\\n') + m.content }}${closing}`,
      /asks for an answer in other words than it writes one: "\\n" there, ": At sea\./,
    ],
    [
      'another text',
      `${opening}{{ m.content | upper }}${closing}`,
      /changes the answer: it writes "AT SEA\." for "At sea\."/,
    ],
    [
      'no end',
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
      /ends an answer with no token of its own/,
    ],
    [
      'an end of its own for some',
      `${opening}{{ m.content }}{% if 'sea' in m.content %}!{% endif %}${closing}`,
      /changes the answer: it writes "At sea\.!"/,
    ],
  ])('%s: one sentence, and nothing is learnt', async (_, template, says) => {
    const error = await answer(template).then(
      () => null,
      (fault: unknown) => fault,
    );
    expect(error).toBeInstanceOf(TastemakerError);
    expect(error).toMatchObject({
      code: 'bad-data',
      message: expect.stringMatching(/^Answer 1: The chat template of chat\/tokenizer\.json [^\n]*\.$/) as string,
    });
    expect((error as Error).message).toMatch(says);
  });

  test('blanks around an answer are the template’s: Llama 2 puts them there, and takes off those it was given', async () => {
    const template =
      "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content.strip() + ' [/INST]' }}{% else %}{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
    const tokenizer = chatTokenizer(chatml, template);
    const end = tokenizer.answerShape!.endId;
    expect(tokenizer.answerShape).toMatchObject({ end: '<|im_end|>', upToEnd: ' <|im_end|>', after: '' });
    expect(await answer(template, '\nAt sea.')).toEqual([[...(await tokenizer.encode(' At sea. ')), end]]);
  });

  test('a model that can think aloud is asked not to, so that prompt and answer fit', async () => {
    const template = `${opening}{% if m.role == 'assistant' and loop.last %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{{ m.content }}{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}`;
    const tokenizer = chatTokenizer(chatml, template);
    expect(await tokenizer.decode((await answer(template))[0]!)).toBe('At sea.');
  });

  test('an answer that spells the end of a turn ends only once', async () => {
    const tokenizer = chatTokenizer(chatml);
    const [ids] = await answer(chatml.template, 'a<|im_end|>b');
    expect(await tokenizer.decode(ids!)).toBe('ab');
    expect(await encodeAnswers(tokenizer, [{ prompt: asked(question()), text: 'a<|im_end|>b', ended: false }])).toEqual(
      [ids!.slice(0, -1)],
    );
  });

  test('a refused prompt is named', async () => {
    const gemma = chatTokenizer(FORMATS.Gemma!);
    const messages: Message[] = [{ role: 'system', content: 'Be brief.' }, ...question()];
    await expect(
      encodePrompts(gemma, [asked(question()), asked(messages)], (i) => `Prompt ${40 + i}`),
    ).rejects.toMatchObject({
      code: 'bad-data',
      message:
        'Prompt 41: The chat template of chat/tokenizer.json refuses this conversation: System role not supported.',
    });
  });
});

describe('a chat model at work', () => {
  const gemma = FORMATS.Gemma!; // its eos is not what ends a turn
  async function chatProject(name: string) {
    const folder = path.join(root, `${name}.tastemaker`);
    const project = createProject(folder);
    const base = path.join(root, `${name}-base`);
    const reward = path.join(root, `${name}-reward`);
    await writeChatModel(base, gemma);
    await writeChatModel(reward, gemma, { head: 'linear' });
    addPolicy(project, { name: 'base', kind: 'base', path: base });
    addPolicy(project, { name: 'reward', kind: 'reward', path: reward });
    const messages = [
      question(),
      [...question('Who wrote?'), { role: 'assistant', content: 'The keeper.' } as const, ...question('To whom?')],
    ];
    const prompts = addPrompts(project, [
      ...messages.map((list) => ({
        text: list.at(-1)!.content,
        messages: list,
        split: 'train' as const,
        source: 'test',
      })),
      { text: 'The old ship', split: 'train', source: 'test' },
    ]);
    return { project, base, reward, messages, prompts };
  }

  test('sampling goes on from the rendered conversation and stops at the end of a turn', async () => {
    const { project, base, messages } = await chatProject('sample');
    await startRun(project, 'sample', { policy: 'base', k: 6, temperature: 1, max_new: 16, seed: 3 }, null);
    const tokenizer = await loadTokenizer(base);
    const architecture = loadArchitecture(base);
    const end = tokenizer.answerShape!.endId;
    expect(architecture.stops, 'config.json knows of the end of text only').toEqual([tokenizer.endOfText]);
    expect(withStops(architecture, tokenizer).stops).toEqual([tokenizer.endOfText, end]);
    const completions = listCompletions(project);
    expect(completions).toHaveLength(18);
    const stops = [tokenizer.endOfText, end];
    for (const { tokenIds, finish, text } of completions) {
      expect(endOf(tokenIds, stops)).toBe(finish === 'stop' ? tokenIds.length - 1 : -1);
      expect(text, 'the end is a token, not text').not.toContain('<end_of_turn>');
    }
    expect(completions.filter(({ tokenIds }) => tokenIds.at(-1) === end).length).toBeGreaterThan(6);
    // what was sampled is as likely as the evaluator finds it after the rendered prompt
    const { weights, ...model } = loadCheckpoint(base);
    const evaluator = createEvaluator({ ...model, weights });
    const prompts = await encodePrompts(tokenizer, [...messages.map(asked), { text: 'The old ship' }]);
    const ids = [...new Set(completions.map(({ promptId }) => promptId))].sort((a, b) => a - b);
    const found = await evaluator.logprobs(
      weights,
      ids.map((id, i) => ({
        prompt: prompts[i]!,
        completions: completions.filter(({ promptId }) => promptId === id).map(({ tokenIds }) => tokenIds),
      })),
    );
    await evaluator.release();
    const drawn = ids.flatMap((id) =>
      completions.filter(({ promptId }) => promptId === id).map(({ logprobs }) => logprobs),
    );
    found.flat().forEach((row, i) => row.forEach((lp, t) => expect(Math.abs(lp - drawn[i]![t]!)).toBeLessThan(1e-3)));
    project.close();
  });

  test('scoring gives a text the tokens that an answer to a message has', async () => {
    const { project, base, reward, messages, prompts } = await chatProject('score');
    const texts = ['By the harbour.', 'Nobody knows.'];
    addCompletions(
      project,
      texts.map((text, i) => ({
        promptId: prompts[0]!,
        policyId: null,
        text,
        tokenIds: [],
        logprobs: [],
        samplingLogprobs: [],
        finish: i === 0 ? 'stop' : 'length',
        sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 16, seed: 0 },
        runId: null,
        step: null,
      })),
    );
    const { id } = await startRun(project, 'score', { reward: 'reward', reference: '' }, null);
    const measured = fs
      .readFileSync(path.join(project.folder, 'runs', id, 'measures.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { completionId: number; score: number });
    const tokenizer = await loadTokenizer(base);
    const checkpoint = loadCheckpoint(reward);
    const evaluator = createEvaluator(checkpoint);
    const [prompt] = await encodePrompts(tokenizer, [asked(messages[0]!)]);
    const end = tokenizer.answerShape!.endId;
    const completions = [[...(await tokenizer.encode(texts[0]!)), end], await tokenizer.encode(texts[1]!)];
    const [scores] = await evaluator.scores(checkpoint.weights, [{ prompt: prompt!, completions }]);
    await evaluator.release();
    expect(measured).toHaveLength(2);
    measured.forEach(({ score }, i) => expect(score).toBeCloseTo(scores![i]!, 4));
    project.close();
  });

  test('trying it takes what is typed as a conversation where that is asked for, with system prompt and several turns', async () => {
    const folder = path.join(root, 'try');
    const sampling = { temperature: 1, topK: 0, topP: 1, maxNew: 12, seed: 1 };
    await writeChatModel(folder, gemma, { ends: 0.4 });
    const task = { model: { name: 'base', folder }, reward: null, prompt: 'Where is the ship?', k: 8, sampling };
    const user = (content: string) => ({ role: 'user' as const, content });
    const messages = [user('Where is the ship?')];
    const chat = await sample(models, { ...task, messages });
    const plain = await sample(models, task);
    expect(chat.completions.map(({ logprob }) => logprob)).not.toEqual(plain.completions.map(({ logprob }) => logprob));
    expect(chat.completions.filter(({ finish }) => finish === 'stop').length).toBeGreaterThan(2);
    const tokenizer = await loadTokenizer(folder);
    expect([plain.read, chat.read]).toEqual(['Where is the ship?', promptText(tokenizer, { text: '', messages })]);
    const talk = [...messages, { role: 'assistant' as const, content: 'At sea.' }, user('Since when?')];
    const later = await sample(models, { ...task, prompt: '', messages: talk });
    expect(later.read).toBe(promptText(tokenizer, { text: '', messages: talk }));
    for (const part of ['Where is the ship?', 'At sea.', 'Since when?']) expect(later.read).toContain(part);
    await expect(sample(models, { ...task, messages: talk.slice(0, 2) })).rejects.toMatchObject({
      message: 'The conversation does not end with the user.',
    });
    await expect(sample(models, { ...task, messages: [user('')] })).rejects.toMatchObject({
      message: 'The prompt is empty.',
    });
    const config = path.join(folder, 'tokenizer_config.json');
    fs.writeFileSync(
      config,
      JSON.stringify({ ...(JSON.parse(fs.readFileSync(config, 'utf8')) as object), chat_template: undefined }),
    );
    await expect(sample(models, { ...task, messages })).rejects.toMatchObject({
      code: 'bad-argument',
      message: '"base" has no chat template, so it can not take a prompt as a message.',
    });
    expect((await sample(models, task)).completions, 'as text it still works').toHaveLength(8);
  });

  test('a stop text ends an answer before it, and what is counted is what had to be written', async () => {
    const folder = path.join(root, 'stop');
    const sampling = { temperature: 1, topK: 0, topP: 1, maxNew: 24, seed: 3 };
    await writeChatModel(folder, gemma, { ends: 0.05 });
    const task = { model: { name: 'base', folder }, reward: null, prompt: 'Where is the ship?', k: 6, sampling };
    const { completions: whole } = await sample(models, task);
    expect(
      await sample(models, { ...task, reward: { name: 'gone', folder: `${folder}-gone` } }),
      'a reward model that is broken keeps nobody from reading',
    ).toMatchObject({ completions: whole, unscored: expect.stringContaining('“gone” gives no scores: ') });
    expect((await sample(models, { ...task, reward: { name: 'base', folder } })).unscored).toBe(
      '“base” gives no scores: it is no reward model.',
    );
    const stop = whole[0]!.text.slice(4, 7);
    const { completions } = await sample(models, { ...task, stops: ['nowhere in any of them', stop] });
    completions.forEach((one, i) => {
      const at = whole[i]!.text.indexOf(stop);
      expect(one).toMatchObject(
        at < 0 ? whole[i]! : { text: whole[i]!.text.slice(0, at), finish: 'stop', stoppedAt: stop },
      );
      expect(one.tokens).toBeLessThanOrEqual(whole[i]!.tokens);
      expect(one.logprob).toBeGreaterThanOrEqual(whole[i]!.logprob);
    });
    expect(completions[0]!.stoppedAt).toBe(stop);
    expect(completions[0]!.tokens).toBeLessThan(whole[0]!.tokens);
  });
});
