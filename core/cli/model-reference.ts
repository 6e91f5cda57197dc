// A model named on the command line, by its name in a project or by its folder or GGUF file, loaded and checked for
// use.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { otherCheckpoint } from '#core/formats/other-checkpoints.ts';
import { isScoreHead, LINEAR } from '#core/models/heads.ts';
import { loadCheckpoint, openCheckpoint } from '#core/models/checkpoint.ts';
import type { Checkpoint, StoredCheckpoint } from '#core/models/checkpoint.ts';
import { getPolicy, policyPath } from '#core/store/policies.ts';
import { loadTokenizer } from '#core/tokenizer/tokenizer.ts';
import type { Tokenizer } from '#core/tokenizer/tokenizer.ts';
import { projectsHere, withProject } from './project-option.ts';

export interface LoadedModel {
  folder: string;
  checkpoint: Checkpoint;
  tokenizer: Tokenizer;
}

/**
 * The folder or GGUF file of a model: with --project its name counts first, otherwise an existing folder does and needs
 * no project.
 */
export async function modelFolder(nameOrPath: string, project: string | null): Promise<string> {
  if (project === null && fs.existsSync(nameOrPath)) return path.resolve(nameOrPath);
  if (project === null && projectsHere().length === 0) {
    throw new TastemakerError(
      'bad-file',
      `There is no model ${path.resolve(nameOrPath)}.`,
      'Check the path, or name the project that knows the model with --project.',
    );
  }
  return withProject(project, { write: false }, (open) => {
    try {
      return policyPath(open, getPolicy(open, nameOrPath));
    } catch (error) {
      if (fs.existsSync(nameOrPath)) return path.resolve(nameOrPath);
      throw error;
    }
  });
}

export interface OpenedModel {
  folder: string;
  opened: StoredCheckpoint;
  tokenizer: Tokenizer;
}

/**
 * A model folder or GGUF file with its tokenizer, none of whose weights have been read. 'bad-model' where the tokenizer
 * writes ids that the model has no embedding for.
 */
export async function openModel(folder: string): Promise<OpenedModel> {
  const found = fs.statSync(folder, { throwIfNoEntry: false });
  if (!found?.isDirectory() && !(found && isGguf(folder))) {
    throw (
      otherCheckpoint(folder) ??
      new TastemakerError(
        'bad-file',
        `${folder} ${found ? 'is a file, not a model folder' : 'does not exist'}.`,
        'Name a folder with config.json, model.safetensors and tokenizer.json, or a GGUF file.',
      )
    );
  }
  const opened = openCheckpoint(folder);
  const tokenizer = await loadTokenizer(folder);
  const { vocabulary } = opened.architecture;
  if (tokenizer.vocabularySize > vocabulary) {
    throw new TastemakerError(
      'bad-model',
      `The tokenizer in ${folder} does not match the model: it has ${tokenizer.vocabularySize} tokens, the embedding has ${vocabulary} rows.`,
      'Copy tokenizer.json from the model these weights belong to.',
    );
  }
  return { folder, opened, tokenizer };
}

/** The same with its weights, for a model that must have this head; what its files hold besides is told. */
export async function loadModelWith(
  gives: 'scores' | 'words',
  nameOrPath: string,
  project: string | null,
  tell: (line: string) => void,
): Promise<LoadedModel> {
  const { folder, opened, tokenizer } = await openModel(await modelFolder(nameOrPath, project));
  opened.notes.forEach(tell);
  if (isScoreHead(opened.head) === (gives === 'scores'))
    return { folder, checkpoint: loadCheckpoint(folder), tokenizer };
  throw gives === 'scores'
    ? new TastemakerError(
        'bad-model',
        `${nameOrPath} is a language model; it gives no scores.`,
        `Name a reward model: a folder with a "${LINEAR.weight}", or one that \`tastemaker train reward\` made.`,
      )
    : new TastemakerError(
        'bad-model',
        `${nameOrPath} is a reward model; it cannot write or give log-probabilities.`,
        'Name a base model or a policy.',
      );
}
