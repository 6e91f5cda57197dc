// Exporting a model: a copy of its folder that other programs read, with a card that says where it comes from.

import fs from 'node:fs/promises';
import path from 'node:path';
import type { Policy } from '#core/contract.ts';
import { TastemakerError } from '#core/errors.ts';
import { openCheckpoint, parameterCount } from '#core/models/checkpoint.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { copyModel, folderName } from './copy-model.ts';
import { lineageOf } from './lineage.ts';
import { licenceOf } from './model-look.ts';
import { manifestOf } from './run-folder.ts';
import { chainOf } from '#core/service/data/sample-models.ts';

const CARD = 'README.md', FIRST_CARD = 'README.original.md';
const PROGRAM = path.resolve(import.meta.dirname, '..', '..', '..', 'package.json');

/** Copies the model to `place`, or into it where it is a folder already; returns the new folder. Nothing is overwritten. */
export async function exportModel(project: Project, policy: Policy, place: string): Promise<string> {
  const from = policyPath(project, policy);
  openCheckpoint(from); // a damaged model is not handed on
  const found = await fs.stat(place).catch(() => null);
  if (found && !found.isDirectory()) throw new TastemakerError('bad-argument', `${place} is a file.`, 'Name a folder.');
  const into = found ? path.join(place, folderName(policy.name)) : place;
  const card = await cardOf(project, policy);
  await copyModel(from, into, async (copy) => {
    const own = path.join(copy, CARD);
    await fs.rename(own, path.join(copy, FIRST_CARD)).catch(() => {}); // what the model's first author wrote
    await fs.writeFile(own, card);
  });
  return into;
}

/** The model card: front matter as Hugging Face reads it, the lineage, and the settings of the run that made it. */
async function cardOf(project: Project, policy: Policy): Promise<string> {
  const steps = await lineageOf(project, policy);
  const base = chainOf(listPolicies(project), policy)[0]!;
  const opened = openCheckpoint(policyPath(project, policy)), baseFolder = policyPath(project, base);
  const licence = await licenceOf(baseFolder, await fs.readdir(baseFolder).catch(() => []));
  const manifest = policy.runId === null ? null : manifestOf(project, policy.runId);
  const { version } = JSON.parse(await fs.readFile(PROGRAM, 'utf8')) as { version: string };
  const front = [
    ...(base.id === policy.id ? [] : [`base_model: ${JSON.stringify(base.name)}`]), ...(licence ? [`license: ${JSON.stringify(licence)}`] : []),
    'library_name: transformers', `pipeline_tag: ${opened.head === 'score' ? 'text-classification' : 'text-generation'}`,
  ];
  const settings = manifest ? ['', `## Settings of run ${manifest.id}`, '', ...Object.entries(manifest.config).map(([name, value]) => `- ${name}: ${value}`)] : [];
  return [
    '---', ...front, '---', '', `# ${policy.name}`, '',
    `${opened.head === 'score' ? 'A reward model' : 'A language model'} of the family ${opened.architecture.family} with ${parameterCount(opened).toLocaleString('en')} parameters, exported by Tastemaker ${version}.`, '',
    '## How it was made', '', ...steps.map(({ name, sentence }, i) => `${i + 1}. **${name}**: ${sentence}`), ...settings, '',
  ].join('\n');
}
