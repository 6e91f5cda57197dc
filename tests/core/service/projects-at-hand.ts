// Small projects and model folders for the tests of handlers, in a folder that goes away after the test file.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint } from '#core/models/checkpoint.ts';
import { addCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

/** A folder to work in. */
export function workFolder(): string {
  const root = mkdtempSync(join(tmpdir(), 'handlers-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Gives fresh paths ending in .tastemaker. */
export function freshProjects(): () => string {
  const root = workFolder();
  let count = 0;
  return () => join(root, `p${++count}.tastemaker`);
}

export const sampling = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 };

export const completionOf = (promptId: number, text: string): NewCompletion => ({
  promptId,
  policyId: null,
  text,
  tokenIds: [5, 6],
  logprobs: [-0.5, -0.1],
  samplingLogprobs: [-0.25, 0],
  finish: 'stop',
  sampling,
  runId: null,
});

/** Two prompts, `k` completions of the first, one of the second, one labeler. */
export function smallProject(
  folder: string,
  k = 4,
): {
  project: Project;
  promptId: number;
  otherPromptId: number;
  completionIds: number[];
  otherId: number;
  labelerId: number;
} {
  const project = createProject(folder);
  const [promptId, otherPromptId] = addPrompts(project, [
    { text: 'My neighbour plays the trumpet at night.', split: 'train', source: 'test' },
    { text: 'My cat ignores me.', split: 'test', source: 'test' },
  ]) as [number, number];
  const completionIds = addCompletions(
    project,
    Array.from({ length: k }, (_, i) => completionOf(promptId, `Answer number ${i + 1}.`)),
  );
  const [otherId] = addCompletions(project, [completionOf(otherPromptId, 'Buy a dog.')]) as [number];
  return {
    project,
    promptId,
    otherPromptId,
    completionIds,
    otherId,
    labelerId: ensureLabeler(project, 'ada', 'person').id,
  };
}

const TEXT =
  'The ship left the harbour at dawn and nobody on the quay waved. The captain read the letter twice, folded it, and said nothing. ';

/** A model folder of one narrow layer with a tokenizer of its own. */
export async function writeSmallModel(folder: string): Promise<void> {
  const tokenizerFolder = mkdtempSync(join(tmpdir(), 'tokenizer-'));
  await writeTokenizer(tokenizerFolder, trainBpe([TEXT.repeat(3)], 300));
  const tokenizer = await loadTokenizer(tokenizerFolder);
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: tokenizer.vocabularySize,
    channels: 8,
    layers: 1,
    heads: 2,
    feedForward: 16,
    context: 48,
    endOfText: tokenizer.endOfText,
    pad: tokenizer.pad,
  });
  saveCheckpoint(
    folder,
    { architecture, head: 'language-model', weights: freshWeights(parameters(architecture), 1, 1, 0.3) },
    { tokenizerFrom: tokenizerFolder },
  );
  rmSync(tokenizerFolder, { recursive: true });
}
