// `tastemaker sample`: a run that draws completions of a project's prompts.

import { asLines } from '#core/recipes/parts/forbidden-texts.ts';
import { startRun } from '#core/runs/start.ts';
import { defineCommand, oneOf, requiredText, wholeNumber } from './command.ts';
import { sayAtRest } from './new-here.ts';
import { withProgress } from './progress.ts';
import { projectOption, withProject } from './project-option.ts';
import { samplingOptions } from './sampling-options.ts';

export const sampleCommand = defineCommand({
  name: 'sample',
  computes: true,
  words: [],
  sentence:
    'Sample completions of the prompts and keep them in the project; what is there already is not sampled again.',
  options: {
    policy: requiredText('NAME', 'The base model or policy that writes.'),
    k: wholeNumber(4, [1, 1024], 'Completions a prompt.'),
    prompts: wholeNumber(null, [1, 1e9], 'At most this many prompts.'),
    split: oneOf(
      null,
      ['train', 'validation'],
      'Only prompts of this split; test prompts are kept for evaluation, no run reads them.',
    ),
    ...samplingOptions,
    project: projectOption,
  },
  run: ({ options }) =>
    withProject(options.project, { write: true }, (project) =>
      withProgress('sample', async (listeners) => {
        sayAtRest(project);
        const { policy, k, split, prompts, temperature, forbid, seed } = options;
        const settings = {
          policy,
          k,
          split: split ?? '',
          prompts: prompts ?? 0,
          temperature,
          top_k: options['top-k'],
          top_p: options['top-p'],
          max_new: options['max-new'],
          forbid: asLines(forbid),
          seed,
        };
        const { id, status, counts = {} } = await startRun(project, 'sample', settings, null, listeners);
        const { added = 0, tooLong = 0, tokensPerSecond = 0 } = counts;
        const stopped = status === 'stopped';
        const speed = added ? `, ${Math.round(tokensPerSecond)} tokens/s` : '';
        return {
          data: { id, added, tooLong, tokensPerSecond, stopped },
          lines: [
            status === 'cancelled'
              ? `Run ${id} was cancelled; what it had drawn is kept.`
              : `Added ${added} completions${speed}.${stopped ? ` Stopped; \`tastemaker run resume ${id}\` goes on.` : ''}`,
          ],
        };
      }),
    ),
});
