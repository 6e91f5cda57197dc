// Runs in a process of their own whose peak of memory is read, on random models of a few million numbers.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '#core/contract/recipes.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { drawRecord, writePost, writeSummary } from '#core/demo/world.ts';
import { readStatus } from '#core/runs/ending.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { recordRun } from '#core/runs/record.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { planRun } from '#core/runs/start.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import type { Sizes } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import type { Checkpoint } from '#core/models/checkpoint.ts';
import { createRandom } from '#core/random.ts';
import { addCompletions } from '#core/store/completions.ts';
import { createProject } from '#core/store/database.ts';
import { ensureLabeler } from '#core/store/labelers.ts';
import { addPolicy } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { addPrompts, listPrompts } from '#core/store/prompts.ts';
import { addRankings } from '#core/store/rankings.ts';
import { addRun } from '#core/store/runs.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';

const tokenizerOf = (project: Project) => path.join(project.folder, 'tokenizer');

/** 48 demo prompts with references, three ranked summaries of each; no model yet. */
export async function makeProject(folder: string, vocabulary = 600): Promise<Project> {
  const project = createProject(folder);
  const random = createRandom(1, 'measured');
  const drawn = Array.from({ length: 48 }, () => {
    const facts = drawRecord(random);
    return {
      text: writePost(facts, random),
      reference: writeSummary(facts, random, 'good').text,
      others: Array.from({ length: 2 }, () => writeSummary(facts, random, 'good').text),
    };
  });
  await writeTokenizer(
    tokenizerOf(project),
    trainBpe(
      drawn.flatMap(({ text, reference }) => [text, reference]),
      vocabulary,
    ),
  );
  const tokenizer = await loadTokenizer(tokenizerOf(project));
  addPrompts(
    project,
    drawn.map(({ text, reference }, i) => ({
      text,
      reference,
      split: i < 40 ? ('train' as const) : ('validation' as const),
      source: 'measured',
    })),
  );
  const labelerId = ensureLabeler(project, 'ruler', 'program').id;
  for (const [i, { id }] of listPrompts(project).entries()) {
    const texts = [drawn[i]!.reference, ...drawn[i]!.others];
    const ids = addCompletions(
      project,
      await Promise.all(
        texts.map(async (text) => {
          const tokenIds = [...(await tokenizer.encode(` ${text}`)), tokenizer.endOfText];
          const zeros = tokenIds.map(() => 0);
          return {
            promptId: id,
            policyId: null,
            text,
            tokenIds,
            logprobs: zeros,
            samplingLogprobs: zeros,
            finish: 'stop' as const,
            sampling: { temperature: 1, topK: 0, topP: 1, maxNew: 60, seed: 1 },
            runId: null,
          };
        }),
      ),
    );
    addRankings(project, [
      {
        promptId: id,
        labelerId,
        status: 'ranked',
        ranks: ids.map((completionId, k) => ({ completionId, rank: k + 1 })),
      },
    ]);
  }
  return project;
}

/** A random model of the project, which never ends what it writes. */
export function addRandomModel(
  project: Project,
  name: string,
  sizes: Omit<Sizes, 'endOfText'> & { keyValueHeads?: number },
  kind: 'base' | 'reward' = 'base',
): void {
  const architecture = newArchitecture({ ...sizes, endOfText: 0 });
  const folder = path.join(project.folder, 'models', name);
  const model: Checkpoint = {
    architecture,
    head: 'language-model',
    weights: freshWeights(parameters(architecture), architecture.layers, 1),
  };
  saveCheckpoint(folder, kind === 'reward' ? withScoreHead(model, 1) : model, { tokenizerFrom: tokenizerOf(project) });
  addPolicy(project, { name, kind, path: folder });
}

const PROCESS = path.resolve(import.meta.dirname, '..', '..', '..', 'core', 'runs', 'process.ts');
/** At its end the process writes the most memory that it ever held, in kB. */
const TELL = `import fs from 'node:fs'; process.on('exit', () => fs.writeFileSync(process.env.PEAK_FILE, /VmHWM:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]));`;

/**
 * Starts a run as the queue does, waits for its end and takes in what it made under `name`; the peak of its memory in
 * bytes.
 */
export async function peakOfRun(project: Project, recipe: RunKind, config: Config, name: string): Promise<number> {
  const plan = planRun(project, recipe as RecipeName, config, name);
  const folder = runFolderOf(project.folder, plan.id);
  const file = path.join(project.folder, `peak-${plan.id}`);
  addRun(project, {
    id: plan.id,
    kind: recipe,
    name: plan.name,
    status: 'queued',
    request: { recipe, config: plan.config, name, queuedAt: Date.now() },
  });
  fs.mkdirSync(folder, { recursive: true });
  await new Promise((resolve) =>
    spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        `--import=data:text/javascript,${encodeURIComponent(TELL)}`,
        PROCESS,
        project.folder,
        plan.id,
      ],
      { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, PEAK_FILE: file } },
    ).on('exit', resolve),
  );
  const ended = readStatus(folder);
  if (ended?.status !== 'done')
    throw new Error(`The run ${plan.id} ended as ${ended?.status ?? 'nothing'}: ${ended?.error ?? ''}`);
  recordRun(project, plan.id);
  return Number(fs.readFileSync(file, 'utf8')) * 1024;
}
