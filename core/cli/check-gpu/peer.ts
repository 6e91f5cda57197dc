// Asks the Python side for its figure of the same work; what it cannot say becomes a sentence, never a failure of ours.

import path from 'node:path';
import { askProgram } from '#core/hardware/ask-program.ts';
import type { Row } from './results.ts';
import type { Context } from './context.ts';

export type PeerAnswer = Readonly<Record<string, number | string | undefined>> & { error?: string };

/** Runs peer.py with `words`; at most `timeout` milliseconds. Never throws. */
export async function askPeer(python: string, words: readonly string[], timeout: number): Promise<PeerAnswer> {
  if (timeout < 1000) return { error: 'No time was left for PyTorch.' };
  const { outcome, stdout, stderr } = await askProgram(python, [path.join(import.meta.dirname, 'peer.py'), ...words], {
    timeout,
  });
  if (outcome === 'absent') return { error: `There is no ${python} here.` };
  if (outcome === 'slow')
    return { error: `PyTorch did not finish in the ${Math.round(timeout / 1000)} s that were left.` };
  try {
    return JSON.parse(stdout.trim()) as PeerAnswer;
  } catch {
    return {
      error: `PyTorch's side ended without an answer: ${stderr.trim().split('\n').at(-1) ?? 'it printed nothing'}`,
    };
  }
}

/** A figure beside the peer's. `goal`: how many times as fast as the peer it shall be. */
export async function rowBesidePeer(
  { python, precision, tiny, row, note, left }: Context,
  figure: Pick<Row, 'what' | 'value' | 'unit'> & { value: number },
  goal: number,
  words: readonly string[],
  better: 'less' | 'more',
): Promise<void> {
  const wanted = `≥ ${goal} × the peer`;
  const alone: Row = { ...figure, goal: wanted, ok: null };
  await row(alone); // ours stays, whatever becomes of the peer
  const answer = await askPeer(python, [...words, precision, tiny ? 'cpu' : 'cuda'], left() - 1000);
  const theirs = answer.value;
  if (typeof theirs !== 'number') return note(answer.error ?? 'PyTorch gave no figure.');
  const times = better === 'less' ? theirs / figure.value : figure.value / theirs;
  note(`Compared with ${answer.peer}.`);
  await row({ ...alone, peer: theirs, times, ok: tiny ? null : times >= goal });
}
