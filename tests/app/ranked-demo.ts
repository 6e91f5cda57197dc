// The window's demo as it is when its runs have ended and its labelers have ranked, made from rows alone: for tests
// that look at something else.
import type { Project } from '#core/store/project.ts';
import { writeSummary } from '#core/demo/world.ts';
import { createRandom } from '#core/random.ts';
import { createDemoProject, demoBaseFolder } from '#core/recipes/demo/demo-project.ts';
import { DEMO } from '#core/recipes/demo/demo-settings.ts';
import { labelGold } from '#core/recipes/demo/label-gold.ts';
import { addCompletions } from '#core/store/completions.ts';
import { listPolicies } from '#core/store/policies.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

const PER_PROMPT = 4;

/** Four summaries of each of the first 1,300 prompts that may be learned from, not sampled but written by the world. */
async function addSummaries(project: Project): Promise<void> {
  const tokenizer = await loadTokenizer(demoBaseFolder());
  const random = createRandom(1, 'ranked-demo');
  const policyId = listPolicies(project)[0]!.id;
  const sampling = { temperature: DEMO.temperature, topK: 0, topP: 1, maxNew: DEMO.maxNew, seed: 1 };
  const prompts = listPrompts(project).filter(({ split }) => split !== 'test');
  const rows = prompts.slice(0, DEMO.ranked).flatMap(({ id, facts }) =>
    Array.from({ length: PER_PROMPT }, async () => {
      const text = ` ${writeSummary(facts!, random).text}`;
      const tokenIds = [...(await tokenizer.encode(text)), tokenizer.endOfText];
      const logprobs = tokenIds.map(() => -1);
      return {
        promptId: id,
        policyId,
        text,
        tokenIds,
        logprobs,
        samplingLogprobs: logprobs,
        finish: 'stop' as const,
        sampling,
        runId: null,
      };
    }),
  );
  addCompletions(project, await Promise.all(rows));
}

/** Makes it at `folder`; nothing is at work in it when it is opened. */
export async function makeRankedDemo(folder: string): Promise<void> {
  const { prompts, validation, heldOut } = DEMO;
  const project = await createDemoProject(folder, { prompts, validation, heldOut, seed: 1 });
  try {
    await addSummaries(project);
    labelGold(project, { taste: 'crowd_b', labelers: 3, noise: 0.25, seed: 1 });
  } finally {
    project.close();
  }
}
