// A model folder's weights in one file or in shards: what is written is read, bit for bit, and the cut is the one
// others make.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRandom } from '#core/random.ts';
import { bfloat16FromFloats, floatsFromBfloat16, floatsFromHalves } from '#core/formats/number-formats.ts';
import { readSafetensors, writeSafetensors } from '#core/formats/safetensors.ts';
import { openWeights, writeWeights } from '#core/formats/sharded-safetensors.ts';
import { errorOf, shared, temporaryFolder } from './folder.ts';

const INDEX = 'model.safetensors.index.json';
interface Index {
  metadata: { total_parameters: number; total_size: number };
  weight_map: Record<string, string>;
}
const readIndex = (folder: string) => JSON.parse(fs.readFileSync(path.join(folder, INDEX), 'utf8')) as Index;
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const sizes = (list: readonly number[]) =>
  list.map((size, i) => ({
    name: `t${i}`,
    shape: [size],
    data: Float32Array.from({ length: size }, (_, j) => 100 * i + j),
  }));
/** Names of each shard's tensors in the order of their bytes. */
const shardNames = (folder: string) =>
  fs
    .readdirSync(folder)
    .filter((name) => name.endsWith('.safetensors'))
    .toSorted()
    .map((name) => [...readSafetensors(path.join(folder, name)).tensors.keys()]);

/** Every finite bit pattern of a dtype, as the float32 it stands for. */
const patterns = {
  F32: (words: Uint32Array) => new Float32Array(words.buffer),
  F16: (words: Uint32Array) => floatsFromHalves(Uint16Array.from(words)),
  BF16: (words: Uint32Array) => floatsFromBfloat16(Uint16Array.from(words)),
};
const dtypes = [
  ['F32', 4],
  ['F16', 2],
  ['BF16', 2],
] as const;

describe('writing', () => {
  test.each(dtypes)(
    '%s: whatever the shapes and the limit, the same bits come back, from shards within the limit and an index that is right',
    (dtype, bytesEach) => {
      const folder = path.join(temporaryFolder(), 'weights');
      let sharded = 0;
      let oversize = 0;
      fc.assert(
        fc.property(
          fc.uniqueArray(
            fc.record({
              name: fc.string({ minLength: 1, unit: 'grapheme' }).filter((name) => name !== '__metadata__'),
              shape: fc.oneof(
                { weight: 1, arbitrary: fc.constantFrom([], [0], [2, 0]) },
                { weight: 5, arbitrary: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 3 }) },
              ),
            }),
            { selector: ({ name }) => name, minLength: 1, maxLength: 8 },
          ),
          fc.integer({ min: 1, max: 100 }),
          fc.nat(),
          (list, maxShardBytes, seed) => {
            const random = createRandom(seed, 'bits');
            const tensors = list.map(({ name, shape }) => ({
              name,
              shape,
              data: patterns[dtype](Uint32Array.from({ length: sizeOf(shape) }, random.word)).map((x) =>
                Number.isFinite(x) ? x : -0,
              ),
            }));
            fs.rmSync(folder, { recursive: true, force: true });
            fs.mkdirSync(folder);
            writeWeights(folder, tensors, { dtype, maxShardBytes, metadata: { format: 'pt' } });

            const weights = openWeights(folder);
            expect(weights.names().toSorted()).toEqual(list.map(({ name }) => name).toSorted());
            for (const { name, shape, data } of tensors) {
              expect(weights.shape(name)).toEqual(shape);
              expect(weights.dtype(name)).toBe(dtype);
              expect(new Uint32Array(weights.load(name).buffer)).toEqual(new Uint32Array(data.buffer));
            }

            const bytes = new Map(tensors.map(({ name, data }) => [name, data.length * bytesEach]));
            const total = [...bytes.values()].reduce((a, b) => a + b);
            const files = fs.readdirSync(folder).toSorted();
            const isOne = total <= maxShardBytes || tensors.length === 1;
            expect(files.includes('model.safetensors')).toBe(isOne);
            expect(isOne ? files.length : 1).toBe(1);
            if (isOne) return;
            const index = readIndex(folder);
            sharded++;
            const count = files.length - 1;
            const names = Array.from({ length: count }, (_, i) => `model-0000${i + 1}-of-0000${count}.safetensors`);
            expect(files).toEqual([...names, INDEX].toSorted());
            expect(index.metadata).toEqual({ total_parameters: total / bytesEach, total_size: total });
            expect(Object.keys(index.weight_map).toSorted()).toEqual(list.map(({ name }) => name).toSorted());
            const within: string[] = [];
            for (const file of names) {
              const { tensors: held, metadata } = readSafetensors(path.join(folder, file));
              expect(metadata).toEqual({ format: 'pt' });
              expect(held.size).toBeGreaterThan(0);
              for (const name of held.keys()) expect(index.weight_map[name]).toBe(file);
              const heldBytes = [...held.keys()].reduce((sum, name) => sum + bytes.get(name)!, 0);
              const isOver = heldBytes > maxShardBytes;
              expect(isOver ? held.size : 1).toBe(1);
              if (isOver) oversize++;
              else within.push(...held.keys());
            }
            // empty tensors have no place of their own in a file's bytes
            const filled = (name: string) => bytes.get(name)! > 0;
            expect(within.filter(filled)).toEqual(
              list.map(({ name }) => name).filter((name) => filled(name) && bytes.get(name)! <= maxShardBytes),
            );
          },
        ),
        { numRuns: 60 },
      );
      // far below the usual 40 and 90, so that chance cannot fail it, but an empty trial would
      expect(Math.min(sharded, oversize)).toBeGreaterThan(10);
    },
  );

  // as huggingface_hub's split_state_dict_into_shards_factory documents: no search for a fuller packing
  test.each([
    ['its own example: [6, 6, 2, 6, 2, 2] at 10', [6, 6, 2, 6, 2, 2], 10, [['t0'], ['t1', 't2'], ['t3', 't4', 't5']]],
    ['exactly the limit fits', [4, 6, 10, 1], 10, [['t0', 't1'], ['t2'], ['t3']]],
    ['a larger tensor comes before the shard it interrupts, which stays open', [3, 20, 4], 10, [['t1'], ['t0', 't2']]],
    ['larger ones only', [20, 30], 10, [['t0'], ['t1']]],
    ['a larger one alone needs no index', [20], 10, [['t0']]],
    ['all fits', [5, 5], 10, [['t0', 't1']]],
  ] as const)('%s', (_, list, limit, wanted) => {
    const folder = temporaryFolder();
    writeWeights(folder, sizes(list), { maxShardBytes: 4 * limit });
    expect(shardNames(folder)).toEqual(wanted);
    expect(fs.existsSync(path.join(folder, INDEX))).toBe(wanted.length > 1);
  });

  test('a name given twice, even in two shards, a wrong shape and a senseless limit are refused', () => {
    const twice = [...sizes([2, 2]), { name: 't0', shape: [2], data: new Float32Array(2) }];
    for (const maxShardBytes of [8, 1000])
      expect(errorOf(() => writeWeights(temporaryFolder(), twice, { maxShardBytes }))).toMatchObject({
        code: 'bad-argument',
        message: expect.stringContaining('"t0"'),
      });
    const folder = temporaryFolder();
    expect(
      errorOf(() =>
        writeWeights(folder, [...sizes([2]), { name: 'bent', shape: [3], data: new Float32Array(2) }], {
          maxShardBytes: 8,
        }),
      ).message,
    ).toContain('"bent"');
    expect(fs.existsSync(path.join(folder, INDEX)), 'no index before all shards are there').toBe(false);
    for (const maxShardBytes of [0, -1, NaN])
      expect(errorOf(() => writeWeights(folder, sizes([2]), { maxShardBytes })).code).toBe('bad-argument');
  });
});

describe('reading', () => {
  const tensor = (name: string, value: number) => ({ name, shape: [1, 2], data: Float32Array.of(value, value) });
  function sharded(weightMap: Record<string, unknown>): string {
    const folder = temporaryFolder();
    writeSafetensors(path.join(folder, 'one.safetensors'), [tensor('a', 1), tensor('b', 2)]);
    writeSafetensors(path.join(folder, 'two.safetensors'), [tensor('c', 3)]);
    fs.writeFileSync(
      path.join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ metadata: {}, weight_map: weightMap }),
    );
    return folder;
  }

  test('shards, one file and a file by name read alike', () => {
    const folder = sharded({ a: 'one.safetensors', b: 'one.safetensors', c: 'two.safetensors' });
    const weights = openWeights(folder);
    expect(weights.names()).toEqual(['a', 'b', 'c']);
    expect([weights.has('c'), weights.has('d'), weights.dtype('c'), weights.shape('c')]).toEqual([
      true,
      false,
      'F32',
      [1, 2],
    ]);
    expect(weights.load('c')).toEqual(Float32Array.of(3, 3));
    expect(errorOf(() => weights.load('d')).message).toMatch(/no tensor "d"/);
    writeSafetensors(path.join(folder, 'model.safetensors'), [tensor('single', 9)]);
    expect(openWeights(folder).names()).toEqual(['single']);
    expect(openWeights(path.join(folder, 'two.safetensors')).names()).toEqual(['c']);
  });

  test('a missing shard, a tensor missing from its shard, and folders without weights are named', () => {
    expect(errorOf(() => openWeights(sharded({ a: 'three.safetensors' }))).message).toMatch(
      /shard three\.safetensors.*missing/,
    );
    expect(errorOf(() => openWeights(sharded({ c: 'one.safetensors' }))).message).toMatch(
      /one\.safetensors does not hold the tensor "c"/,
    );
    expect(errorOf(() => openWeights(sharded({}))).message).toContain('lists no tensor');
    expect(errorOf(() => openWeights(temporaryFolder())).message).toContain('neither');
    expect(errorOf(() => openWeights(path.join(temporaryFolder(), 'none'))).message).toContain('does not exist');
    const folder = sharded({});
    for (const text of ['{', '[]', '{"weight_map": []}']) {
      fs.writeFileSync(path.join(folder, 'model.safetensors.index.json'), text);
      expect(errorOf(() => openWeights(folder)).message).toContain('model.safetensors.index.json');
    }
    fs.writeFileSync(path.join(folder, 'model.safetensors.index.json'), '{"weight_map": "one.safetensors"}');
    expect(errorOf(() => openWeights(folder)).message, 'what is there in another form is not absent').toContain(
      'has as "weight_map" "one.safetensors", not an object',
    );
  });

  test.each([
    '../one.safetensors',
    '/etc/passwd',
    'C:\\model.safetensors',
    '..\\one.safetensors',
    'a/../../one.safetensors',
    '',
    7,
    null,
  ])('an index may not lead out of its folder: %j', (shard) => {
    const outer = sharded({});
    const folder = path.join(outer, 'inner');
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: shard } }));
    expect(errorOf(() => openWeights(folder)).message).toMatch(/"a".*not a file inside the folder/);
  });

  const bf16 = shared('reference', 'formats', 'llama-bf16-sharded');
  const f32 = shared('reference', 'models', 'llama');
  test.skipIf(!bf16 || !f32)(
    'bfloat16 shards written elsewhere equal their float32 model, rounded by us (skipped: reference numbers not present)',
    () => {
      const original = openWeights(f32!);
      const rounded = openWeights(bf16!);
      const names = rounded.names();
      expect(names.length).toBe(29);
      for (const name of names) {
        expect(rounded.dtype(name)).toBe('BF16');
        expect(rounded.shape(name)).toEqual(original.shape(name));
        expect(rounded.load(name)).toEqual(floatsFromBfloat16(bfloat16FromFloats(original.load(name))));
      }
      // and cut in the order that program cuts in, at its limit, our files are the same bytes
      const folder = temporaryFolder();
      writeWeights(
        folder,
        names.map((name) => ({ name, shape: original.shape(name), data: original.load(name) })),
        { dtype: 'BF16', metadata: { format: 'pt' }, maxShardBytes: 60_000 },
      );
      const theirs = fs.readdirSync(bf16!).filter((name) => name.startsWith('model'));
      expect(fs.readdirSync(folder).toSorted()).toEqual(theirs.toSorted());
      for (const name of theirs)
        expect(fs.readFileSync(path.join(folder, name)).equals(fs.readFileSync(path.join(bf16!, name))), name).toBe(
          true,
        );
    },
  );
});
