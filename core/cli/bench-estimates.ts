// The bench of a form: what an estimate takes while settings are typed in a big project, and how long the service's
// thread is held meanwhile.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Arguments, CallName, Result } from '#core/contract/calls.ts';
import type { Notice } from '#core/contract/messages.ts';
import type { Config } from '#core/contract/recipes.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { TastemakerError } from '#core/errors.ts';
import { newArchitecture, parameters } from '#core/models/architecture.ts';
import { freshWeights, saveCheckpoint, withScoreHead } from '#core/models/checkpoint.ts';
import { createService } from '#core/service/service.ts';
import { openProject } from '#core/store/database.ts';
import { sampleTexts } from '#core/store/learning-counts.ts';
import { addPolicy, listPolicies } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { trainBpe, writeTokenizer } from '#core/tokenizer/bpe-trainer.ts';
import { watchThread } from './held-thread.ts';
import type { Hold } from './held-thread.ts';

const MODEL = 'typed';
const JUDGE = 'typed-judge';
const READ = 200; // texts that the tokenizer is made of
const SETTLED_MS = 500; // what opening leaves to be done

/** The models that the forms name: of the demo's size, and the first of no project. */
async function addModels(project: Project): Promise<void> {
  if (listPolicies(project).some(({ name }) => name === MODEL)) return;
  const texts = sampleTexts(project, READ, 1).map(({ text }) => text);
  const tokenizer = path.join(project.folder, 'models', 'tokenizer-of-the-bench');
  await writeTokenizer(tokenizer, trainBpe(texts, 600));
  const architecture = newArchitecture({
    family: 'gpt2',
    vocabulary: 600,
    channels: 128,
    layers: 4,
    heads: 4,
    feedForward: 512,
    context: 256,
    endOfText: 0,
  });
  const model = {
    architecture,
    head: 'language-model' as const,
    weights: freshWeights(parameters(architecture), architecture.layers, 1),
  };
  for (const [name, kind, checkpoint] of [
    [MODEL, 'base', model],
    [JUDGE, 'reward', withScoreHead(model, 1)],
  ] as const) {
    const place = path.join('models', name);
    saveCheckpoint(path.join(project.folder, place), checkpoint, { tokenizerFrom: tokenizer });
    addPolicy(project, { name, kind, path: place });
  }
}

/** Forms as somebody fills them in: one field after the other, a digit at a time. */
function typed(): [RecipeName, Config][] {
  const sft = [1, 16, 8, 4].map((batch): [RecipeName, Config] => ['sft', { policy: MODEL, batch }]);
  const reward = [2, 20, 32].map((batch): [RecipeName, Config] => ['reward', { policy: MODEL, batch }]);
  const ppo = [1, 12, 128, 64].flatMap((episodes) =>
    [1, 2].map((epochs): [RecipeName, Config] => ['ppo', { policy: MODEL, reward: JUDGE, episodes, epochs }]),
  );
  const pretrain = [1, 2, 24, 12].flatMap((layers) =>
    [64, 512].map((context): [RecipeName, Config] => ['pretrain', { layers, context, channels: 256, heads: 4 }]),
  );
  return [...sft, ...reward, ...ppo, ...pretrain];
}

export interface FormFigures {
  /** milliseconds to the answer, one a change */
  waits: number[];
  /** the longest hold of the service's thread, one a change */
  holds: Hold[];
}

/** Opens the project in a service of this process and asks for an estimate after each change of a form. */
export async function measureForm(folder: string): Promise<FormFigures> {
  const project = openProject(folder, { write: true });
  await addModels(project).finally(() => project.close());
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-home-'));
  fs.writeFileSync(path.join(home, 'speed.json'), JSON.stringify({ trained: 1e10 })); // it need not be measured here
  let opened: string | null = null;
  const service = createService({
    home,
    emit: (event, data, of) => {
      const notice = { event, data, project: of } as Notice;
      if (notice.event === 'project.changed') opened = notice.data.project?.id ?? null;
    },
  });
  let ids = 0;
  const call = async <K extends CallName>(name: K, args: Arguments<K>): Promise<Result<K>> => {
    const reply = await service.handle({ id: ++ids, call: name, args, project: opened });
    if ('fault' in reply) throw new TastemakerError('runtime', reply.fault.message, reply.fault.hint);
    return reply.result as Result<K>;
  };
  try {
    await call('project.open', { folder });
    await wait(SETTLED_MS);
    const figures: FormFigures = { waits: [], holds: [] };
    const watch = watchThread();
    for (const [recipe, config] of typed()) {
      const started = performance.now();
      await call('recipes.estimate', { recipe, config });
      figures.waits.push(performance.now() - started);
      figures.holds.push(watch.longest());
    }
    watch.stop();
    return figures;
  } finally {
    await service.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}
