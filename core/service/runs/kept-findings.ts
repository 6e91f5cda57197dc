// Answers of the finder, kept for as long as the project is open: whoever comes back to a run sees them at once.

import fs from 'node:fs';
import path from 'node:path';
import type { RunFindings } from '#core/contract/findings.ts';

interface Kept {
  /** how large the run's files were when it was asked */
  stamp: string;
  answer: Promise<RunFindings>;
}
/** runs whose findings are kept, the last ones asked for */
const MOST = 16;
const keptOf = new WeakMap<object, Map<string, Kept>>();

/** What findings are read off: they are the same while these are. */
const READ = ['rollouts.jsonl', 'samples.jsonl', 'metrics.jsonl'];
const stampOf = (runFolder: string): string =>
  READ.map((name) => fs.statSync(path.join(runFolder, name), { throwIfNoEntry: false })?.size ?? 0).join('/');

/**
 * The kept answer about a run of `project` where its files are as they were, or where any will do (`orOlder`); else
 * what `ask` gives, which is asked once however many want it. A refusal is not kept.
 */
export function keptFindings(
  project: object,
  { id, folder, orOlder }: { id: string; folder: string; orOlder: boolean },
  ask: () => Promise<RunFindings>,
): Promise<RunFindings> {
  const kept = keptOf.get(project) ?? new Map<string, Kept>();
  keptOf.set(project, kept);
  const stamp = stampOf(folder);
  const known = kept.get(id);
  kept.delete(id);
  const one = known && (orOlder || known.stamp === stamp) ? known : { stamp, answer: ask() };
  kept.set(id, one);
  if (kept.size > MOST) kept.delete(kept.keys().next().value!);
  one.answer.catch(() => kept.get(id) === one && kept.delete(id));
  return one.answer;
}
