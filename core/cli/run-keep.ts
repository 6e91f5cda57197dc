// `tastemaker run keep`: makes weights that a run kept on the way a model of the project: the best, or those of a look.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { originOf } from '#core/runs/record.ts';
import { manifestOf } from '#core/recipes/manifest.ts';
import { addModel } from '#core/service/models/models.ts';
import { bestOf, looksOf } from '#core/service/runs/run-rows.ts';
import { policyById } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { getRun } from '#core/store/runs.ts';
import { defineCommand, text } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

interface Kept {
  /** "best", or the update of a look */
  at: string;
  update: number | null;
  folder: string;
  sentence: string;
  modelId: number | null;
}

/** What a run kept on the way; the best is left out where it is a model already. */
function keptBy(project: Project, id: string): Kept[] {
  const best = bestOf(project, id, runFolderOf(project.folder, id));
  return [
    ...(best ? [{ at: 'best', update: best.step, folder: best.folder, sentence: best.sentence, modelId: null }] : []),
    ...looksOf(project, id).map((look) => ({ at: String(look.update), ...look })),
  ];
}

export const runKeepCommand = defineCommand({
  name: 'run keep',
  words: ['ID', '[UPDATE]'],
  sentence: 'Make weights that a run kept a model: "best", or an update; without UPDATE print what it kept.',
  options: {
    name: text('NAME', null, "What to call it; the run's name with the update where this is left out."),
    project: projectOption,
  },
  run: ({ words: [id, at], options: { name, project: given } }) =>
    withProject(given, { write: at !== undefined }, async (project) => {
      const run = getRun(project, id!);
      const kept = keptBy(project, id!);
      const modelOf = ({ modelId }: Kept) => (modelId === null ? '' : policyById(project, modelId).name);
      if (at === undefined)
        return {
          data: kept.map((one) => ({ ...one, folder: path.relative(project.folder, one.folder) })),
          lines: kept.length
            ? table(
                ['weights', 'measured there', 'model'],
                kept.map((one) => [one.at, one.sentence, modelOf(one)]),
              )
            : [`Run ${id} kept no weights on the way.`],
        };
      const found = kept.find((one) => one.at === at);
      if (!found)
        throw new TastemakerError(
          'bad-argument',
          `Run ${id} kept no weights of ${at === 'best' ? 'its best' : `update ${at}`} that are no model yet.`,
          kept.length ? `There are ${kept.map((one) => one.at).join(', ')}.` : 'It kept none on the way.',
        );
      if (found.modelId !== null)
        throw new TastemakerError(
          'bad-argument',
          `The weights of update ${at} are the model "${modelOf(found)}" already.`,
          'Use that one.',
        );
      const { kind } = originOf(project, manifestOf(project, id!)!)!;
      const called = name ?? `${run.name}-${at === 'best' && found.update !== null ? `best-${found.update}` : at}`;
      const modelId = await addModel(project, { name: called, kind, folder: found.folder, copy: false });
      const model = policyById(project, modelId);
      return {
        data: { id: modelId, name: model.name, update: found.update, path: model.path },
        lines: [`The weights of ${at === 'best' ? 'its best' : `update ${at}`} are the model "${model.name}" now.`],
      };
    }),
});
