// Measures the probes of a project under each of its reward models, by itself and in the background: the finder is
// asked for a few answers at a time, so that whoever waits for it comes in between, and then rests.
//
// What is measured is in the database, a portion at a time: closed or killed, it goes on at the next opening.

import { setTimeout as rest } from 'node:timers/promises';
import type { Fault } from '#core/contract/messages.ts';
import type { Policy } from '#core/contract/models.ts';
import { sentenceOf, shownError, TastemakerError } from '#core/errors.ts';
import { readProbes, weightsNow } from '#core/inspection/probe-table.ts';
import type { Standing } from '#core/inspection/probe-table.ts';
import { modelStamp } from '#core/inspection/model-stamp.ts';
import type { Context, Emit } from '#core/service/handlers.ts';
import type { OpenProject } from '#core/service/session.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import { keepProbed, probeSamples, probeScores } from '#core/store/probes.ts';
import type { Project } from '#core/store/project.ts';
import { modelRows } from './models.ts';

/** What it works with: the open project and who answers for it. */
export type Prober = Pick<Context, 'project' | 'finder' | 'runs' | 'closing' | 'emit'>;

export const proberOf = ({ project, finder, runs, closing }: OpenProject, emit: Emit): Prober => ({
  project,
  finder,
  runs,
  closing: closing.signal,
  emit,
});

/** After what made it necessary, so that what a person does at that moment comes first. */
const SOON_MS = 3000;
/** Parameters from which a model is measured only when a person says so: it would take a processor an hour and more. */
const LARGE = 500e6;
/** Texts of the first question; later ones take about as long as this. */
const FIRST = 16;
const MOST = 1024;
const PORTION_MS = 1500;
/** It rests as many times as long as it has worked, more beside a run. */
const RESTS = { idle: 0.5, beside: 3 };

interface Probing {
  timer: NodeJS.Timeout | undefined;
  atWork: boolean;
  /** the model that is measured now */
  modelId: number | null;
  /** large models that a person asked for */
  wished: Set<number>;
  /** why a model could not be measured, as long as its files are as they were */
  faults: Map<number, { stamp: string; fault: Fault }>;
}
const probings = new WeakMap<Project, Probing>();
function probingOf(project: Project): Probing {
  const known = probings.get(project);
  if (known) return known;
  const made: Probing = { timer: undefined, atWork: false, modelId: null, wished: new Set(), faults: new Map() };
  probings.set(project, made);
  return made;
}

/** Looks in a moment whether a reward model lacks scores, and measures those that do. */
export function probeSoon(prober: Prober, afterMs = SOON_MS): void {
  const probing = probingOf(prober.project);
  clearTimeout(probing.timer);
  probing.timer = setTimeout(() => void measureAll(prober, probing), afterMs).unref();
}

/** Measures a model however large it is, also one that failed. */
export function measureNow(prober: Prober, modelId: number): void {
  const probing = probingOf(prober.project);
  probing.wished.add(modelId);
  probing.faults.delete(modelId);
  prober.emit('probes.changed', {});
  probeSoon(prober, 0);
}

/** How the reward models stand that are not measured whole. */
export function standingsOf(project: Project): (policy: Policy) => Standing {
  const { atWork, modelId, wished, faults } = probingOf(project);
  const sizes = new Map(modelRows(project).map(({ id, parameters }) => [id, parameters]));
  return (policy) => {
    const failed = faults.get(policy.id);
    if (atWork && modelId === policy.id) return { state: 'measuring', fault: null };
    if (failed?.stamp === modelStamp(policyPath(project, policy))) return { state: 'failed', fault: failed.fault };
    const isHeld = (sizes.get(policy.id) ?? 0) > LARGE && !wished.has(policy.id);
    return { state: isHeld ? 'held' : 'waiting', fault: null };
  };
}

/** Whether it lacks a score, or answers could still be drawn. */
function lacks(project: Project, policy: Policy): boolean {
  const weights = weightsNow(project, policy);
  const samples = probeSamples(project).length;
  if (!weights || samples === 0) return true;
  return probeScores(project, weights.hash).length < samples * readProbes(project).length;
}

const faultOf = (error: unknown): Fault =>
  error instanceof TastemakerError
    ? shownError(error)
    : {
        code: 'crash',
        message: `Its probes could not be measured: ${sentenceOf(error)}`,
        hint: 'Try again; if it happens again, please report this line.',
      };

async function measureAll(prober: Prober, probing: Probing): Promise<void> {
  const { project, closing } = prober;
  if (probing.atWork || closing.aborted) return;
  probing.atWork = true;
  try {
    const tried = new Set<number>();
    while (!closing.aborted) {
      const standing = standingsOf(project);
      const next = listPolicies(project, { kind: 'reward' }).find(
        (policy) => !tried.has(policy.id) && standing(policy).state === 'waiting' && lacks(project, policy),
      );
      if (!next) break;
      tried.add(next.id);
      probing.modelId = next.id;
      await measure(prober, probing, next);
    }
  } finally {
    [probing.atWork, probing.modelId] = [false, null];
  }
  if (!closing.aborted) prober.emit('probes.changed', {});
}

async function measure(prober: Prober, { faults }: Probing, policy: Policy): Promise<void> {
  const { project, finder, runs, closing, emit } = prober;
  const stamp = modelStamp(policyPath(project, policy));
  for (let most = FIRST, left = 1; left > 0 && !closing.aborted;) {
    const began = performance.now();
    try {
      const found = await finder.ask('probeScores', { projectFolder: project.folder, modelId: policy.id, most });
      if (closing.aborted) return;
      keepProbed(project, found);
      left = found.left;
    } catch (error) {
      if (closing.aborted) return; // whoever opens it next goes on
      faults.set(policy.id, { stamp, fault: faultOf(error) });
      left = 0;
    }
    emit('probes.changed', {});
    const took = performance.now() - began;
    most = Math.max(FIRST, Math.min(MOST, took < PORTION_MS / 2 ? 2 * most : took > 2 * PORTION_MS ? most / 2 : most));
    if (left > 0) await rest(took * (runs.busy() ? RESTS.beside : RESTS.idle), null, { ref: false });
  }
}
