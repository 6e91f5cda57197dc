// `tastemaker new`: an empty project, or one of the demo world.

import path from 'node:path';
import { createDemoProject } from '#core/recipes/demo/demo-project.ts';
import { DEMO } from '#core/recipes/demo/demo-settings.ts';
import { createProject } from '#core/store/database.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { defineCommand, flag, wholeNumber } from './command.ts';

export const newCommand = defineCommand({
  name: 'new',
  words: ['DIR'],
  sentence: 'Make a project: a folder NAME.tastemaker.',
  options: {
    demo: flag('Fill it with the demo world: generated posts and a small base model.'),
    prompts: wholeNumber(DEMO.prompts, [1, 1e6], 'Demo: posts in the train split.'),
    validation: wholeNumber(
      null,
      [0, 1e6],
      'Demo: posts in the validation split; 3 to 23 of the train split where it is left out.',
    ),
    'held-out': wholeNumber(DEMO.heldOut, [0, 1e6], 'Demo: posts in the test split, which no run reads.'),
    seed: wholeNumber(1, [0, 2 ** 48], 'Demo: seed of the posts.'),
  },
  run: async ({ words: [dir], options }) => {
    const given = dir!.replace(/[/\\]+$/, '') || dir!;
    const folder = path.resolve(given.endsWith('.tastemaker') ? given : `${given}.tastemaker`);
    const validation = options.validation ?? Math.round((options.prompts * DEMO.validation) / DEMO.prompts);
    const project = options.demo
      ? await createDemoProject(folder, {
          prompts: options.prompts,
          validation,
          heldOut: options['held-out'],
          seed: options.seed,
        })
      : createProject(folder);
    const prompts = countPrompts(project);
    project.close();
    const next = options.demo ? 'sample --policy base --k 4' : 'import prompts FILE';
    return {
      data: { project: folder, prompts },
      lines: [
        `Made ${folder}${options.demo ? ` with ${prompts.train} training, ${prompts.validation} validation and ${prompts.test} test prompts and the model "base"` : ''}.`,
        `Next: tastemaker ${next} --project ${given.endsWith('.tastemaker') ? given : `${given}.tastemaker`}`,
      ],
    };
  },
});
