// What a completion is that came from a file and not from a model of the project.

import type { NewCompletion } from '#core/store/completions.ts';

/** It was not sampled here, so it has no tokens and no true sampling parameters (maxNew 0 says so). */
export const importedCompletion = (
  promptId: number,
  text: string,
  policyId: number | null,
  writer: string | null,
): NewCompletion => ({
  promptId,
  policyId,
  writer,
  text,
  tokenIds: [],
  logprobs: [],
  samplingLogprobs: [],
  finish: 'stop',
  sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 0, seed: 0 },
  runId: null,
});
