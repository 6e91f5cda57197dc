// One look at the runs at work: what is new is taken in and told, what must go is ended, and what has gone is recorded.

import { sentenceOf } from '#core/errors.ts';
import { readStatus, writeStatus } from '#core/runs/ending.ts';
import type { Project } from '#core/store/project.ts';
import { getRun } from '#core/store/runs.ts';
import { REST_MS, takeInEnd } from './run-end.ts';
import type { EndOptions } from './run-end.ts';
import { UNPROVEN } from './run-process.ts';
import type { RunAtWork } from './runs-at-work.ts';

const DATA_NEWS_MS = 2000;
/** after this long, what could not be ended is tried again */
const AGAIN_MS = 10_000;

export interface LookOptions extends EndOptions {
  /** after this long a run that is to end and does not is ended by force */
  killAfterMs: number;
  /** told when a run is over, however it went, or left to the next opening */
  over(): void;
}

export interface Looks {
  /** Looks at every run at work. */
  look(): void;
  /** Resolves when every end that was begun has been taken in, or left to the next opening. */
  settled(): Promise<unknown>;
}

/** What goes wrong with one look must end neither the service nor the run: it is said, and tried again at its end. */
function guarded(at: RunAtWork, work: () => number): number {
  try {
    return work();
  } catch (error) {
    at.problem = `Something it wrote could not be taken in: ${sentenceOf(error)}`;
    return 0;
  }
}

/** Goes on taking in what was drawn, with rests in between for whoever is labelling. */
function takeMore(at: RunAtWork, closing: AbortSignal): void {
  at.tookIn = true;
  if (at.taking) return;
  at.taking = true;
  setTimeout(() => {
    at.taking = false;
    if (!closing.aborted && !at.ending && guarded(at, at.watch.takeIn) > 0) takeMore(at, closing);
  }, REST_MS).unref();
}

/**
 * After some time to go by itself; asking who it is may take a second, so what could not be ended is not tried at
 * every look.
 */
function endByForce(at: RunAtWork, killAfterMs: number): void {
  at.killAt ??= Date.now() + killAfterMs;
  if (Date.now() <= at.killAt || at.watch.kill()) return;
  at.problem = UNPROVEN;
  at.killAt = Date.now() + AGAIN_MS;
}

export function createLooks(project: Project, options: LookOptions): Looks {
  const { runs, emit, closing, killAfterMs, over } = options;
  const endings = new Set<Promise<void>>();

  function end(at: RunAtWork): void {
    const ending = takeInEnd(project, at, options).then(over);
    endings.add(ending);
    void ending.finally(() => endings.delete(ending));
  }

  function lookAt(at: RunAtWork): void {
    const { watch } = at;
    if (at.ending) return;
    if (guarded(at, watch.look) > 0) takeMore(at, closing);
    if (at.tookIn && Date.now() - at.dataNewsAt > DATA_NEWS_MS) {
      at.dataNewsAt = Date.now();
      at.tookIn = false;
      emit('data.changed', {});
    }
    const { status } = getRun(project, watch.id);
    const alive = watch.alive();
    const hasEnded = readStatus(watch.folder) !== null; // then it has nothing left to do but to go
    if (alive && (hasEnded || status === 'cancelling')) endByForce(at, killAfterMs);
    if (alive) return void runs.tell(watch.id, false);
    if (!hasEnded) {
      // it died without a word of its own
      if (status === 'cancelling') writeStatus(watch.folder, 'cancelled');
      else writeStatus(watch.folder, 'failed', { error: watch.lastWords() });
    }
    end(at);
  }

  return {
    look: () => {
      for (const at of runs.all()) {
        try {
          lookAt(at);
        } catch (error) {
          runs.giveUp(at.watch.id, sentenceOf(error)); // its end could not be written into its folder
        }
      }
    },
    settled: () => Promise.allSettled(endings),
  };
}
