// What the project has, in the numbers that recipes go by: prompts, references, rankings, and how long texts are in tokens.

import type { Split } from '#core/contract.ts';
import { query } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { countPrompts } from '#core/store/prompts.ts';
import { countOnce } from '#core/store/samples.ts';

export interface Facts {
  prompts: Record<Split, number>;
  /** train prompts with a reference completion */
  references: number;
  /** rankings that prefer something, on prompts that are not kept for tests */
  rankings: number;
  completions: number;
  isDemo: boolean;
}

/** Below this the rankings are looked at one by one; above, a few ties more or less are nothing. */
const FEW = 2000;

export function factsOf(project: Project): Facts {
  const count = (sql: string) => countOnce(project, sql, []);
  const ranked = "rankings r WHERE r.status = 'ranked' AND r.repeat_of IS NULL";
  const about = count(`SELECT count(*) AS n FROM ${ranked}`);
  const exact = () => count(`SELECT count(*) AS n FROM ${ranked} AND (SELECT split FROM prompts WHERE id = r.prompt_id) <> 'test' AND (SELECT max(rank) > min(rank) FROM ranking_items WHERE ranking_id = r.id)`);
  return {
    prompts: countPrompts(project),
    references: count("SELECT count(*) AS n FROM prompts WHERE split = 'train' AND reference IS NOT NULL"),
    rankings: about > FEW ? about : exact(),
    completions: count('SELECT count(*) AS n FROM completions'),
    isDemo: query<{ source: string }>(project, 'SELECT source FROM prompts ORDER BY id LIMIT 1').get()?.source === 'demo',
  };
}

/** Lengths in tokens, from the first and newest few hundred texts: enough for an estimate. */
export interface Lengths { prompt: number; longestPrompt: number; completion: number; /** completions a ranking */ ranked: number }

export function lengthsOf(project: Project): Lengths {
  const written = query<{ tokens: number | null; characters: number | null }>(project, 'SELECT avg(tokens) AS tokens, avg(length(text)) AS characters FROM (SELECT tokens, text FROM completions WHERE tokens > 0 ORDER BY id DESC LIMIT 200)').get()!;
  const perToken = written.tokens && written.characters ? Math.max(1, written.characters / written.tokens) : 4;
  const prompts = query<{ mean: number | null; most: number | null }>(project, 'SELECT avg(length(text)) AS mean, max(length(text)) AS most FROM (SELECT text FROM prompts ORDER BY id LIMIT 300)').get()!;
  const ranked = query<{ n: number | null }>(project, 'SELECT avg(n) AS n FROM (SELECT count(*) AS n FROM ranking_items WHERE ranking_id IN (SELECT id FROM rankings ORDER BY id DESC LIMIT 200) GROUP BY ranking_id)').get()!;
  return { prompt: (prompts.mean ?? 400) / perToken, longestPrompt: (prompts.most ?? 800) / perToken, completion: written.tokens ?? 40, ranked: ranked.n ?? 4 };
}
