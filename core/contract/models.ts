// Models with their lineage, what was found in the files of one, which ones are current; the calls about them.

import * as v from 'valibot';
import type { Saved } from './desk.ts';
import { call } from './call.ts';
import { id, short } from './schemas.ts';

export type PolicyKind = 'base' | 'policy' | 'reward';

/** A model the project knows: a base model, a tuned policy or a reward model, with its lineage. */
export interface Policy {
  id: number;
  name: string;
  kind: PolicyKind;
  /** relative to the project folder when inside it */
  path: string;
  parentId: number | null;
  runId: string | null;
  createdAt: number;
}

export interface ModelRow extends Policy {
  folder: string;
  parentName: string | null;
  family: string | null;
  parameters: number | null;
  bytes: number;
  completions: number;
  /** 'policy' to sample and tune from, 'reward' to score with */
  current: 'policy' | 'reward' | null;
  problem: string | null;
  /** at which step of how many its run wrote these very weights; null where that is not known */
  step: number | null;
  steps: number | null;
  /** kept on the way, because they did best */
  best: boolean;
  /** it has a chat template */
  chat: boolean;
}

export interface ModelVerdict {
  path: string;
  ok: boolean;
  sentence: string;
  hint: string | null;
  kind: PolicyKind | null;
  family: string | null;
  parameters: number | null;
  bytes: number;
  /** what it takes once loaded: 4 bytes a parameter and what the program needs beside */
  memoryBytes: number | null;
  /** how most of its numbers are packed: F32, BF16, Q4_K … */
  packing: string | null;
  /** of an adapter: the model that it sits on, by its place, or by the name it gives where it is not there */
  base: string | null;
  licence: string | null;
  /** the first lines of its licence file */
  licenceText: string | null;
  /** how it wants its texts, and how a reward model is read, a sentence each */
  conventions: string[];
  /** what was found and is not as one would expect, a sentence each */
  notes: string[];
  files: { name: string; bytes: number; ok: boolean; sentence: string }[];
}

export interface LineageStep {
  name: string;
  /** "base model", "fine-tuned" */
  what: string;
  sentence: string;
  modelId: number | null;
  runId: string | null;
}

/**
 * A model that acts where none is named: who chose it and why ("because …"). `proposal`: a newer one, which a person
 * may take.
 */
export interface Current {
  modelId: number | null;
  name: string | null;
  by: 'person' | 'rule';
  reason: string;
  proposal: {
    modelId: number;
    name: string;
    sentence: string;
    /** nothing speaks against it: it may be offered beside what acts now */
    sound: boolean;
  } | null;
}

export interface CurrentModels {
  policy: Current;
  reward: Current;
  /** why the scores of the reward model say nothing, in a sentence; null where nothing speaks against them */
  doubt: string | null;
}

/** So many of a removed model's measures come back with it; writing down more would hold up the service. */
export const MOST_KEPT_MEASURES = 50_000;

export const MODEL_CALLS = {
  'models.list': call<ModelRow[]>('again')({}),
  'models.look': call<{ verdicts: ModelVerdict[] }>('again')({ path: short }),
  'models.add': call<ModelRow>('once')({ path: short, name: short, copy: v.boolean() }),
  'models.rename': call<ModelRow>('once')({ modelId: id, name: short }),
  /** `lost`: how many of its measures do not come back when it is taken back */
  'models.remove': call<Saved & { lost: number }>('once')({ modelId: id }),
  'models.lineage': call<{ steps: LineageStep[] }>('again')({ modelId: id }),
  /**
   * What this model can be written as; `problem` says why a format does not fit it, `bytes` about how large the weights
   * will be.
   */
  'models.formats': call<{
    formats: { name: string; title: string; sentence: string; problem: string | null; bytes: number }[];
  }>('again')({ modelId: id }),
  /**
   * Writes the model into a folder of its own, whole or not at all: `folder` itself, or one named after the model where
   * `folder` is there.
   */
  'models.export': call<{ path: string; bytes: number }>('once')({ modelId: id, folder: short, format: short }),
} as const;
