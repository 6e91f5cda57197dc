// `tastemaker export model` and `export adapter`: a model in the formats of other programs, from a project or from any
// folder.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { openCheckpoint } from '#core/models/checkpoint.ts';
import { refusePlace } from '#core/service/data/export-place.ts';
import { cardFacts, cardFactsOf, originsOf } from '#core/service/models/card-facts.ts';
import { exportModel, exportPlace } from '#core/service/models/export-model.ts';
import type { CardFacts } from '#core/service/models/model-card.ts';
import { DEFAULT_FORMAT, formatsFor, MODEL_FORMATS } from '#core/service/models/model-formats.ts';
import { getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import { defineCommand, flag, oneOf, text, wholeNumber } from './command.ts';
import type { Report } from './command.ts';
import { modelFolder } from './model-reference.ts';
import { createProgress, short } from './progress.ts';
import { projectOption, withProject } from './project-option.ts';

interface Named {
  model: string;
  facts: CardFacts;
  origins: string[];
}

/** The model by its name in a project, with what the project knows of it, or by its folder or GGUF file alone. */
async function find(nameOrPath: string, project: string | null): Promise<Named> {
  const model = await modelFolder(nameOrPath, project);
  if (project === null && fs.existsSync(nameOrPath))
    return { model, facts: await cardFactsOf(model), origins: [model] };
  return withProject(project, { write: false }, async (open) => {
    const known = listPolicies(open).some(({ name }) => name === nameOrPath);
    if (!known) return { model, facts: await cardFactsOf(model), origins: [model] };
    const policy = getPolicy(open, nameOrPath);
    return { model: policyPath(open, policy), facts: await cardFacts(open, policy), origins: originsOf(open, policy) };
  });
}

interface Wanted {
  out: string | null;
  project: string | null;
  batch?: number | null;
  tokens?: number | null;
}

async function write(
  command: string,
  nameOrPath: string | undefined,
  format: string,
  { out, project, batch = null, tokens = null }: Wanted,
): Promise<Report> {
  if (nameOrPath === undefined || out === null)
    throw new TastemakerError(
      'bad-argument',
      `"${command}" needs ${nameOrPath === undefined ? 'a model' : '--out'}.`,
      `Write \`tastemaker ${command} NAME|PATH --out PATH\`; \`tastemaker export model --list\` prints the formats.`,
    );
  const named = await find(nameOrPath, project);
  const into = exportPlace(out, named.facts.name, format);
  refusePlace(into);
  const progress = createProgress('export');
  try {
    const result = await exportModel(
      { ...named, format, into, batch, tokens },
      (done, total) => process.stderr.isTTY && progress.onReport(done, total, {}),
    );
    return {
      data: { ...result, format },
      lines: [
        `Wrote ${named.facts.name} as ${format} (${short(result.bytes)} bytes): ${path.relative('', result.path) || result.path}`,
      ],
    };
  } finally {
    progress.finish();
  }
}

async function listFormats(nameOrPath: string | undefined, project: string | null): Promise<Report> {
  if (nameOrPath === undefined)
    return {
      data: MODEL_FORMATS.map(({ name, title, sentence }) => ({ name, title, sentence })),
      lines: MODEL_FORMATS.flatMap(({ name, title, sentence }) => [`${name}: ${title}`, `  ${sentence}`]),
    };
  const model = await modelFolder(nameOrPath, project);
  const choices = formatsFor(openCheckpoint(model), model);
  return {
    data: choices,
    lines: choices.flatMap(({ name, title, problem, bytes }) => [
      `${name}: ${title}`,
      `  ${problem ?? `About ${short(bytes)} bytes.`}`,
    ]),
  };
}

export const exportModelCommand = defineCommand({
  name: 'export model',
  words: ['[NAME|PATH]'],
  sentence: 'Write a model as a Hugging Face folder, LoRA adapter, GGUF or ONNX, with a card; nothing is overwritten.',
  options: {
    format: oneOf(
      DEFAULT_FORMAT,
      MODEL_FORMATS.map(({ name }) => name),
      'The format; --list says what each is, and with a model whether it fits.',
    ),
    out: text('PATH', null, 'The folder to make, or one to put it into; for GGUF also a file.'),
    list: flag('List the formats, and write nothing.'),
    batch: wholeNumber(null, [1, 4096], 'Rows of every run of an ONNX export; 1 where this is left out.'),
    tokens: wholeNumber(
      null,
      [1, 1_000_000],
      'Tokens of each row of an ONNX export; 512 or the context where this is left out.',
    ),
    project: projectOption,
  },
  run: async ({ words: [nameOrPath], options: { list, format, batch, tokens, out, project } }) => {
    if (list) return listFormats(nameOrPath, project);
    if (format !== 'onnx' && (batch !== null || tokens !== null))
      throw new TastemakerError(
        'bad-argument',
        `--${batch === null ? 'tokens' : 'batch'} is for ONNX exports, and the format is ${format}.`,
        'Write --format onnx, or leave it out.',
      );
    return write('export model', nameOrPath, format, { out, project, batch, tokens });
  },
});

export const exportAdapterCommand = defineCommand({
  name: 'export adapter',
  words: ['NAME|PATH'],
  sentence: 'Write the adapter of a model as PEFT keeps it, to be put on its base model again.',
  options: { out: text('PATH', null, 'The folder to make, or one to put it into.'), project: projectOption },
  run: ({ words: [nameOrPath], options }) => write('export adapter', nameOrPath, 'adapter', options),
});
