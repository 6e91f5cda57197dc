// Safetensors: round trips, other people's files, and three hundred damaged ones that must end in a sentence.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import {
  bfloat16FromFloats,
  floatsFromBfloat16,
  floatsFromHalves,
  halvesFromFloats,
} from '#core/formats/number-formats.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import { errorOf, fileWith, temporaryFolder } from './folder.ts';

/** A file with this header and these data bytes, made by hand. */
function handMade(header: unknown, data: Uint8Array = new Uint8Array(0), name = 'made.safetensors'): string {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return fileWith(bytes, name);
}
const bytesOf = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer as ArrayBuffer);

const tensorList = fc
  .uniqueArray(
    fc.record({
      name: fc.string({ minLength: 1, unit: 'grapheme' }).filter((name) => name !== '__metadata__'),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      seed: fc.nat(),
    }),
    { selector: ({ name }) => name, maxLength: 6 },
  )
  .map((list) =>
    list.map(({ name, shape, seed }) => {
      const random = createRandom(seed, 'tensor');
      return { name, shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, random.normal) };
    }),
  );

describe('writing and reading', () => {
  test('what is written is read, in each dtype, names and metadata of any text included', () => {
    const file = path.join(temporaryFolder(), 'model.safetensors');
    const rounded = {
      F32: (data: Float32Array) => data,
      F16: (data: Float32Array) => floatsFromHalves(halvesFromFloats(data)),
      BF16: (data: Float32Array) => floatsFromBfloat16(bfloat16FromFloats(data)),
    };
    fc.assert(
      fc.property(
        tensorList,
        fc.constantFrom('F32', 'F16', 'BF16'),
        fc.dictionary(fc.string(), fc.string()),
        (tensors, dtype, metadata) => {
          writeSafetensors(file, tensors, { dtype, metadata });
          const read = readSafetensors(file);
          expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
          expect([...read.tensors.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
          for (const { name, shape, data } of tensors) {
            const tensor = read.tensors.get(name)!;
            expect([tensor.dtype, tensor.shape]).toEqual([dtype, shape]);
            expect(tensor.load()).toEqual(rounded[dtype](data));
          }
          expect(fs.readdirSync(path.dirname(file))).toEqual(['model.safetensors']); // no temporary file stays
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a view into a larger array is written as the view, and the data starts at a multiple of 8', () => {
    const file = path.join(temporaryFolder(), 'a.safetensors');
    const whole = Float32Array.of(1, 2, 3, 4);
    writeSafetensors(file, [{ name: 'middle', shape: [2], data: whole.subarray(1, 3) }]);
    expect(readSafetensors(file).tensors.get('middle')!.load()).toEqual(Float32Array.of(2, 3));
    expect(Number(new DataView(fs.readFileSync(file).buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  test('F64, I64 and I32 made by hand', () => {
    const doubles = bytesOf(Float64Array.of(0.1, -2));
    const longs = bytesOf(BigInt64Array.of(-5n, 7n));
    const ints = bytesOf(Int32Array.of(-1, 2 ** 31 - 1));
    const file = handMade(
      {
        doubles: { dtype: 'F64', shape: [2], data_offsets: [0, 16] },
        longs: { dtype: 'I64', shape: [2], data_offsets: [16, 32] },
        ints: { dtype: 'I32', shape: [1, 2], data_offsets: [32, 40] },
      },
      Buffer.concat([doubles, longs, ints]),
    );
    const { tensors } = readSafetensors(file);
    expect(tensors.get('doubles')!.loadFloat64()).toEqual(Float64Array.of(0.1, -2));
    expect(tensors.get('doubles')!.load()).toEqual(Float32Array.of(0.1, -2));
    expect(tensors.get('longs')!.loadIntegers()).toEqual(Int32Array.of(-5, 7));
    expect(tensors.get('ints')!.loadIntegers()).toEqual(Int32Array.of(-1, 2 ** 31 - 1));
    expect(errorOf(() => tensors.get('longs')!.load()).message).toContain('"longs"');
    expect(errorOf(() => tensors.get('doubles')!.loadIntegers()).message).toContain('"doubles"');
    const large = readSafetensors(
      handMade({ large: { dtype: 'I64', shape: [], data_offsets: [0, 8] } }, bytesOf(BigInt64Array.of(2n ** 40n))),
    );
    expect(errorOf(() => large.tensors.get('large')!.loadIntegers()).message).toContain('1099511627776');
  });

  test('a write that cannot be finished leaves the old file as it was, and nothing else', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'a.safetensors');
    writeSafetensors(file, [{ name: 'x', shape: [1], data: Float32Array.of(1) }]);
    const before = fs.readFileSync(file);
    const data = Float32Array.of(1, 2);
    expect(errorOf(() => writeSafetensors(file, [{ name: 'x', shape: [3], data }])).message).toContain('"x"');
    expect(
      errorOf(() =>
        writeSafetensors(file, [
          { name: 'x', shape: [2], data },
          { name: 'x', shape: [2], data },
        ]),
      ).code,
    ).toBe('bad-argument');
    let reads = 0; // the first tensor's numbers are on disk when the second's cannot be had
    const failing = {
      name: 'y',
      shape: [2],
      get data(): Float32Array {
        if (reads++ > 0) throw new Error('pulled the plug');
        return data;
      },
    };
    expect(() => writeSafetensors(file, [{ name: 'x', shape: [2], data }, failing])).toThrow('pulled the plug');
    expect(fs.readFileSync(file)).toEqual(before);
    expect(fs.readdirSync(folder)).toEqual(['a.safetensors']);
    expect(errorOf(() => writeSafetensors(path.join(folder, 'none', 'a.safetensors'), [])).code).toBe('bad-file');
  });
});

describe('files that lie', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  const cases: [what: string, header: unknown, says: RegExp][] = [
    ['an unknown dtype', { w: { ...entry, dtype: 'F7' } }, /"w".*unknown dtype "F7"/],
    ['a dtype that every object has', { w: { ...entry, dtype: 'constructor' } }, /"w".*unknown dtype/],
    ['a range outside the file', { w: { ...entry, shape: [4], data_offsets: [0, 16] } }, /"w".*outside/],
    ['a range backwards', { w: { ...entry, data_offsets: [8, 0] } }, /"w".*outside/],
    ['a shape larger than its range', { w: { ...entry, shape: [3] } }, /"w".*needs 12 bytes.*holds 8/],
    ['a shape whose product overflows', { w: { ...entry, shape: [2 ** 52, 2 ** 52, 2 ** 52] } }, /"w".*needs/],
    [
      'an infinite product times zero',
      {
        w: {
          ...entry,
          shape: Array(30)
            .fill(2 ** 52)
            .concat(0),
        },
      },
      /"w".*needs/,
    ],
    ['a negative size', { w: { ...entry, shape: [-1, -2] } }, /"w".*whole numbers/],
    ['a broken size', { w: { ...entry, shape: [0.5, 4] } }, /"w".*whole numbers/],
    ['no shape', { w: { ...entry, shape: null } }, /"w".*shape/],
    ['a range of texts', { w: { ...entry, data_offsets: ['0', '8'] } }, /"w".*byte range/],
    ['an overlap', { a: entry, w: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, /"w".*overlaps/],
    [
      'a hole',
      { w: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } },
      /4 bytes that belong to no tensor before "w"/,
    ],
    ['bytes left over', { w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }, /4 bytes after/],
    ['a tensor that is a number', { w: 7 }, /"w"/],
    ['metadata that is not text', { __metadata__: { step: 3 }, w: entry }, /"__metadata__".*"step"/],
    ['a list', [entry], /not a JSON object/],
    ['broken JSON', '{"w": ', /not JSON/],
    ['JSON nested without end', '['.repeat(200_000), /not JSON/],
  ];
  test.each(cases)('%s', (_, header, says) => {
    const file = handMade(header, eight);
    const error = errorOf(() => readSafetensors(file));
    expect(error.code).toBe('bad-file');
    expect(error.message).toMatch(says);
    expect(error.message).toContain(file);
  });

  test('a header length beyond the file or the limit is refused before anything is allocated', () => {
    for (const length of [11n, 99_999_999n, 2n ** 40n, 2n ** 64n - 1n]) {
      const bytes = new Uint8Array(18);
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      const before = process.memoryUsage().arrayBuffers;
      expect(errorOf(() => readSafetensors(fileWith(bytes, 'a.safetensors'))).message).toMatch(
        new RegExp(`length of ${length} bytes`),
      );
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
    }
    for (const size of [0, 7])
      expect(errorOf(() => readSafetensors(fileWith(new Uint8Array(size)))).message).toContain('too short');
  });

  test('a missing file, a folder, and a file cut after it was opened', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'a.safetensors');
    expect(errorOf(() => readSafetensors(file)).message).toBe(`${file} does not exist.`);
    expect(errorOf(() => readSafetensors(folder)).message).toContain(folder);
    writeSafetensors(file, [{ name: 'w', shape: [4], data: new Float32Array(4) }]);
    const { tensors } = readSafetensors(file);
    fs.truncateSync(file, fs.statSync(file).size - 1);
    expect(errorOf(() => tensors.get('w')!.load()).message).toMatch(/shorter.*"w"/);
  });

  test('300 mutations: read as a file that holds together, or a sentence that names the file', () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'm.safetensors');
    const random = createRandom(20, 'mutations');
    const tensors = ['wte', 'h.0.attn.weight', 'ln_f.bias'].map((name, i) => ({
      name,
      shape: [i + 2, 5],
      data: Float32Array.from({ length: (i + 2) * 5 }, random.normal),
    }));
    writeSafetensors(file, tensors, { metadata: { format: 'pt' } });
    const whole = fs.readFileSync(file);
    const headerBytes = Number(whole.readBigUInt64LE(0));
    const mutations: Record<string, (bytes: Buffer) => Buffer> = {
      'flip a bit of the header': (bytes) => {
        const at = random.integer(8 + headerBytes);
        bytes[at]! ^= 1 << random.integer(8);
        return bytes;
      },
      'flip eight bits anywhere': (bytes) => {
        for (let i = 0; i < 8; i++) bytes[random.integer(bytes.length)]! ^= 1 << random.integer(8);
        return bytes;
      },
      cut: (bytes) => bytes.subarray(0, random.integer(bytes.length)),
      'huge header length': (bytes) => {
        bytes.writeBigUInt64LE(BigInt(random.word()) << BigInt(random.integer(33)), 0);
        return bytes;
      },
      'a larger number': (bytes) => {
        const digits = [...bytes.keys()].filter(
          (i) => i >= 8 && i < 8 + headerBytes && bytes[i]! >= 0x30 && bytes[i]! <= 0x39,
        );
        for (let i = 0; i < 3; i++) bytes[random.choice(digits)] = 0x30 + random.integer(10);
        return bytes;
      },
      'bytes added': (bytes) => Buffer.concat([bytes, Buffer.alloc(1 + random.integer(20))]),
    };
    const kinds = Object.keys(mutations);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const kind = kinds[i % kinds.length]!;
      const bytes = mutations[kind]!(Buffer.from(whole));
      fs.writeFileSync(file, bytes);
      const before = process.memoryUsage().arrayBuffers;
      let loaded = 0;
      let refusal = { code: 'bad-file', message: file };
      try {
        for (const tensor of readSafetensors(file).tensors.values()) {
          const bytesPerNumber = tensor.dtype.includes('16') ? 2 : tensor.dtype.includes('64') ? 8 : 4;
          const product = tensor.shape.reduce((a, b) => a * b, 1);
          expect(tensor.load().length).toBe(product);
          loaded += product * bytesPerNumber;
        }
      } catch (error) {
        refusal = errorOf(() => {
          throw error;
        });
        refused++;
      }
      expect(loaded, kind).toBeLessThanOrEqual(bytes.length);
      expect(refusal, kind).toMatchObject({ code: 'bad-file', message: expect.stringContaining(file) });
      expect(process.memoryUsage().arrayBuffers - before, kind).toBeLessThan(5_000_000);
    }
    expect(refused).toBeGreaterThan(150); // cuts, lengths and additions alone are half of them
  });
});
