// Prompts: what a file is taken for, what each format becomes, and truncation that never touches anything but the post.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseTldrPrompt, readPrompts, tldrPrompt, truncatePost } from '#core/formats/prompts.ts';
import { errorOf, fileWith, shared, temporaryFolder } from './folder.ts';

const lines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join('\n') + '\n';
const read = (content: string, name = 'p.jsonl', map?: Record<string, string>) =>
  readPrompts(fileWith(content, name), map && { map });

/** The error of a reading that is refused. */
const refusal = (reading: Promise<unknown>) =>
  reading.then(
    () => expect.fail('nothing was refused'),
    (thrown: unknown) =>
      errorOf(() => {
        throw thrown;
      }),
  );

/** What a row is that says nothing but its text. */
const plain = { messages: null, reference: null, source: 'p.jsonl', split: null, extra: null };

describe('what a file is taken for', () => {
  test('rows with a prompt, with a reference under any of its names', async () => {
    const { prompts, errors, format } = await read(
      lines(
        { prompt: 'a' },
        { prompt: 'b', reference: 'r' },
        { prompt: 'c', completion: ' s' },
        { prompt: 'd', target: ['t', 'u'], source: 'here' },
        { prompt: '' },
        { prompt: 3 },
        'text',
      ),
    );
    expect(format).toBe('prompt');
    expect(prompts).toEqual([
      { ...plain, text: 'a' },
      { ...plain, text: 'b', reference: 'r' },
      { ...plain, text: 'c', reference: ' s' },
      { ...plain, text: 'd', reference: 't', source: 'here' },
    ]);
    expect(errors.map(({ line }) => line)).toEqual([5, 6, 7]);
  });

  test('posts become the prompt of the paper, letter by letter', async () => {
    const post = { subreddit: 'tifu', title: 'Late again', post: 'My cat ate my badge.\nSo I was late.' };
    const { prompts, format } = await read(lines({ ...post, summary: 'Cat ate badge.' }, post));
    expect(format).toBe('tldr');
    expect(prompts[0]).toEqual({
      ...plain,
      text: 'SUBREDDIT: r/tifu\n\nTITLE: Late again\n\nPOST: My cat ate my badge.\nSo I was late.\n\nTL;DR:',
      reference: 'Cat ate badge.',
    });
    expect(prompts[1]!.reference).toBeNull();
    expect(parseTldrPrompt(prompts[0]!.text)).toEqual(post);
    expect(parseTldrPrompt('What is new?')).toBeNull();
    expect(await read('subreddit,title,post\ntifu,T,"P\n\nQ"\n', 'p.csv')).toMatchObject({
      format: 'csv tldr',
      prompts: [{ text: tldrPrompt({ subreddit: 'tifu', title: 'T', post: 'P\n\nQ' }) }],
    });
  });

  test('papers become their abstract, with the first target as reference', async () => {
    const { prompts, errors, format } = await read(
      lines(
        { source: ['One.', 'Two.'], target: ['T', 'U'], paper_id: 'x' },
        { source: [], target: ['T'] },
        { source: 'One', target: [] },
      ),
    );
    expect([format, prompts]).toEqual(['scitldr', [{ ...plain, text: 'One. Two.\n\nTL;DR:', reference: 'T' }]]);
    expect(errors.map(({ line }) => line)).toEqual([2, 3]);
  });

  test('plain lines, also where the first looks like a header or like JSON', async () => {
    expect(await read('\ufeffWrite a poem.\r\n\r\nText, please\n', 'p.txt')).toEqual({
      prompts: [
        { ...plain, text: 'Write a poem.', source: 'p.txt' },
        { ...plain, text: 'Text, please', source: 'p.txt' },
      ],
      errors: [],
      format: 'text',
      notes: [],
    });
    expect((await read('text\nmore\n', 'p.txt')).prompts.length).toBe(2);
    expect((await read('{curly} braces\nmore\n', 'p.txt')).prompts.length).toBe(2);
    expect((await read(lines({ prompt: 'a' }), 'p.txt')).format).toBe('prompt'); // the content decides
    expect((await read('One.\nTwo.\n', 'p')).format).toBe('text');
  });

  test('tables by their column, with or without the ending', async () => {
    for (const name of ['p.csv', 'p']) {
      expect(await read('id,prompt,reference\n1,"a, b",r\n2,c,\n3,,r\n', name)).toEqual({
        format: 'csv prompt',
        prompts: [
          { ...plain, text: 'a, b', reference: 'r', source: name },
          { ...plain, text: 'c', source: name },
        ],
        errors: [{ line: 4, message: '"prompt" is empty.' }],
        notes: [],
      });
    }
    expect((await read('text\tid\nhello, you\t1\n', 'p.tsv')).prompts[0]!.text).toBe('hello, you');
  });

  test('conversations: the last answer is the reference', async () => {
    const system = { role: 'system', content: 'Be brief.' };
    const user = { role: 'user', content: 'Why?' };
    const assistant = { role: 'assistant', content: 'So.' };
    const { prompts, errors, format } = await read(
      lines(
        { messages: [user, assistant], split: 'valid', extra: { id: 7, tags: [] }, source: 's' },
        { prompt: [system, user], reference: 'r' },
        { prompt: [user], completion: [assistant] },
        { conversations: [], messages: [user, assistant, { from: 'human', value: 'And?' }] },
        { messages: [assistant] },
        { messages: [{ role: 'tool', content: 'x' }] },
        { messages: [{ role: 'user', content: ' ' }] },
        { messages: 'text' },
      ),
    );
    expect(format).toBe('messages');
    expect(prompts).toEqual([
      { text: 'Why?', messages: [user], reference: 'So.', source: 's', split: 'validation', extra: { id: 7 } },
      { ...plain, text: 'System: Be brief.\n\nUser: Why?', messages: [system, user], reference: 'r' },
      { ...plain, text: 'Why?', messages: [user], reference: 'So.' },
      {
        ...plain,
        text: 'User: Why?\n\nAssistant: So.\n\nUser: And?',
        messages: [user, assistant, { role: 'user', content: 'And?' }],
      },
    ]);
    expect(errors).toEqual([
      { line: 5, message: 'The conversation is an answer without a question.' },
      { line: 6, message: expect.stringContaining('role "tool"') },
      { line: 7, message: 'The prompt is empty.' },
      { line: 8, message: expect.stringContaining('"prompt" is missing') },
    ]);
    expect(await read(lines({ prompt: 'plain' }, { prompt: [user] }, { prompt: [] }), 'p.jsonl')).toMatchObject({
      format: 'prompt',
      prompts: [
        { text: 'plain', messages: null },
        { text: 'Why?', messages: [user] },
      ],
      errors: [{ line: 3, message: '"prompt" is not text.' }],
    });
  });

  test('a map names other columns', async () => {
    const map = { text: 'question', reference: 'ideal', source: 'site' };
    const wanted = [{ text: 'q', reference: 'i', source: 's' }];
    expect(await read(lines({ question: 'q', ideal: 'i', site: 's', prompt: 'other' }), 'p.jsonl', map)).toMatchObject({
      format: 'mapped',
      prompts: wanted,
    });
    expect(await read('question,ideal,site\nq,i,s\n', 'p', map)).toMatchObject({
      format: 'csv mapped',
      prompts: wanted,
    });
    expect((await read(lines({ other: 'q' }), 'p.jsonl', map)).errors).toMatchObject([
      { line: 1, message: expect.stringContaining('"other"') },
    ]);
    expect((await refusal(read('x', 'p', { colour: 'x' }))).message).toContain('"colour"');
    expect((await refusal(read('x', 'p', { reference: 'x' }))).code).toBe('bad-argument');
  });

  test('files that hold no prompt say what was found, every shape that works, and what to do', async () => {
    const error = await refusal(read(lines({ question: 'q', answer: 'a' })));
    expect(error.code).toBe('bad-data');
    expect(error.message).toMatch(/line 1: .*"question", "answer"/);
    expect([error.hint, error.atCommandLine]).toEqual([
      expect.not.stringContaining('--'),
      expect.stringContaining('--map'),
    ]);
    const binary = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 0xff]);
    for (const act of [
      () => read(lines({ question: 'q' })),
      () => read('id,colour\n1,2\n', 'p.csv'),
      () => read('id,colour\n', 'p.csv'),
      () => read('[]', 'p.json'),
      () => readPrompts(fileWith('words', 'p.doc')),
    ]) {
      for (const shape of ['{"prompt"}', '{"subreddit", "title", "post"}', '"source"', '.csv', '.txt'])
        expect((await refusal(act())).message).toContain(shape);
    }
    expect((await refusal(read('id,colour\n', 'p.csv'))).message).toContain('no rows');
    expect((await refusal(readPrompts(fileWith('words', 'p.doc')))).message).toContain('its ending is .doc');
    expect((await refusal(readPrompts(fileWith(binary, 'p.png')))).message).toContain('is a PNG picture');
    expect((await refusal(readPrompts(fileWith(Uint8Array.from([0x61, 0xe9, 0x62]), 'p.txt')))).message).toContain(
      'not valid UTF-8',
    );
    expect((await refusal(read('\n \n'))).message).toContain('is empty');
    expect(await read('[{"prompt": "a"}]', 'p.json')).toMatchObject({ format: 'prompt', prompts: [{ text: 'a' }] });
    expect(await read('{\n "prompt": "a"\n}\n', 'p.json')).toMatchObject({ prompts: [{ text: 'a' }] });
    expect((await refusal(readPrompts(path.join(temporaryFolder(), 'none')))).message).toContain('does not exist');
  });

  const papers = shared('data', 'scitldr', 'train.jsonl');
  test.skipIf(!papers)('SciTLDR as it is published (skipped: data not present)', async () => {
    const { prompts, errors, format } = await readPrompts(papers!);
    expect([format, errors, prompts.length]).toEqual(['scitldr', [], 1992]);
    const published = fs
      .readFileSync(papers!, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { source: string[]; target: string[] });
    const differs = published.findIndex(
      ({ source, target }, i) =>
        prompts[i]!.text !== `${source.join(' ')}\n\nTL;DR:` || prompts[i]!.reference !== target[0],
    );
    expect(differs).toBe(-1);
  });
});

describe('truncation', () => {
  const byLetter = (text: string) => text.length;
  // like a byte-pair encoding in what matters here: pieces of up to six letters, each break a piece, four for an emoji
  const byPiece = (text: string) =>
    (text.match(/ ?[a-z]{1,6}|\n|[^]/g) ?? []).reduce(
      (n, piece) => n + (piece >= '\ud800' && piece < '\ue000' ? 2 : 1),
      0,
    );

  const frame = { subreddit: 'aww', title: 'T\nwith a break' };
  const around = tldrPrompt({ ...frame, post: '' }).length;

  test.each([
    // room for the post, post, what stays of it, at one token a letter
    [8, '12345678', '12345678'],
    [6, '12345678', '123456'],
    [6, '1234\n5678', '1234'],
    [6, '1\n2\n3\n4\n5', '1\n2\n3'],
    [2, '1234\n5678', '12'],
    [1, '\n\n\n\n', '\n'],
    [3, 'a😀😀', 'a😀'],
    [2, 'a😀😀', 'a'], // never half of a surrogate pair
    [0, '12345678', ''],
  ])('in room for %i letters: %j', async (room, post, wanted) => {
    expect(await truncatePost({ ...frame, post }, around + room, byLetter)).toBe(
      tldrPrompt({ ...frame, post: wanted }),
    );
    expect(await truncatePost({ ...frame, post }, around + room, async (text) => text.length)).toBe(
      tldrPrompt({ ...frame, post: wanted }),
    );
  });

  test('what does not fit even without its post is refused', async () => {
    const error = await truncatePost({ ...frame, post: '12' }, around - 1, byLetter).catch((thrown: unknown) => thrown);
    expect(
      errorOf(() => {
        throw error;
      }),
    ).toMatchObject({ code: 'too-long', message: expect.stringContaining(`1 token longer than ${around - 1}`) });
  });

  test('title, subreddit and ending stay, the rest is a start of the post that fits, as dropping one character at a time finds it', async () => {
    const letter = fc.constantFrom('a', 'b', 'z', ' ', '\n', '.', '😀', 'ü');
    const text = fc.array(letter, { maxLength: 400 }).map((letters) => letters.join(''));
    await fc.assert(
      fc.asyncProperty(text, text, fc.integer({ min: 0, max: 200 }), async (post, title, room) => {
        const format = (kept: string) => tldrPrompt({ subreddit: 'aww', title, post: kept });
        const limit = byPiece(format('')) + room;
        const result = await truncatePost({ subreddit: 'aww', title, post }, limit, byPiece);
        let slow = post; // the definition
        while (byPiece(format(slow)) > limit)
          slow = slow.includes('\n') ? slow.slice(0, slow.lastIndexOf('\n')) : [...slow].slice(0, -1).join('');
        expect(result).toBe(format(slow));
        expect(result.isWellFormed()).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('one line of 40,000 letters is cut in few encodings', async () => {
    let encodings = 0;
    const result = await truncatePost({ ...frame, post: 'word '.repeat(8000) }, 512, (text) => {
      encodings++;
      return byPiece(text);
    });
    expect(byPiece(result)).toBe(512);
    expect(encodings).toBeLessThan(1000);
  });
});
