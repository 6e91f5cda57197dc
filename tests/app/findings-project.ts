// A project with runs that were searched for what they came to say: a planted phrase and a planted curve, with the
// weights of its peak kept; a run that kept no rollouts, nor the weights of its peak; and one that a guard stopped.
import { readFileSync, writeFileSync } from 'node:fs';
import { readRollouts } from '#core/runs/rollouts.ts';
import { startRun } from '#core/runs/start.ts';
import type { Project } from '#core/store/project.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { updateRun } from '#core/store/runs.ts';
import { addLengthReward, makeTinyProject, QUICK_PPO, runFile } from '#tests/core/recipes/tiny-project.ts';
import { PHRASE, plantPhrase, UPDATES } from '#tests/core/inspection/planted-run.ts';

/** The form of a policy, d (α − β ln d), with its peak at ln d = α / β − 1. */
const gained = (kl: number, alpha: number, beta: number): number =>
  kl === 0 ? 0 : Math.sqrt(kl) * (alpha - (beta * Math.log(kl)) / 2);

/** The peak of the score less the price of KL is at KL e^1.6 = 4.95, to which update 10 is the nearest look. */
export const PEAK = 10;
const looks = (): object[] =>
  Array.from({ length: UPDATES / 2 + 1 }, (_, i) => {
    const kl = i; // 0.5 an update, a look at each second
    return {
      step: 2 * i,
      seconds: 10 * i,
      held_out_n: 64,
      held_out_kl: kl,
      held_out_score: gained(kl, 0.9, 0.2),
      held_out_score_se: 0.05,
      held_out_value: gained(kl, 0.9, 0.5),
      held_out_value_se: 0.02,
      gold: 5 + gained(kl, 1.2, 0.9),
      gold_se: 0.1,
    };
  });

export interface FindingsProject {
  /** ids of the runs */
  cheating: string;
  silent: string;
  guarded: string;
}

/** As a guard leaves a run that it stopped at an update. */
function stopByGuard(project: Project, id: string, update: number): void {
  const samples = readRollouts(runFolderOf(project.folder, id))
    .rows.slice(0, 3)
    .map(({ promptId, score }, i) => ({ promptId, text: `${PHRASE} ${i}`, score }));
  const why = `“${PHRASE}” stands in 48 % of the latest answers, and the reward model pays 0.42 (0.31 to 0.53) for it`;
  const alarm = { step: update, guard: 'phrase', why, limit: 0.4, because: 'what nearly half say', samples };
  writeFileSync(runFile(project, id, 'alarms.jsonl'), `${JSON.stringify(alarm)}\n`);
  updateRun(project, id, { status: 'stopped' });
}

export async function makeFindingsProject(folder: string): Promise<FindingsProject> {
  const project = await makeTinyProject(folder);
  addLengthReward(project, 'longer', 1);
  const settings = { ...QUICK_PPO, reward: 'longer', beta: 0, evaluate_every: 1 };
  const run = async (name: string, more: object, keptAt: number): Promise<string> => {
    const { id } = await startRun(project, 'ppo', { ...settings, ...more }, name);
    writeFileSync(
      runFile(project, id, 'metrics.jsonl'),
      looks()
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(''),
    );
    const note = runFile(project, id, 'best/made.json');
    const made = JSON.parse(readFileSync(note, 'utf8')) as object;
    writeFileSync(note, JSON.stringify({ ...made, step: keptAt, steps: UPDATES }));
    return id;
  };
  const cheating = await run('cheating', {}, PEAK);
  plantPhrase(project, cheating);
  const silent = await run('silent', { keep_rollouts: 0 }, PEAK + 2);
  await startRun(project, 'score', { reward: 'longer', reference: '' }, null);
  const guarded = await run('guarded', { guards: true, learning_rate: 4e-4 }, PEAK);
  stopByGuard(project, guarded, PEAK + 4);
  project.close();
  return { cheating, silent, guarded };
}
