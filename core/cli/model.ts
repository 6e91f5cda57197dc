// `tastemaker model add` and `model list`: the models a project knows.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { conventionsOf, describeConventions } from '#core/recipes/parts/conventions.ts';
import { isScoreHead } from '#core/models/heads.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { refuseNotFiniteIn } from '#core/models/weight-numbers.ts';
import { memoryOf } from '#core/service/models/model-look.ts';
import { addModel } from '#core/service/models/models.ts';
import { gigabytes } from '#core/service/runs/estimate.ts';
import { listPolicies, policyById, policyPath } from '#core/store/policies.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { defineCommand, flag, oneOf, text } from './command.ts';
import { openModel } from './model-reference.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

const MUCH = 1e9; // bytes

export const modelAddCommand = defineCommand({
  name: 'model add',
  words: ['PATH'],
  sentence:
    'Add a model to the project: a folder (Hugging Face: config.json, safetensors, tokenizer.json) or a GGUF file.',
  options: {
    name: text('NAME', null, "What to call it; the folder's or file's name where this is left out."),
    kind: oneOf(null, ['base', 'reward'], 'What it is; without this its head says so.'),
    copy: flag('Copy it into the project, so that the project can be moved to another machine.'),
    project: projectOption,
  },
  run: ({ words: [given], options, tell }) =>
    withProject(options.project, { write: true }, async (project) => {
      tellSize(path.resolve(given!), tell);
      const { folder, opened } = await openModel(path.resolve(given!));
      const { architecture, head, headFrom, notes } = opened;
      const kind = isScoreHead(head) ? 'reward' : 'base';
      if (options.kind !== null && options.kind !== kind) {
        throw new TastemakerError(
          'bad-argument',
          `${folder} is a ${kind === 'reward' ? 'reward model' : 'language model'}, not of the kind ${options.kind}.`,
          `Leave --kind out, or write --kind ${kind}.`,
        );
      }
      refuseNotFiniteIn(folder, opened);
      const id = await addModel(project, {
        name: options.name ?? path.basename(folder).replace(/\.gguf$/i, ''),
        kind,
        folder,
        copy: options.copy,
      });
      const { name, path: into } = policyById(project, id);
      const parameters = parameterCount(opened);
      const conventions = conventionsOf(await loadTokenizer(folder), folder, opened);
      return {
        data: {
          id,
          name,
          kind,
          path: path.resolve(project.folder, into),
          family: architecture.family,
          parameters,
          vocabulary: architecture.vocabulary,
          context: architecture.context,
          memoryBytes: memoryOf(parameters),
          head: headFrom,
          conventions,
          notes,
        },
        lines: [
          `Added the ${kind === 'reward' ? 'reward' : 'base'} model "${name}": ${architecture.family}, ${parameters.toLocaleString('en')} parameters, vocabulary ${architecture.vocabulary}, context ${architecture.context}.`,
          `Its head is ${headFrom}.`,
          ...describeConventions(conventions),
          ...notes,
        ],
      };
    }),
});

/**
 * How large a model is, from the headers of its files, where that is much: reading it takes a while, and all of that
 * memory.
 */
function tellSize(place: string, tell: (line: string) => void): void {
  try {
    const opened = openCheckpoint(place);
    const numbers = parameterCount(opened);
    if (memoryOf(numbers) > MUCH)
      tell(
        `Reading ${numbers.toLocaleString('en')} parameters (${opened.architecture.family}), which take about ${gigabytes(memoryOf(numbers))} of memory.`,
      );
  } catch {
    // what is wrong with it is said when it is read
  }
}

export const modelListCommand = defineCommand({
  name: 'model list',
  words: [],
  sentence: 'List the models of the project, with what each descends from.',
  options: { project: projectOption },
  run: ({ options }) =>
    withProject(options.project, { write: false }, (project) => {
      const models = listPolicies(project);
      const nameOf = new Map(models.map(({ id, name }) => [id, name]));
      const data = models.map((model) => ({
        ...model,
        parent: model.parentId === null ? null : nameOf.get(model.parentId)!,
        folder: policyPath(project, model),
      }));
      const rows = data.map(({ name, kind, parent, runId, path: stored }) => [
        name,
        kind,
        parent ?? '',
        runId ?? '',
        stored,
      ]);
      return {
        data,
        lines: rows.length
          ? table(['name', 'kind', 'from', 'run', 'folder'], rows)
          : ['The project has no models yet: `tastemaker model add PATH`.'],
      };
    }),
});
