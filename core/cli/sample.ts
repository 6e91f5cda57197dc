// `tastemaker sample`: completions of a project's prompts, stored in the project.

import { sampleCompletions } from '#core/jobs/sample.ts';
import { defineCommand, oneOf, requiredText, wholeNumber } from './command.ts';
import { withProgress } from './progress.ts';
import { projectOption, withProject } from './project-option.ts';
import { samplingOptions } from './sampling-options.ts';
import { SPLITS } from './split-option.ts';

export const sampleCommand = defineCommand({
  name: 'sample',
  words: [],
  sentence: 'Sample completions of the prompts and keep them in the project; what is there already is not sampled again.',
  options: {
    policy: requiredText('NAME', 'The base model or policy that writes.'),
    k: wholeNumber(4, [1, 1024], 'Completions a prompt.'),
    prompts: wholeNumber(null, [1, 1e9], 'At most this many prompts.'),
    split: oneOf(null, SPLITS, 'Only prompts of this split.'),
    ...samplingOptions,
    project: projectOption,
  },
  run: ({ options }) => withProject(options.project, { write: true }, (project) => withProgress('sample', async ({ onReport, stopping }) => {
    const { policy, k, split, prompts, temperature, seed } = options;
    const result = await sampleCompletions(project, { policy, k, split, prompts, temperature, topK: options['top-k'], topP: options['top-p'], maxNew: options['max-new'], seed }, (done, total) => onReport(done, total, {}), stopping);
    const speed = result.added ? `, ${Math.round(result.tokensPerSecond)} tokens/s` : '';
    const long = result.tooLong ? [`${result.tooLong} prompts do not fit the model's context with ${options['max-new']} new tokens and were left out.`] : [];
    return { data: { ...result, stopped: stopping() }, lines: [...long, `Added ${result.added} completions${speed}.${stopping() ? ' Stopped; the same command goes on.' : ''}`] };
  })),
});
