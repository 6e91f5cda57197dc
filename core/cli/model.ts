// `tastemaker model add` and `model list`: the models a project knows.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { addPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import { defineCommand, flag, oneOf, text } from './command.ts';
import { loadModel } from './model-reference.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

export const modelAddCommand = defineCommand({
  name: 'model add',
  words: ['PATH'],
  sentence: 'Add a model folder (Hugging Face: config.json, safetensors, tokenizer.json) to the project.',
  options: {
    name: text('NAME', null, "What to call it; the folder's name where this is left out."),
    kind: oneOf(null, ['base', 'reward'], 'What it is; without this its head says so.'),
    copy: flag('Copy the folder into the project, so that the project can be moved to another machine.'),
    project: projectOption,
  },
  run: ({ words: [given], options }) => withProject(options.project, { write: true }, async (project) => {
    const { folder, checkpoint: { architecture, head, weights } } = await loadModel(path.resolve(given!));
    const kind = head === 'score' ? 'reward' : 'base';
    if (options.kind !== null && options.kind !== kind) {
      throw new TastemakerError('bad-argument', `${folder} is a ${kind === 'reward' ? 'reward model' : 'language model'}, not of the kind ${options.kind}.`, `Leave --kind out, or write --kind ${kind}.`);
    }
    const name = options.name ?? path.basename(folder);
    if (listPolicies(project).some((policy) => policy.name === name)) throw new TastemakerError('bad-argument', `The project already has a model called "${name}".`, 'Choose another --name.');
    const into = options.copy ? copyInto(path.join(project.folder, 'models'), name, folder) : folder;
    const id = addPolicy(project, { name, kind, path: into });
    const parameters = Object.values(weights).reduce((total, { length }) => total + length, 0);
    return {
      data: { id, name, kind, path: into, family: architecture.family, parameters, vocabulary: architecture.vocabulary, context: architecture.context },
      lines: [`Added the ${kind === 'reward' ? 'reward' : 'base'} model "${name}": ${architecture.family}, ${parameters.toLocaleString('en')} parameters, vocabulary ${architecture.vocabulary}, context ${architecture.context}.`],
    };
  }),
});

/** A copy of the model folder among the project's, whole or not at all. */
function copyInto(models: string, name: string, from: string): string {
  const into = path.join(models, name.replace(/[^\p{L}\p{N}._-]+/gu, '-')), temporary = `${into}.writing`;
  if (fs.existsSync(into)) throw new TastemakerError('bad-argument', `${into} already exists.`, 'Choose another --name.');
  try {
    fs.rmSync(temporary, { recursive: true, force: true });
    fs.cpSync(from, temporary, { recursive: true });
    fs.renameSync(temporary, into);
  } catch (error) {
    fs.rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  return into;
}

export const modelListCommand = defineCommand({
  name: 'model list',
  words: [],
  sentence: 'List the models of the project, with what each descends from.',
  options: { project: projectOption },
  run: ({ options }) => withProject(options.project, { write: false }, (project) => {
    const models = listPolicies(project), nameOf = new Map(models.map(({ id, name }) => [id, name]));
    const data = models.map((model) => ({ ...model, parent: model.parentId === null ? null : nameOf.get(model.parentId)!, folder: policyPath(project, model) }));
    const rows = data.map(({ name, kind, parent, runId, path: stored }) => [name, kind, parent ?? '', runId ?? '', stored]);
    return { data, lines: rows.length ? table(['name', 'kind', 'from', 'run', 'folder'], rows) : ['The project has no models yet: `tastemaker model add PATH`.'] };
  }),
});
