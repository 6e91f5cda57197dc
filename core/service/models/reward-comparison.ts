// Which of two reward models orders better, on prompts that both have scored and neither was trained on.

import fs from 'node:fs';
import path from 'node:path';
import type { Policy } from '#core/contract/models.ts';
import { clusteredInterval, FEWEST_CLUSTERS } from '#core/evaluation/interval.ts';
import type { Cluster } from '#core/evaluation/interval.ts';
import { comparedPrompts, comparisonsOf, scoresBy } from '#core/store/scored-comparisons.ts';
import type { Project } from '#core/store/project.ts';
import { jsonLines } from './held-out.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { linesOf } from './run-folder.ts';

export interface Comparison {
  /** 'unclear': the interval holds 0, or there is too little to measure on */
  verdict: 'better' | 'worse' | 'unclear';
  /** what was measured, as the rest of a sentence about the candidate ("it orders …") */
  clause: string;
}

/**
 * What a run of the recipe reward left: the prompts that it learnt from, and the scores of the completions that it held
 * out.
 */
interface Taught {
  prompts: ReadonlySet<number>;
  scores: ReadonlyMap<number, number>;
}
const known = new Map<string, Taught>();

/** Null for a model of another program, and where the run's rows are gone: nobody knows what it was trained on. */
async function taughtBy(project: Project, { runId }: Policy): Promise<Taught | null> {
  if (runId === null) return null;
  const folder = runFolderOf(project.folder, runId);
  const file = path.join(folder, 'data.jsonl');
  if (!fs.existsSync(file)) return null;
  const before = known.get(file);
  if (before) return before;
  const prompts = new Set<number>();
  const scores = new Map<number, number>();
  for await (const line of linesOf(file)) {
    const { ranks, promptId } = JSON.parse(line || '{}') as { ranks?: number[]; promptId?: number };
    if (ranks && promptId !== undefined) prompts.add(promptId); // the others are references for the zero point
  }
  for (const row of jsonLines(path.join(folder, 'validation.jsonl')) as {
    promptId?: number;
    completionIds?: number[];
    scores?: number[];
  }[]) {
    if (row.promptId !== undefined) prompts.delete(row.promptId);
    row.completionIds?.forEach((id, i) => row.scores?.[i] !== undefined && scores.set(id, row.scores[i]));
  }
  const taught = { prompts, scores };
  known.set(file, taught); // rows of a run never change
  return taught;
}

/**
 * Accuracy is the share of labelers' comparisons that the scores order the same way, an equal score counting half. The
 * difference of the two is taken comparison by comparison, and its interval by prompt. Test prompts are never looked
 * at.
 */
export async function compareRewards(project: Project, candidate: Policy, current: Policy): Promise<Comparison> {
  const [fresh, old] = [await taughtBy(project, candidate), await taughtBy(project, current)];
  if (!fresh || !old)
    return {
      verdict: 'unclear',
      clause: `nobody knows which prompts “${(fresh ? current : candidate).name}” was trained on`,
    };
  const prompts = comparedPrompts(project).filter((id) => !fresh.prompts.has(id) && !old.prompts.has(id));
  const scored = (model: Policy, { scores }: Taught) => new Map([...scores, ...scoresBy(project, model.id, prompts)]);
  const byCandidate = scored(candidate, fresh);
  const byCurrent = scored(current, old);
  const clusters = new Map<number, Cluster>();
  let pairs = 0;
  let right = 0;
  let rightBefore = 0;
  for (const { promptId, chosenId, rejectedId } of comparisonsOf(project, prompts)) {
    const now = orders(byCandidate, chosenId, rejectedId);
    const before = orders(byCurrent, chosenId, rejectedId);
    if (now === null || before === null) continue;
    const cluster = clusters.get(promptId) ?? { sum: 0, size: 0 };
    clusters.set(promptId, { sum: cluster.sum + now - before, size: cluster.size + 1 });
    [pairs, right, rightBefore] = [pairs + 1, right + now, rightBefore + before];
  }
  const interval = clusteredInterval([...clusters.values()]);
  if (!interval)
    return {
      verdict: 'unclear',
      clause: `there ${clusters.size === 1 ? 'is 1 prompt' : `are ${clusters.size} prompts`} that both have scored and neither was trained on, and a comparison takes ${FEWEST_CLUSTERS}`,
    };
  const share = (count: number) => `${((100 * count) / pairs).toFixed(1)} %`;
  const points = (value: number) => (100 * value).toFixed(1).replace('-', '−');
  return {
    verdict: interval.low > 0 ? 'better' : interval.high < 0 ? 'worse' : 'unclear',
    clause: `on ${interval.clusters} prompts that neither was trained on it orders ${share(right)} of ${pairs.toLocaleString('en')} comparisons as the labelers did, “${current.name}” ${share(rightBefore)}: a difference of ${points(interval.mean)} points (95 %: ${points(interval.low)} to ${points(interval.high)})`,
  };
}

function orders(scores: ReadonlyMap<number, number>, chosen: number, rejected: number): number | null {
  const [a, b] = [scores.get(chosen), scores.get(rejected)];
  return a === undefined || b === undefined ? null : a > b ? 1 : a === b ? 0.5 : 0;
}
