// `tastemaker prompts unite`: brings prompts that differ only in their spelling into one split.

import { uniteSpellings } from '#core/store/straddling.ts';
import { defineCommand } from './command.ts';
import { projectOption, withProject } from './project-option.ts';

export const promptsUniteCommand = defineCommand({
  name: 'prompts unite',
  words: [],
  sentence: 'Bring prompts that differ only in their spelling into one split: train before validation before test.',
  options: { project: projectOption },
  run: ({ options }) =>
    withProject(options.project, { write: true }, (project) => {
      const { moved } = uniteSpellings(project);
      return {
        data: { moved },
        lines: [
          moved === 0
            ? 'All spellings of every prompt stand in one split already.'
            : `Moved ${moved} ${moved === 1 ? 'prompt' : 'prompts'} to the split of another spelling; undo takes it back.`,
        ],
      };
    }),
});
