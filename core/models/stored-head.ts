// Which head a model folder has: what config.json says it is, what the weights hold under the names that programs give
// it, and that both agree.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import type { Settings } from '#core/formats/settings.ts';
import { joinedWeights, openWeights } from '#core/formats/sharded-safetensors.ts';
import type { Weights } from '#core/formats/sharded-safetensors.ts';
import { HEADS, LINEAR, SCORE_HEAD_NAMES } from './heads.ts';
import type { HeadName, ScoreHeadName } from './heads.ts';

/** LlamaFactory keeps the head of a reward model in this file beside the weights, under TRL's names. */
export const HEAD_FILE = 'value_head.safetensors';
const TRL_HEAD = 'v_head.summary';
const HEAD_KEY = 'tastemaker_head';
const PICKLED_HEADS = ['value_head.bin', 'value_head.pt', 'v_head.bin', 'rm_head.bin'];
const SCORE = 'score';
const NOT_CHANGED = (tensor: string): string => tensor;
const OPENRLHF_HEAD = 'value_head';

export interface ScoreHead {
  name: ScoreHeadName;
  /** what the files call one of its tensors */
  inFile(tensor: string): string;
  /** where it was read, for a person */
  from: string;
}

/** Other heads that transformers puts on a trunk, by the end of the class. */
const OTHER_CLASSES =
  /(ForTokenClassification|ForQuestionAnswering|ForMultipleChoice|DoubleHeadsModel|ForMaskedLM|ForConditionalGeneration|ForImageTextToText)$/;
export const isClassifier = (classes: readonly string[]): boolean =>
  classes.some((name) => name.endsWith('ForSequenceClassification'));

/** "architectures" of config.json. 'bad-model' for a class whose head is neither a language model's nor a score. */
export function classesOf(config: Settings): readonly string[] {
  const classes = config.texts('architectures', { orNull: true }) ?? [];
  const other = classes.find((name) => OTHER_CLASSES.test(name));
  if (other !== undefined)
    config.refuse(
      'architectures',
      `says ${JSON.stringify(other)}, whose head is not read`,
      'What works: a language model (…ForCausalLM) or a reward model (…ForSequenceClassification with one label).',
    );
  return classes;
}

/** The weights of a folder with what lies in a head's file beside them. */
export function withHeadFile(folder: string, stored: Weights): Weights {
  const file = path.join(folder, HEAD_FILE);
  const pickled = PICKLED_HEADS.find((name) => fs.existsSync(path.join(folder, name)));
  if (fs.existsSync(file)) return joinedWeights(stored, openWeights(file));
  if (pickled !== undefined)
    throw new TastemakerError(
      'bad-model',
      `${folder} holds a head in ${pickled}, a pickle that is not opened.`,
      `Save it as ${HEAD_FILE} where it was made (LlamaFactory: save_safetensors: true), or take it away to use the model without it.`,
    );
  return stored;
}

/**
 * The scalar head among the weights, or null where they hold a language model alone: "score" (transformers), what
 * "value_head_prefix" says or "value_head" (OpenRLHF), "v_head.summary" (TRL; LlamaFactory in a file of its own).
 * 'bad-model' where there are two, or none and config.json says that the model is a classifier.
 */
export function scoreHeadOf(folder: string, config: Settings, stored: Weights): ScoreHead | null {
  const prefix = config.text('value_head_prefix', { orNull: true });
  const classes = classesOf(config);
  const ours = ownHead(config);
  if (ours !== null) return { name: ours, inFile: NOT_CHANGED, from: `${HEAD_KEY} ${ours}` };
  const found = [...new Set([SCORE, prefix ?? OPENRLHF_HEAD, TRL_HEAD])].filter((name) => stored.has(`${name}.weight`));
  if (found.length > 1)
    throw new TastemakerError(
      'bad-model',
      `${folder} holds two heads that give scores, ${found.map((name) => `"${name}.weight"`).join(' and ')}.`,
      'Keep the one that the model was trained with.',
    );
  const [called] = found;
  if (called === undefined) {
    if (isClassifier(classes))
      throw new TastemakerError(
        'bad-model',
        `${config.file} says that the model is ${JSON.stringify(classes.find((name) => name.endsWith('ForSequenceClassification')))}, but the weights hold no head: there is no "score.weight".`,
        'The folder holds only a part of a model: export it again with its head.',
      );
    return null;
  }
  if (isClassifier(classes) || called === SCORE) checkOneLabel(config);
  const beside = called === TRL_HEAD && fs.existsSync(path.join(folder, HEAD_FILE));
  return {
    name: 'linear',
    inFile: (tensor) => tensor.replace(SCORE, called),
    from: `"${called}.weight"${beside ? ` in ${HEAD_FILE}` : ''}`,
  };
}

/** The head that no other program has, as settings of ours name it; null where they name none. */
export function ownHead(config: Settings): ScoreHeadName | null {
  const names = SCORE_HEAD_NAMES.filter((name) => HEADS[name].elsewhere !== true);
  return config.oneOf(HEAD_KEY, names, { orNull: true }) ?? null;
}
/** What config.json and adapter_config.json say of such a head. */
export const headKey = (name: HeadName): Record<string, string> =>
  HEADS[name].elsewhere === true ? {} : { [HEAD_KEY]: name };

/** A score is one number: 'bad-model' where config.json speaks of several labels. */
function checkOneLabel(config: Settings): void {
  const labels = config.whole('num_labels', { orNull: true });
  const names = config.object('id2label', { orNull: true });
  if (labels !== undefined && labels !== 1)
    config.refuse('num_labels', `is ${labels}`, 'What works is a reward model: a classifier with one label.');
  if (names && names.keys().length !== 1)
    config.refuse(
      'id2label',
      `names ${names.keys().length} labels`,
      'What works is a reward model: a classifier with one label.',
    );
}

/** What OpenRLHF's scores are scaled by, where config.json says so. */
export function scalingOf(config: Settings): { mean: number; deviation: number } | undefined {
  const scaled = config.flag('normalize_reward', { orNull: true }) ?? false;
  const mean = config.number('mean', { orNull: true });
  const deviation = config.number('std', { orNull: true });
  if (!scaled) return undefined;
  if (mean === undefined) return config.refuse('mean', 'is missing, though "normalize_reward" is true');
  return deviation !== undefined && deviation > 0
    ? { mean, deviation }
    : config.refuse(
        'std',
        deviation === undefined
          ? 'is missing, though "normalize_reward" is true'
          : `is ${deviation}, not a number above 0`,
      );
}

/** Whether a tensor of ours, `inFile` in its file, is the weight of transformers' own head, or PEFT's copy of it. */
export const isTransformersHead = (name: string, inFile: string): boolean =>
  name === LINEAR.weight && /(^|\.)score\.(modules_to_save\.\w+\.)?weight$/.test(inFile);

/** What PEFT and TRL call a tensor of the linear head in an adapter, by our name; another name as it is. */
export const withoutWrapping = (name: string): string =>
  name.replace(/^score\.modules_to_save\.default\./, `${SCORE}.`).replace(/^v_head\.summary\./, `${SCORE}.`);
