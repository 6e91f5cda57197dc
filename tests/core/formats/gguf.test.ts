// GGUF files: what is written is read, gguf-py's file is read, and a file that lies is refused by a sentence that names
// the lie.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isGguf, readGguf } from '#core/formats/gguf.ts';
import { metadataReader } from '#core/formats/gguf-metadata.ts';
import { writeGguf } from '#core/formats/gguf-writer.ts';
import type { GgufFields, TensorToWrite } from '#core/formats/gguf-writer.ts';
import { floatsFromHalves, halvesFromFloats } from '#core/formats/number-formats.ts';
import { createRandom } from '#core/random.ts';
import { errorOf, fileWith, shared, temporaryFolder } from './folder.ts';
import { list, ggufBytes, text, u32, u64 } from './gguf-by-hand.ts';

const tensor = (name: string, shape: number[], seed = 1): TensorToWrite & { data: Float32Array } => {
  const random = createRandom(seed, name);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random.normal);
  return { name, shape, data, load: () => data };
};

describe('writing and reading', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, unit: 'grapheme', maxLength: 12 }), { maxLength: 6 });
  const field = fc.oneof(
    fc.record({ type: fc.constant('uint32' as const), value: fc.nat(2 ** 32 - 1) }),
    fc.record({ type: fc.constant('int32' as const), value: fc.integer() }),
    fc.record({ type: fc.constant('float32' as const), value: fc.float({ noNaN: true }) }),
    fc.record({ type: fc.constant('bool' as const), value: fc.boolean() }),
    fc.record({ type: fc.constant('text' as const), value: fc.string({ unit: 'grapheme' }) }),
    fc.record({ type: fc.constant('texts' as const), value: fc.array(fc.string({ unit: 'grapheme' })) }),
    fc.record({ type: fc.constant('int32s' as const), value: fc.array(fc.integer()) }),
  );
  test('metadata of every type and tensors of any shape come back', () => {
    const file = path.join(temporaryFolder(), 'model.gguf');
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme' }), field, { maxKeys: 6 }),
        names,
        fc.integer({ min: 1, max: 5 }),
        (fields, list, rows) => {
          const tensors = list.map((name, i) => tensor(name, i % 2 ? [rows, 64] : [rows * 3]));
          const { ['general.alignment']: _, ...kept } = fields;
          writeGguf(file, kept, tensors, 'F16');
          const read = readGguf(file);
          expect(Object.keys(read.metadata).sort()).toEqual(Object.keys(kept).sort());
          for (const [key, { type, value }] of Object.entries(kept))
            expect(type === 'int32s' ? Array.from(read.metadata[key] as Int32Array) : read.metadata[key]).toEqual(
              value,
            );
          expect([...read.tensors.keys()]).toEqual(list);
          for (const { name, shape, data } of tensors) {
            expect([read.tensors.get(name)!.type, read.tensors.get(name)!.shape]).toEqual([
              shape.length === 1 ? 'F32' : 'F16',
              shape,
            ]);
            expect(read.tensors.get(name)!.load()).toEqual(
              shape.length === 1 ? data : floatsFromHalves(halvesFromFloats(data)),
            );
          }
          expect(fs.readdirSync(path.dirname(file))).toEqual(['model.gguf']);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('every matrix is Q8_0, but halves where its rows do not fill blocks; large ones are read and written a piece at a time', () => {
    const file = path.join(temporaryFolder(), 'a.gguf');
    const seen: [number, number][] = [];
    const tensors = [
      tensor('blocks', [5, 64]),
      tensor('rest', [4, 33]),
      tensor('norm', [64]),
      tensor('large', [700, 2048]),
    ];
    writeGguf(file, {}, tensors, 'Q8_0', (...progress) => seen.push(progress));
    const read = readGguf(file).tensors;
    expect([...read.values()].map(({ type }) => type)).toEqual(['Q8_0', 'F16', 'F32', 'Q8_0']);
    for (const { name, data } of tensors)
      expect(
        read
          .get(name)!
          .load()
          .every((x, i) => Math.abs(x - data[i]!) < 0.03),
        name,
      ).toBe(true);
    expect(seen.at(-1)![0]).toBe(seen.at(-1)![1]);
    expect(seen.length).toBe(5); // the large one in two pieces
  });

  test('a write that cannot be finished leaves the old file as it was, and nothing else', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'a.gguf');
    writeGguf(file, {}, [tensor('x', [1])], 'F16');
    const before = fs.readFileSync(file);
    const broken: [GgufFields, TensorToWrite[], RegExp][] = [
      [{}, [{ ...tensor('x', [3]), shape: [4] }], /"x".*3 numbers.*4/],
      [{}, [tensor('x', [2]), tensor('x', [2])], /"x".*taken/],
      [{ 'a.b': { type: 'uint32', value: -1 } }, [], /"a\.b".*uint32/],
      [{ 'a.b': { type: 'uint32', value: 2 ** 32 } }, [], /"a\.b".*uint32/],
    ];
    for (const [fields, tensors, says] of broken)
      expect(errorOf(() => writeGguf(file, fields, tensors, 'F16')).message).toMatch(says);
    expect(() =>
      writeGguf(
        file,
        {},
        [
          tensor('x', [2]),
          {
            name: 'y',
            shape: [1],
            load: () => {
              throw new Error('pulled the plug');
            },
          },
        ],
        'F16',
      ),
    ).toThrow('pulled the plug');
    expect(fs.readFileSync(file)).toEqual(before);
    expect(fs.readdirSync(folder)).toEqual(['a.gguf']);
  });

  test("gguf-py's metadata of every type", () => {
    const { metadata } = readGguf(path.join(process.cwd(), 'tests/fixtures/gguf/blocks.gguf'));
    const { 'general.architecture': family, ...rest } = metadata;
    expect(family).toBe('llama');
    expect(rest).toEqual(
      Object.assign(Object.create(null), {
        'test.uint8': 200,
        'test.int8': -100,
        'test.uint16': 60000,
        'test.int16': -30000,
        'test.uint32': 4000000000,
        'test.int32': -2000000000,
        'test.uint64': 2 ** 50,
        'test.int64': -(2 ** 50),
        'test.float32': Math.fround(0.1),
        'test.float64': 0.1,
        'test.bool': true,
        'test.text': 'naïve 😀',
        'test.texts': ['', 'a', 'Ġ漢'],
        'test.int32s': Int32Array.of(1, -2, 3),
        'test.float32s': Float32Array.of(0.5, -0.25),
        'test.bools': Uint8Array.of(1, 0),
      }),
    );
  });

  test('150,000 texts are read in less than 0.3 s and within four times the file', () => {
    const file = path.join(temporaryFolder(), 'vocabulary.gguf');
    const value = Array.from({ length: 150_000 }, (_, i) => `Ġ${i.toString(36)}`);
    writeGguf(
      file,
      { tokens: { type: 'texts', value }, merges: { type: 'texts', value: value.map((token) => `${token} x`) } },
      [],
      'F16',
    );
    readGguf(file);
    const started = performance.now();
    const read = readGguf(file);
    const took = performance.now() - started;
    expect(read.metadata['tokens']).toEqual(value);
    expect(took).toBeLessThan(300 * 3); // other tests run beside this one
  });
});

describe('metadata are of the type that is wanted', () => {
  const read = metadataReader(
    {
      text: 'a',
      list: ['a'],
      number: 1.5,
      whole: 3,
      flag: true,
      wholes: Int32Array.of(1, 2),
      floats: Float32Array.of(0.5),
      not: NaN,
    },
    'f.gguf',
  );
  test('and undefined where absent', () => {
    expect([
      read.text('text'),
      read.texts('list'),
      read.number('number'),
      read.whole('whole', 0),
      read.flag('flag'),
      read.text('none'),
      read.whole('none', 1),
    ]).toEqual(['a', ['a'], 1.5, 3, true, undefined, undefined]);
    expect(Array.from(read.wholes('wholes')!)).toEqual([1, 2]);
  });
  const wrong: [string, () => unknown, RegExp][] = [
    ['a list as text', () => read.text('list'), /"list" in f\.gguf is not a text/],
    ['a text as list', () => read.texts('text'), /"text".*list of texts/],
    ['a text as number', () => read.number('text'), /"text".*not a number/],
    ['a fraction', () => read.whole('number', 0), /"number".*1\.5.*whole/],
    ['too small', () => read.whole('whole', 4), /"whole" in f\.gguf is 3, not a whole number from 4/],
    ['fractions', () => read.wholes('floats'), /"floats".*whole numbers/],
    ['a number as flag', () => read.flag('whole'), /"whole".*true or false/],
    ['what is not a number', () => read.number('not'), /"not".*NaN/],
  ];
  test.each(wrong)('%s', (_, act, says) => expect(errorOf(act).message).toMatch(says));
});

describe('files that lie', () => {
  const one = { name: 'w', sizes: [32n], type: 0, offset: 0n };
  const data = Buffer.alloc(128);
  const cases: [what: string, bytes: Buffer, says: RegExp][] = [
    ['nothing', Buffer.alloc(0), /does not begin like a GGUF/],
    ['another beginning', Buffer.from('GGUX'.padEnd(40)), /does not begin like a GGUF/],
    ['version 1', ggufBytes({ version: 1 }), /version 1; versions 2 and 3/],
    ['version 9', ggufBytes({ version: 9 }), /version 9/],
    ['big-endian', ggufBytes({ version: 0x03000000 }), /big-endian/],
    ['more metadata than bytes', ggufBytes({ pairCount: 10n }), /10 metadata entries, more/],
    [
      'metadata without end',
      ggufBytes({ pairCount: 2n ** 60n }),
      /the number of metadata entries as 1152921504606846976/,
    ],
    ['more tensors than bytes', ggufBytes({ tensorCount: 2n ** 40n }), /1099511627776 tensors, more/],
    [
      'a key longer than the file',
      ggufBytes({ pairCount: 1n, pairs: [u64(60_000n), Buffer.alloc(40)] }),
      /ends inside a metadata key/,
    ],
    [
      'an endless key',
      ggufBytes({ pairCount: 1n, pairs: [u64(2n ** 40n), Buffer.alloc(40)] }),
      /a metadata key a length of 1099511627776/,
    ],
    [
      'a key twice',
      ggufBytes({ pairs: [text('a'), u32(4), u32(1), text('a'), u32(4), u32(1)], pairCount: 2n }),
      /"a" twice/,
    ],
    ['an unknown type', ggufBytes({ pairs: [text('a.b'), u32(77), u64(0n)] }), /metadata "a\.b".*unknown type 77/i],
    [
      'a list of lists',
      ggufBytes({ pairs: [text('a.b'), u32(9), u32(9), u64(1n), u32(4), u64(0n)] }),
      /"a\.b".*list of lists/,
    ],
    [
      'a list longer than the file',
      ggufBytes({ pairs: [text('a.b'), u32(9), u32(5), u64(2n ** 45n)] }),
      /"a\.b" 35184372088832 entries, more/,
    ],
    [
      'texts more than the file holds',
      ggufBytes({ pairs: [text('a.b'), u32(9), u32(8), u64(2n ** 45n)] }),
      /"a\.b" 35184372088832 entries, more/,
    ],
    [
      'a text in a list cut off',
      ggufBytes({ pairs: [text('a.b'), list(8, 1n), u64(50_000n)] }),
      /ends inside the metadata "a\.b"/,
    ],
    [
      'a text that is not UTF-8',
      ggufBytes({ pairs: [text('a.b'), u32(8), u64(2n), Buffer.of(0xff, 0x41)] }),
      /"a\.b".*not UTF-8/,
    ],
    ['half a truth', ggufBytes({ pairs: [text('a.b'), u32(7), Buffer.of(2)] }), /"a\.b".*2, neither/],
    [
      'an odd alignment',
      ggufBytes({ pairs: [text('general.alignment'), u32(4), u32(24)] }),
      /"general\.alignment".*24.*power of two/,
    ],
    [
      'no alignment',
      ggufBytes({ pairs: [text('general.alignment'), u32(4), u32(0)] }),
      /"general\.alignment".*0.*power of two/,
    ],
    [
      'a text as alignment',
      ggufBytes({ pairs: [text('general.alignment'), u32(8), text('x')] }),
      /"general\.alignment".*not a number/,
    ],
    ['a tensor twice', ggufBytes({ tensors: [one, { ...one, offset: 128n }], data }), /tensor "w" twice/],
    ['no dimension', ggufBytes({ tensors: [{ ...one, sizes: [] }, one], data }), /"w".*0 dimensions/],
    ['five dimensions', ggufBytes({ tensors: [{ ...one, sizes: [1n, 1n, 1n, 1n, 1n] }], data }), /"w".*5 dimensions/],
    [
      'an empty dimension',
      ggufBytes({ tensors: [{ ...one, sizes: [32n, 0n] }], data }),
      /"w".*impossible shape \[0, 32\]/,
    ],
    [
      'a product that overflows',
      ggufBytes({ tensors: [{ ...one, sizes: [2n ** 50n, 2n ** 50n] }], data }),
      /"w".*impossible shape/,
    ],
    [
      'a size without end',
      ggufBytes({ tensors: [{ ...one, sizes: [2n ** 63n] }], data }),
      /the entry of tensor "w" as 9223372036854775808/,
    ],
    ['a format that is not read', ggufBytes({ tensors: [{ ...one, type: 10 }], data }), /"w".*Q2_K, which is not read/],
    ['a format that no one knows', ggufBytes({ tensors: [{ ...one, type: 1000 }], data }), /"w".*number 1000/],
    [
      'rows that fill no block',
      ggufBytes({ tensors: [{ ...one, sizes: [33n, 2n], type: 8 }], data }),
      /"w".*rows of 33.*blocks of 32 of Q8_0/,
    ],
    ['an offset between', ggufBytes({ tensors: [{ ...one, offset: 4n }], data }), /"w".*byte 4.*alignment 32/],
    [
      'a tensor past the end',
      ggufBytes({ tensors: [{ ...one, offset: 32n }], data }),
      /"w".*bytes 32 to 160, outside the 128/,
    ],
    [
      'an overlap',
      ggufBytes({ tensors: [one, { ...one, name: 'v', offset: 64n }], data: Buffer.alloc(256) }),
      /"v".*overlaps "w"/,
    ],
  ];
  test.each(cases)('%s', (_, bytes, says) => {
    const file = fileWith(bytes, 'model.gguf');
    const before = process.memoryUsage().arrayBuffers;
    const error = errorOf(() => readGguf(file));
    expect(error.code).toBe('bad-file');
    expect(error.message).toMatch(says);
    expect(error.message).toContain(file);
    expect(error.message).not.toContain('\n');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16e6);
  });

  test('every cut of a whole file is noticed', () => {
    const file = path.join(temporaryFolder(), 'a.gguf');
    writeGguf(
      file,
      { a: { type: 'texts', value: ['x', 'yy'] }, b: { type: 'float32', value: 2 } },
      [tensor('w', [2, 32]), tensor('v', [8])],
      'Q8_0',
    );
    const whole = fs.readFileSync(file);
    for (let length = 0; length < whole.length; length++) {
      fs.writeFileSync(file, whole.subarray(0, length));
      expect(errorOf(() => readGguf(file)).message, `${length} bytes`).toContain(file);
    }
  });

  test('a missing file, a folder, and a file cut after it was opened', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'a.gguf');
    expect(errorOf(() => readGguf(file)).message).toBe(`${file} does not exist.`);
    expect(errorOf(() => readGguf(folder)).message).toContain(folder);
    writeGguf(file, {}, [tensor('w', [4])], 'F16');
    const { tensors } = readGguf(file);
    fs.truncateSync(file, fs.statSync(file).size - 32);
    expect(errorOf(() => tensors.get('w')!.load()).message).toMatch(/shorter.*"w"/);
  });

  test('a GGUF file is known by its name', () =>
    expect(['a/b.gguf', 'a/B.GGUF', 'a/gguf', 'a.gguf/b'].map(isGguf)).toEqual([true, true, false, false]));
});

const smol = shared('models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
test.skipIf(!smol)(
  `a real file of 98 MB: the header in less than 0.3 s${smol ? '' : ' (skipped: model not present)'}`,
  () => {
    const started = performance.now();
    const { metadata, tensors } = readGguf(smol!);
    const took = performance.now() - started;
    expect([(metadata['tokenizer.ggml.tokens'] as string[]).length, tensors.size]).toEqual([49152, 272]);
    expect(tensors.get('blk.0.ffn_down.weight')).toMatchObject({ type: 'Q4_1', shape: [576, 1536] });
    expect(took).toBeLessThan(300 * 3);
  },
);
