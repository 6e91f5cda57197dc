// The process of one section: does its work and sends each figure to the check as it is found.

import { sentenceOf } from '#core/errors.ts';
import { SECTIONS } from './sections.ts';
import type { Context } from './context.ts';
import type { Row } from './results.ts';

/** What a section's process is told, as JSON. */
export interface Order extends Pick<Context, 'precision' | 'tiny' | 'on' | 'python'> {
  name: string;
  seconds: number;
}
/** What it says: all it has found so far; the last time, `done` and what went wrong. */
export interface Word {
  rows: Row[];
  notes: string[];
  done: boolean;
  problem: string | null;
}

const { name, seconds, ...order } = JSON.parse(process.argv[2] ?? '{}') as Order;
const until = performance.now() + 1000 * seconds;
const rows: Row[] = [];
const notes: string[] = [];
const say = (done = false, problem: string | null = null) =>
  new Promise<void>((resolve) => {
    const word: Word = { rows, notes, done, problem };
    if (process.send) process.send(word, () => resolve());
    else {
      process.stdout.write(`${JSON.stringify(word)}\n`);
      resolve();
    }
  });

process.once('disconnect', () => process.exit(1)); // whoever asked is gone
let problem: string | null = null;
try {
  const work = await SECTIONS.find((plan) => plan.name === name)!.load();
  await work({
    ...order,
    left: () => until - performance.now(),
    row: (row) => {
      const known = rows.findIndex(({ what }) => what === row.what);
      if (known < 0) rows.push(row);
      else rows[known] = row;
      return say();
    },
    note: (text) => void notes.push(text),
  });
} catch (error) {
  problem = sentenceOf(error);
}
await say(true, problem);
process.exit(0); // sessions that were left open must not hold it up
