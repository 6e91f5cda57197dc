// What is damaged in the fuzz test and how it is opened: small but whole safetensors, GGUF, config.json and
// tokenizer.json files.
import fs from 'node:fs';
import path from 'node:path';
import { ggufTokenizerFields } from '#core/formats/gguf-tokenizer-fields.ts';
import { readGguf } from '#core/formats/gguf.ts';
import { readSafetensors } from '#core/formats/safetensors.ts';
import { loadArchitecture, openCheckpoint, saveCheckpoint } from '#core/models/checkpoint.ts';
import { saveGguf } from '#core/models/gguf-model.ts';
import type { Random } from '#core/random.ts';
import { trainBpe } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { tinyModel } from '#tests/core/models/tiny-models.ts';
import { HOSTILE_WORDS, hurtBytes, hurtJson } from './mutations.ts';
import { otherTokenizers } from './odd-tokenizers.ts';

const ROWS = 300;
const TEXT = "The ship's 12 masts,  naïve <|endoftext|> 漢字 😀\n\n  end";

export interface Subject {
  /** writes a damaged file and gives its path */
  hurt(random: Random): string;
  /** reads it as a user of it would: header, architecture, one tensor, tokenizer and a text */
  open(): Promise<void>;
}

async function useTokenizer(place: string): Promise<void> {
  const tokenizer = await loadTokenizer(place);
  const { ids } = await tokenizer.encodeWithOffsets(TEXT);
  await tokenizer.encodeBatch([TEXT, '']);
  await tokenizer.decode([...ids, 0, 5, 1e6]);
  tokenizer.token(ids[0] ?? 0);
  if (tokenizer.stops.length === 0) throw new Error('a tokenizer without an end');
}

/** The subjects, their whole files made in `folder`. */
export function makeSubjects(folder: string): Record<'safetensors' | 'gguf' | 'config' | 'tokenizer', Subject> {
  const own = trainBpe(['the ship, the ship on the sea; the 漢字 and the 😀'], 280);
  const place = (name: string) => path.join(folder, name);
  const tokenizerFolder = place('own');
  fs.mkdirSync(tokenizerFolder, { recursive: true });
  fs.writeFileSync(path.join(tokenizerFolder, 'tokenizer.json'), JSON.stringify(own));
  fs.writeFileSync(
    path.join(tokenizerFolder, 'tokenizer_config.json'),
    JSON.stringify({ eos_token: '<|endoftext|>', pad_token: { content: '<|pad|>' }, chat_template: '{{ messages }}' }),
  );
  const families = ['gpt2', 'llama', 'qwen3', 'gpt_neox'] as const;
  for (const family of families)
    saveCheckpoint(place(family), tinyModel(family, 1, { vocabulary: ROWS }), { tokenizerFrom: tokenizerFolder });

  const read = (file: string) => fs.readFileSync(file);
  const openModel = async (model: string) => {
    const { stored, parameters } = openCheckpoint(model);
    loadArchitecture(model);
    stored.load(parameters[0]!.inFile);
    await useTokenizer(model);
  };

  // safetensors: bytes of the header, or its JSON with a length that fits
  const weights = place('llama/model.safetensors');
  const whole = read(weights);
  const header = Number(whole.readBigUInt64LE(0));
  const withHeader = (json: string) => {
    const bytes = Buffer.from(json);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return Buffer.concat([length, bytes, whole.subarray(8 + header)]);
  };
  // GGUF: bytes of the header of two families, or one number of one entry
  const ggufs = (['llama', 'qwen3'] as const).map((family) => {
    const file = place(`${family}.gguf`);
    const tokenizer = ggufTokenizerFields(
      {
        tokenizer: { ...own },
        config: { eos_token: '<|endoftext|>', pad_token: '<|pad|>' },
        chatTemplate: '{{ messages }}',
      },
      { vocabulary: ROWS, stops: [0], file },
    );
    const scaled =
      family === 'llama'
        ? {
            ropeScaling: { factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 64 },
            headWidth: 16,
            rotaryWidth: 16,
          }
        : {};
    saveGguf(file, tinyModel(family, 1, { vocabulary: ROWS, ...scaled }), { type: 'F16', tokenizer, name: 'tiny' });
    const bytes = read(file);
    return {
      bytes,
      header: bytes.indexOf('output_norm.weight') + 100,
      metadata: bytes.indexOf('tokenizer.ggml.tokens'),
      keys: [...Object.keys(readGguf(file).metadata), ...readGguf(file).tensors.keys()],
    };
  });
  const configs = families.map((family) => ({
    file: place(`${family}/config.json`),
    text: read(place(`${family}/config.json`)).toString(),
  }));
  const tokenizers = [own, ...otherTokenizers()].map((json) => JSON.stringify(json));
  let config = configs[0]!;

  const damagedGguf = place('damaged.gguf');
  const damagedTokenizer = place('tokenizer');
  fs.mkdirSync(damagedTokenizer, { recursive: true });
  return {
    safetensors: {
      hurt: (random) => {
        fs.writeFileSync(
          weights,
          random.uniform() < 0.5
            ? withHeader(
                hurtJson(
                  whole
                    .subarray(8, 8 + header)
                    .toString()
                    .trim(),
                  random,
                ),
              )
            : hurtBytes(whole, random, 8 + header),
        );
        return weights;
      },
      open: async () => {
        for (const tensor of readSafetensors(weights).tensors.values()) if (tensor.dtype === 'F32') tensor.load();
        await openModel(path.dirname(weights));
      },
    },
    gguf: {
      hurt: (random) => {
        const { bytes, header: all, metadata, keys } = random.choice(ggufs);
        if (random.uniform() < 0.5) {
          const one = Buffer.from(bytes);
          const key = random.choice(keys);
          const at = one.indexOf(key) + key.length;
          // type, value, count or size, format, offset
          one.writeUInt32LE(random.choice(HOSTILE_WORDS), at + 4 * random.integer(5));
          fs.writeFileSync(damagedGguf, one);
        } else fs.writeFileSync(damagedGguf, hurtBytes(bytes, random, random.uniform() < 0.5 ? metadata : all));
        return damagedGguf;
      },
      open: () => openModel(damagedGguf),
    },
    config: {
      hurt: (random) => {
        fs.writeFileSync(weights, whole);
        fs.writeFileSync(config.file, config.text); // the last one is whole again
        config = random.choice(configs);
        fs.writeFileSync(
          config.file,
          random.uniform() < 0.8
            ? hurtJson(config.text, random)
            : hurtBytes(Buffer.from(config.text), random, config.text.length),
        );
        return config.file;
      },
      open: () => openModel(path.dirname(config.file)).finally(() => fs.writeFileSync(config.file, config.text)),
    },
    tokenizer: {
      hurt: (random) => {
        const text = random.choice(tokenizers);
        const file = path.join(damagedTokenizer, 'tokenizer.json');
        fs.writeFileSync(
          file,
          random.uniform() < 0.8 ? hurtJson(text, random) : hurtBytes(Buffer.from(text), random, text.length),
        );
        fs.writeFileSync(
          path.join(damagedTokenizer, 'tokenizer_config.json'),
          random.uniform() < 0.2
            ? hurtJson(
                '{"eos_token":"<|endoftext|>","pad_token":{"content":"<|pad|>"},"chat_template":[{"name":"default","template":"T"}]}',
                random,
              )
            : '{"eos_token":"<|endoftext|>"}',
        );
        return file;
      },
      open: () => useTokenizer(damagedTokenizer),
    },
  };
}
