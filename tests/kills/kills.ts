// Kills processes at random moments of their work, and says after each what was lost or left half made.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRandom } from '#core/random.ts';
import { createProject } from '#core/store/database.ts';
import { judge, KINDS, leftHalfMade, WORK } from './work.ts';
import type { Kind } from './work.ts';

export interface KindResult {
  kind: Kind;
  kills: number;
  /** processes that had ended before the kill came */ early: number;
  confirmed: number;
  problems: string[];
}

/** Lines that say that something is done. */
const CONFIRMS = new Set(['ranked', 'imported', 'made', 'exported', 'model', 'backup', 'step', 'migrated']);

interface Killed {
  said: string[][];
  early: boolean;
  errors: string;
}

const LONGEST_ORPHAN_MS = 15_000;

/**
 * What is left half made once all that was at work has ended: a killed process may have started others, which finish
 * their backup, or are runs that go on by themselves.
 */
async function leftBehind(folder: string): Promise<string[]> {
  for (const end = Date.now() + LONGEST_ORPHAN_MS; ; await sleep(100)) {
    const left = leftHalfMade(folder);
    if (left.length === 0 || Date.now() > end) return left;
  }
}

/** Starts the work and kills it `after` milliseconds from when it was ready. */
function killOne(kind: Kind, folder: string, seed: number, after: number): Promise<Killed> {
  return new Promise((done) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'worker.ts'), kind, folder, String(seed)],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, TASTEMAKER_HOME: join(folder, '..', 'home'), TASTEMAKER_THREADS: '1' },
      },
    );
    let output = '';
    let errors = '';
    let armed = false;
    let killed = false;
    child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      if (armed || !output.includes('ready\n')) return;
      armed = true;
      setTimeout(() => (killed = child.kill('SIGKILL')), after);
    });
    child.once('close', (_code, signal) => {
      const whole = output
        .slice(0, output.lastIndexOf('\n') + 1)
        .trim()
        .split('\n')
        .map((line) => line.split(' '));
      done({ said: whole, early: !killed || signal !== 'SIGKILL', errors });
    });
  });
}

/** `kills` of them, shared out among the kinds. */
export async function tryKills({
  kills,
  seed,
  kinds = KINDS,
  tell = () => {},
}: {
  kills: number;
  seed: number;
  kinds?: readonly Kind[];
  tell?: (line: string) => void;
}): Promise<KindResult[]> {
  const place = mkdtempSync(join(tmpdir(), 'kills-'));
  const random = createRandom(seed, 'kills');
  const results: KindResult[] = [];
  process.env.TASTEMAKER_HOME = join(place, 'home');
  try {
    for (const [k, kind] of kinds.entries()) {
      const parent = join(place, kind);
      const folder = join(parent, 'study.tastemaker');
      const said: string[][] = [];
      const result: KindResult = {
        kind,
        kills: Math.floor(kills / kinds.length) + Number(k < kills % kinds.length),
        early: 0,
        confirmed: 0,
        problems: [],
      };
      mkdirSync(parent, { recursive: true });
      for (let i = 0; i < result.kills; i++) {
        WORK[kind].layOut(folder, i > 0);
        const {
          said: now,
          early,
          errors,
        } = await killOne(kind, folder, seed * 1000 + i, random.uniform() * WORK[kind].within);
        if (early && errors.trim())
          result.problems.push(`kill ${i + 1}: it ended by itself: ${errors.trim().slice(-500)}`);
        result.early += Number(early);
        said.push(...now);
        const problems = judge(kind, folder, kind === 'migration' || kind === 'demo' ? now : said);
        problems.push(...(await leftBehind(folder)));
        if (kind === 'demo') problems.push(...leftBeside(parent).map((name) => `${name} was left beside it`));
        result.problems.push(...problems.map((problem) => `kill ${i + 1}: ${problem}`));
      }
      result.confirmed = said.filter(([word]) => CONFIRMS.has(word!)).length;
      tell(
        `${kind.padEnd(10)} ${String(result.kills).padStart(4)} kills (${result.early} came too late), ${String(result.confirmed).padStart(5)} confirmed, ${result.problems.length === 0 ? 'nothing lost, nothing half made' : `${result.problems.length} PROBLEMS`}`,
      );
      for (const problem of result.problems) tell(`  ${problem}`);
      results.push(result);
    }
  } finally {
    rmSync(place, { recursive: true, force: true, maxRetries: 5 });
  }
  return results;
}

/** What stands half made beside a project when the next one has been made there. */
function leftBeside(parent: string): string[] {
  const next = join(parent, 'next.tastemaker');
  createProject(next).close();
  rmSync(next, { recursive: true });
  return readdirSync(parent).filter((name) => name.startsWith('.'));
}
