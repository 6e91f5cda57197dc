// Probes: minimal edits of answers by which one sees what reward models pay for; the calls about them.

import * as v from 'valibot';
import { call } from './call.ts';
import type { Saved } from './desk.ts';
import type { PriceInterval } from './findings.ts';
import type { Fault } from './messages.ts';
import { id, short } from './schemas.ts';

/** How a score should move by an edit, as people think: up, down, or hardly at all. */
export type ProbeExpected = 'rise' | 'fall' | 'same';

/** A kind of edit, and what may be set of it. */
export interface ProbeKindRow {
  kind: string;
  title: string;
  fields: { name: string; kind: 'text' | 'share'; title: string; sentence: string; default: string | number }[];
}

export interface ProbeRow {
  id: number;
  kind: string;
  values: Record<string, string | number>;
  /** what is done to an answer */
  sentence: string;
  expected: ProbeExpected | null;
}

export interface ProbedModel {
  modelId: number;
  name: string;
  /** 'held': it is measured when a person says so, for it would take long; 'failed': see `fault` */
  state: 'measured' | 'measuring' | 'waiting' | 'held' | 'failed';
  /** scores there are, of all */
  done: number;
  total: number;
  fault: Fault | null;
  /** what one should know of its numbers, a sentence each */
  notes: string[];
}

/** What a probe measured under a reward model. */
export interface ProbeCell {
  probeId: number;
  modelId: number;
  /** answers that were scored as written and as edited */
  n: number;
  /** mean of score edited − original with its 95 % interval, clustered by prompt; null of too few prompts */
  difference: PriceInterval | null;
  /** share that moved the wrong way, with its 95 % interval; null where nobody said which that is, or of too few */
  wrong: { share: number; low: number; high: number } | null;
}

export interface ProbeTable {
  probes: ProbeRow[];
  models: ProbedModel[];
  cells: ProbeCell[];
  /** what they are measured on: answers, one a prompt of one split, drawn by a seed */
  samples: { count: number; split: 'train' | 'validation'; seed: number; writers: string[] };
  kinds: ProbeKindRow[];
}

/** One answer of a cell. */
export interface ProbedSample {
  completionId: number;
  promptId: number;
  prompt: string;
  text: string;
  edited: string;
  original: number;
  score: number;
  /** it moved the way it should not; null where nobody said which that is */
  wrong: boolean | null;
}

export interface ProbedSamples {
  /** what moved most the wrong way first; where nobody said which that is, what rose most */
  samples: ProbedSample[];
  /** answers that the edit does not apply to, or makes longer than the model reads */
  leftOut: number;
}

export interface ProbeAdded {
  probeId: number;
  sentence: string;
  /** false: it was there already */
  isNew: boolean;
  /** to how many of the answers it can be done, of all */
  applies: number;
  of: number;
}

const expected = v.nullable(v.picklist(['rise', 'fall', 'same']));

export const PROBE_CALLS = {
  'probes.table': call<ProbeTable>('again')({}),
  'probes.samples': call<ProbedSamples>('again')({ probeId: id, modelId: id }),
  /**
   * A kind of edit with its values, what is left out by default; one that is there already is that one. It is measured
   * under every reward model.
   */
  'probes.add': call<ProbeAdded>('again')({
    kind: v.pipe(v.string(), v.regex(/^[a-z-]{1,40}$/)),
    values: v.record(short, v.union([v.string(), v.number()])),
    expected,
  }),
  'probes.expect': call<Saved>('again')({ probeId: id, expected }),
  'probes.remove': call<Saved>('once')({ probeId: id }),
  /** Measures a model that waits to be told so, or tries again what failed. */
  'probes.measure': call<Saved>('again')({ modelId: id }),
} as const;
