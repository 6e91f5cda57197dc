// `tastemaker label rouge`: a stand-in for people ranks what was sampled, by its words in common with the references.

import { labelRouge, ROUGE_LABELER } from '#core/recipes/demo/label-rouge.ts';
import { defineCommand, wholeNumber } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

export const labelRougeCommand = defineCommand({
  name: 'label rouge',
  words: [],
  sentence:
    'Let a stand-in for people rank the samples by ROUGE-L against the references, to try a loop before labelling.',
  options: {
    seed: wholeNumber(1, [0, 2 ** 48], 'Seed of the order in which answers count as shown.'),
    project: projectOption,
  },
  run: ({ options: { project: given, seed } }) =>
    withProject(given, { write: true }, (project) => {
      const result = labelRouge(project, { seed });
      return {
        data: result,
        lines: [
          `Added ${result.added} rankings by "${ROUGE_LABELER}", a stand-in for people; mean ROUGE-L ${result.mean.toFixed(3)}.`,
        ],
      };
    }),
});
