// A folder for one test file, removed afterwards, and a small project to begin from.

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { TastemakerError } from '#core/errors.ts';
import { addCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts } from '#core/store/prompts.ts';

/** Gives fresh paths ending in .tastemaker that go away after the test file. */
export function temporaryFolder(): () => string {
  const root = mkdtempSync(join(tmpdir(), 'store-'));
  let count = 0;
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  return () => join(root, `p${++count}.tastemaker`);
}

export const sampling = { temperature: 0.7, topK: 0, topP: 1, maxNew: 48, seed: 1 };

export function completionOf(promptId: number, text: string): NewCompletion {
  return {
    promptId,
    policyId: null,
    text,
    tokenIds: [5, 6],
    logprobs: [-0.5, -0.1],
    samplingLogprobs: [-0.25, 0],
    finish: 'stop',
    sampling,
    runId: null,
  };
}

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

/** Every file below a folder with the hash of its bytes. */
export function fingerprint(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );
  return Object.fromEntries(
    files.sort().map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(join(folder, name)))
        .digest('hex'),
    ]),
  );
}

/** The error that `work` throws; fails where it throws none. */
export function errorOf(work: () => unknown): TastemakerError {
  try {
    work();
  } catch (error) {
    return error as TastemakerError;
  }
  throw new Error('expected an error, and there was none');
}
