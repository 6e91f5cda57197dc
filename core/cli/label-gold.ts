// `tastemaker label gold`: the demo world's programmatic labelers rank what was sampled.

import type { LabelerName } from '#core/demo/labelers.ts';
import { LABELERS } from '#core/demo/labelers.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { defineCommand, number, oneOf, wholeNumber } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

export const labelGoldCommand = defineCommand({
  name: 'label gold',
  words: [],
  sentence: 'Let programmatic labelers rank the samples of a demo project.',
  options: {
    labelers: wholeNumber(3, [1, 1000], 'How many share the prompts; each prompt is ranked by one of them.'),
    noise: number(0.25, [0, 0.49], 'Share of pairs on which two of them disagree.'),
    taste: oneOf('crowd_b', Object.keys(LABELERS) as LabelerName[], 'What they like; crowd_b has a bias one can see.'),
    seed: wholeNumber(1, [0, 2 ** 48], 'Seed of the noise.'),
    project: projectOption,
  },
  run: ({ options: { project: given, ...settings } }) =>
    withProject(given, { write: true }, (project) => {
      const result = labelGold(project, settings);
      return {
        data: result,
        lines: [`Added ${result.added} rankings by ${settings.labelers} labelers of the taste ${settings.taste}.`],
      };
    }),
});
