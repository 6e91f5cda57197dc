// Samples completions of a project's prompts from one of its models and stores them, a batch of prompts at a time.

import type { SamplingParameters, Split } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { loadCheckpoint } from '#core/models/checkpoint.ts';
import { createSampler } from '#core/models/sampler.ts';
import { addCompletions, listCompletions } from '#core/store/completions.ts';
import type { NewCompletion } from '#core/store/completions.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import { need } from './job.ts';

export interface SampleRequestSettings extends SamplingParameters {
  policy: string;
  /** completions a prompt */
  k: number;
  split: Split | null;
  /** at most this many prompts; null = all */
  prompts: number | null;
}

const PROMPTS_A_BATCH = 64; // stored together; a kill loses at most this many prompts' samples

/** Prompts that already have k completions by this policy with these parameters are left alone, so a killed call can be repeated. Returns how many were added. */
export async function sampleCompletions(project: Project, settings: SampleRequestSettings, progress: (done: number, total: number) => void, stopping: () => boolean = () => false): Promise<{ added: number; tooLong: number; tokensPerSecond: number }> {
  const { policy: name, k, split, prompts: limit, ...sampling } = settings;
  const policy = getPolicy(project, name);
  const folder = policyPath(project, policy);
  const { architecture, weights, head } = loadCheckpoint(folder);
  if (head !== 'language-model') throw new TastemakerError('bad-argument', `"${name}" is a reward model; it cannot write.`, 'Name a base model or a policy.');
  const tokenizer = await loadTokenizer(folder);
  const parameters = JSON.stringify(sampling);
  const had = new Map<number, number>();
  for (const completion of listCompletions(project, { policyId: policy.id })) {
    if (JSON.stringify(pick(completion.sampling)) === parameters) had.set(completion.promptId, (had.get(completion.promptId) ?? 0) + 1);
  }
  const all = listPrompts(project, split ? { split } : {}).slice(0, limit ?? undefined);
  need(all.length, 1, 'prompts', 'Import prompts first (`tastemaker import prompts FILE`).');
  const wanted = all.filter(({ id }) => (had.get(id) ?? 0) < k);
  const ids = await tokenizer.encodeBatch(wanted.map(({ text }) => text));
  const fitting = wanted.map((prompt, i) => ({ ...prompt, ids: ids[i]! })).filter((prompt) => prompt.ids.length + sampling.maxNew <= architecture.context);
  if (wanted.length > 0 && fitting.length === 0) throw new TastemakerError('too-long', `None of the ${wanted.length} prompts fits: with ${sampling.maxNew} new tokens the shortest exceeds the model's context of ${architecture.context}.`, 'Shorten the prompts, lower --max-new, or use a model with a longer context.');

  const sampler = createSampler(architecture);
  let added = 0, tokens = 0;
  const started = performance.now();
  // like lengths together, so that a batch wastes little on padding
  const order = fitting.toSorted((a, b) => a.ids.length - b.ids.length);
  for (let at = 0; at < order.length && !stopping(); at += PROMPTS_A_BATCH) {
    const batch = order.slice(at, at + PROMPTS_A_BATCH);
    const requests = batch.map(({ id, ids: prompt }) => {
      const first = had.get(id) ?? 0;
      return { prompt, streams: Array.from({ length: k - first }, (_, j) => `sample/${policy.id}/${id}/${first + j}`) };
    });
    const results = await sampler.sample(weights, requests, sampling);
    const texts = await tokenizer.decodeBatch(results.flat().map(({ tokenIds }) => tokenIds));
    let text = 0;
    const rows = results.flatMap((completions, i) => completions.map((sampled): NewCompletion => ({ promptId: batch[i]!.id, policyId: policy.id, text: texts[text++]!, ...sampled, sampling, runId: null })));
    addCompletions(project, rows);
    added += rows.length;
    tokens += rows.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
    progress(Math.min(order.length, at + batch.length), order.length);
  }
  await sampler.release();
  return { added, tooLong: wanted.length - fitting.length, tokensPerSecond: (tokens / (performance.now() - started)) * 1000 };
}

const pick = ({ temperature, topK, topP, maxNew, seed }: SamplingParameters): SamplingParameters => ({ temperature, topK, topP, maxNew, seed });
