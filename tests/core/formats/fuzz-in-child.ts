// A process that opens damaged files one after another and says of each bad outcome what it was; whoever started it
// sees it crash or hang.
//
// node fuzz-in-child.ts FOLDER FIRST END: cases FIRST to END - 1. FOLDER/at holds the number of the case under way;
// each line
// printed is a case that ended in neither success nor a good sentence, and the last one the totals.
import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { createRandom } from '#core/random.ts';
import { makeSubjects } from './fuzz-subjects.ts';

const MORE = 64e6; // bytes beside four times the file
const SLOW = 1000; // ms of computing; the clock on the wall counts other programs too

// what is asked for counts, whether or not it is then touched
let asked = 0;
const counted = <T extends new (...args: never[]) => object>(kind: T, each: number) =>
  new Proxy(kind, {
    construct: (target, args: unknown[], newTarget) => {
      if (typeof args[0] === 'number') asked += args[0] * each;
      return Reflect.construct(target, args, newTarget) as object;
    },
  });
Object.assign(globalThis, {
  Uint8Array: counted(Uint8Array, 1),
  Float32Array: counted(Float32Array, 4),
  Int32Array: counted(Int32Array, 4),
  Float64Array: counted(Float64Array, 8),
  ArrayBuffer: counted(ArrayBuffer, 1),
});
const alloc = Buffer.alloc;
Buffer.alloc = ((size: number, ...rest: []) => {
  asked += size;
  return alloc(size, ...rest);
}) as typeof alloc;

const [folder, first, end] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const subjects = makeSubjects(folder);
const kinds = Object.keys(subjects) as (keyof typeof subjects)[];
const at = fs.openSync(path.join(folder, 'at'), 'w');
const totals = { cases: 0, opened: Object.fromEntries(kinds.map((kind) => [kind, 0])), slowest: 0, largest: 0 };

/** What is wrong with an error as a sentence for a user; null where nothing is. */
function fault(error: unknown, file: string): string | null {
  if (!(error instanceof TastemakerError))
    return `not a sentence: ${error instanceof Error ? error.stack : String(error)}`;
  const { message, hint } = error;
  if (message.length > 1000 || /\n/.test(message)) return `not one sentence: ${message.slice(0, 300)}`;
  if (!message.includes(path.basename(file)) && !message.includes(path.basename(path.dirname(file))))
    return `names neither field nor file: ${message}`;
  return hint === '' ? `has no hint: ${message}` : null;
}

for (let i = first; i < end; i++) {
  const kind = kinds[i % kinds.length]!;
  const { hurt, open } = subjects[kind];
  fs.writeSync(at, `${i} ${kind}`.padEnd(40), 0);
  const file = hurt(createRandom(1, `case ${i}`));
  const { size } = fs.statSync(file);
  asked = 0;
  const before = process.memoryUsage();
  const peak = process.resourceUsage().maxRSS * 1024;
  const started = process.cpuUsage();
  let wrong: string | null = null;
  try {
    await open();
    totals.opened[kind]!++;
  } catch (error) {
    wrong = fault(error, file);
  }
  const { user, system } = process.cpuUsage(started);
  const took = (user + system) / 1000;
  const after = process.resourceUsage().maxRSS * 1024;
  const grown = Math.max(
    asked,
    process.memoryUsage().arrayBuffers - before.arrayBuffers,
    after > peak ? after - before.rss : 0,
  );
  if (took > SLOW) wrong ??= `took ${Math.round(took)} ms`;
  if (grown > size * 4 + MORE) wrong ??= `took ${Math.round(grown / 1e6)} MB for a file of ${size} bytes`;
  totals.cases++;
  totals.slowest = Math.max(totals.slowest, took);
  totals.largest = Math.max(totals.largest, grown);
  if (wrong !== null) {
    console.log(JSON.stringify({ case: i, kind, wrong }));
    fs.copyFileSync(file, path.join(folder, `case-${i}-${path.basename(file)}`));
  }
}
console.log(JSON.stringify(totals));
