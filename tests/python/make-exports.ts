// Writes every format of every family into a folder, with what we compute on the same tokens, for check_exports.py to
// compare.
//
// Started by build/check-python.mjs: node tests/python/make-exports.ts FOLDER. Tiny models come from
// ../shared/reference/models where that is, else from tests/fixtures/reference/models; a GGUF file of a real model
// from ../shared/models.

import fs from 'node:fs';
import path from 'node:path';
import { compile } from '#core/autodiff/compile.ts';
import { reshape } from '#core/autodiff/ops/movement.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { modelConfig } from '#core/models/config-json.ts';
import {
  checkpointParameters,
  loadCheckpoint,
  openCheckpoint,
  saveCheckpoint,
  withScoreHead,
} from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { isScoreHead, readHead } from '#core/models/heads.ts';
import { trunk } from '#core/models/transformer.ts';
import { createRandom } from '#core/random.ts';
import { cardFactsOf } from '#core/service/models/card-facts.ts';
import { exportModel } from '#core/service/models/export-model.ts';
import { MODEL_FORMATS } from '#core/service/models/model-formats.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { withAdapter } from '#tests/core/models/tiny-models.ts';

/** Largest difference from the exported model that a format may make, as a share of the largest number. */
const TOLERANCE: Record<string, number> = {
  'hf-f32': 1e-4,
  'hf-f16': 5e-3,
  'hf-bf16': 5e-2,
  adapter: 1e-4,
  'gguf-f16': 5e-3,
  'gguf-q8_0': 5e-2,
  onnx: 1e-4,
};
const LENGTHS = [21, 13, 7];
const T = 24;
const BIAS = 1.5;
const TEXT = "The ship left at 07:30, café “Zum Löwen” — it’s 12 km away!\n\tNobody'll know. 日本語";

const PASSAGES = [
  'The ship left the harbour at dawn, and nobody on the quay waved. The captain read the letter twice, folded it, and said nothing to the crew until evening.',
  'To make bread, mix flour, water, salt and yeast, and knead the dough until it is smooth and elastic.',
  'Water boils at one hundred degrees, and freezes at zero.',
];

const out = path.resolve(process.argv[2]!);
const cases: object[] = [];
let files = 0;

/** Logits [B, T, V], or the score at each row's last token [B]. */
async function compute(checkpoint: Checkpoint, rows: readonly (readonly number[])[]): Promise<Float32Array> {
  const { architecture, head } = checkpoint;
  const B = rows.length;
  const isScore = isScoreHead(head);
  const ids = new Int32Array(B * T);
  rows.forEach((row, b) => ids.set(row, b * T));
  const frozen = Object.fromEntries(
    checkpointParameters(checkpoint).map(({ name, shape }) => [name, { dtype: 'float32' as const, shape }]),
  );
  const executable = await compile({
    state: {},
    frozen,
    feeds: {
      ids: { dtype: 'int32', shape: [B, T] },
      ...(isScore ? { at: { dtype: 'int32' as const, shape: [B, 1] } } : {}),
    },
    step: ({ graph, frozen: weights, feeds }) => {
      const model = { architecture, weights, graph, forward: true };
      const taps = trunk(model, { ids: feeds.ids!, at: feeds.at });
      return {
        state: {},
        outputs: {
          y: isScore
            ? readHead(head, model, taps)
            : reshape(readHead(head, model, taps), [B, T, architecture.vocabulary]),
        },
      };
    },
  });
  const { outputs } = await executable.run({}, checkpoint.weights, {
    ids,
    ...(isScore ? { at: Int32Array.from(rows, (row) => row.length - 1) } : {}),
  });
  await executable.release();
  return outputs.y!.data as Float32Array;
}

function write(numbers: Float32Array): string {
  const file = `numbers-${files++}.f32`;
  fs.writeFileSync(path.join(out, file), numbers);
  return file;
}

/** Random tokens; a reward model's first row ends with the end-of-text, as those that it scores do. */
function rowsFor({ architecture: { vocabulary, endOfText }, head }: Checkpoint): number[][] {
  const random = createRandom(1, 'check');
  const ordinary = () => {
    const id = 2 + random.integer(vocabulary - 2);
    return id === endOfText ? 3 : id;
  };
  return LENGTHS.map((length, i) =>
    Array.from({ length }, (_, t) => (isScoreHead(head) && i === 0 && t === length - 1 ? endOfText : ordinary())),
  );
}

/** Exports a stored model in these formats, and notes what is to be found there when it reads these rows. */
async function exported(model: string, label: string, formats: readonly string[], given?: number[][]): Promise<void> {
  const original = loadCheckpoint(model);
  const opened = openCheckpoint(model);
  const rows = given ?? rowsFor(original);
  const expected = write(await compute(original, rows));
  const facts = { ...(await cardFactsOf(model)), name: label.replaceAll(/[^\w.-]+/g, '-') };
  const tokenizer = await loadTokenizer(model).catch(() => null);
  for (const format of MODEL_FORMATS.filter(({ name }) => formats.includes(name))) {
    if (format.fits(opened, model) !== true) continue;
    const into = path.join(out, `${facts.name}-${format.name}`);
    await exportModel({ model, format: format.name, into, facts, origins: [model], batch: rows.length, tokens: T });
    const file = fs.readdirSync(into).find(isGguf) ?? null;
    const place = file === null ? into : path.join(into, file);
    const readBack = format.name === 'onnx' ? null : write(await compute(loadCheckpoint(place), rows));
    // what other programs cannot add: they have no place for the head's bias
    const bias =
      isScoreHead(opened.head) && format.name !== 'onnx' ? (loadCheckpoint(place).weights['score.bias']?.[0] ?? 0) : 0;
    cases.push({
      model: label,
      family: original.architecture.family,
      format: format.name,
      kind: isScoreHead(opened.head) ? 'scores' : 'logits',
      path: into,
      file,
      rows,
      tokens: T,
      vocabulary: original.architecture.vocabulary,
      expected,
      readBack,
      bias,
      config: modelConfig(original.architecture, original.head, 'F32'),
      tolerance: TOLERANCE[format.name],
      ...(tokenizer && !['onnx', 'adapter'].includes(format.name)
        ? { text: TEXT, textIds: await tokenizer.encode(TEXT), chatTemplate: tokenizer.chatTemplate }
        : {}),
    });
  }
}

const reference = path.resolve('..', 'shared', 'reference', 'models');
const tiny = fs.existsSync(reference) ? reference : path.resolve('tests', 'fixtures', 'reference', 'models');
const ALL = MODEL_FORMATS.map(({ name }) => name);
fs.mkdirSync(path.join(out, 'models'), { recursive: true });
for (const name of fs.readdirSync(tiny).sort()) {
  const folder = path.join(tiny, name);
  const model = loadCheckpoint(folder);
  const made = (kind: string) => path.join(out, 'models', `${name}-${kind}`);
  await exported(folder, name, ALL);
  saveCheckpoint(made('adapter'), withAdapter(model, {}, { folder }), { tokenizerFrom: folder });
  await exported(made('adapter'), `${name}, adapter`, ['adapter', 'hf-f32', 'onnx']);
  const scorer = withScoreHead(model, 3);
  scorer.weights['score.bias'] = Float32Array.of(BIAS);
  saveCheckpoint(made('reward'), scorer, { tokenizerFrom: folder });
  await exported(made('reward'), `${name}, reward model`, ALL);
  saveCheckpoint(made('reward-adapter'), withAdapter(scorer, {}, { folder }), { tokenizerFrom: folder });
  await exported(made('reward-adapter'), `${name}, reward adapter`, ['adapter', 'hf-f32']);
}
const real = path.resolve('..', 'shared', 'models');
for (const name of fs.existsSync(real) ? fs.readdirSync(real).filter(isGguf) : []) {
  const model = path.join(real, name);
  const tokenizer = await loadTokenizer(model);
  const rows = await tokenizer.encodeBatch(PASSAGES);
  await exported(
    model,
    name.replace(/\.gguf$/, ''),
    ['hf-f32', 'hf-bf16', 'gguf-f16', 'gguf-q8_0', 'onnx'],
    rows.map((row, i) => row.slice(0, LENGTHS[i])),
  );
}
fs.writeFileSync(path.join(out, 'cases.json'), JSON.stringify(cases));
