// Whether a run would fit, and how long it would take: said before it starts, with three ways out where it would not.

import path from 'node:path';
import type { Config, Estimate } from '#core/contract/recipes.ts';
import { TastemakerError } from '#core/errors.ts';
import { readRegularText } from '#core/regular-file.ts';
import { modelsIn, readConfig } from '#core/recipes/settings.ts';
import { isPrepared } from '#core/runs/execute.ts';
import { readManifest } from '#core/recipes/manifest.ts';
import { runFolderOf } from '#core/store/run-folder.ts';
import { lastLines } from '#core/runs/new-lines.ts';
import { RECIPES } from '#core/recipes/table.ts';
import type { RecipeName } from '#core/recipes/table.ts';
import { bytesOf } from '#core/plans/memory.ts';
import type { RunBytes } from '#core/plans/memory.ts';
import { modelShape } from '#core/plans/model-shape.ts';
import type { Plan } from '#core/plans/plan.ts';
import { workOf } from '#core/plans/time.ts';
import { numbersAt } from '#core/recipes/parts/size-defaults.ts';
import { getPolicy, listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { listRuns } from '#core/store/runs.ts';
import type { Machine } from './machine.ts';
import { countedIn } from './recipe-facts.ts';
import type { Counted } from './recipe-facts.ts';
import { weightBytes } from './model-arrays.ts';
import { approximately } from '#core/contract/time-words.ts';

const TIGHT = 0.7; // of what is free
const EARLIER = 3; // runs of the same kind that the pace is taken from

/**
 * `given` may be incomplete, `counted` remembered from an earlier question. Where nothing tells the pace, `seconds` is
 * null. Throws where it names a model that is not there.
 */
export async function estimateRun(
  project: Project,
  machine: Machine,
  name: RecipeName,
  given: Config,
  counted: Counted = countedIn(project),
): Promise<Estimate> {
  const config = readConfig(RECIPES[name].settings, given);
  const fit = await fitOf(project, machine, name, config, counted);
  const { verdict, bytes, availableBytes, card, fixes, planFor } = fit;
  const workFor = (settings: Config) => workOf(planFor(settings));
  const pace = paceOf(project, name, workFor) ?? machine.pace;
  const seconds = pace === null ? null : workFor(config) / pace;
  const time =
    seconds === null ? 'how long it takes is known after the first run' : `and about ${approximately(seconds)}`;
  const shorter =
    seconds !== null && seconds > LONG
      ? shorterOf(project, name, config, seconds, (settings) => workFor(settings) / pace!)
      : [];
  return { verdict, bytes, availableBytes, card, fixes, seconds, sentence: `${taken(fit)}, ${time}.`, shorter };
}

/** From here on a run is announced, with what would make it shorter. */
const LONG = 1800; // seconds
const NOTICEABLE = 0.85;

/** What would make it noticeably shorter, the largest gain first, each with the time it would take then. */
function shorterOf(
  project: Project,
  recipe: RecipeName,
  config: Config,
  seconds: number,
  secondsFor: (config: Config) => number,
): string[] {
  const ways: { seconds: number; sentence: string }[] = [];
  const consider = (changes: Config, sentence: string): void => {
    const known = ((): number => {
      try {
        return secondsFor(readConfig(RECIPES[recipe].settings, { ...config, ...changes }));
      } catch {
        return Infinity; // out of its range
      }
    })();
    if (known < NOTICEABLE * seconds)
      ways.push({ seconds: known, sentence: `${sentence}: about ${approximately(known)}.` });
  };
  for (const [name, { time: what }] of Object.entries(RECIPES[recipe].settings)) {
    if (what === undefined) continue;
    const before = Number(config[name]);
    const after = Math.max(1, Math.floor(before / 2));
    if (before > after) consider({ [name]: after }, `${name} ${after} instead of ${before} (${what})`);
  }
  const small = smallerModel(project, config);
  if (small) consider({ policy: small.name }, `the smaller model “${small.name}”`);
  return ways
    .toSorted((a, b) => a.seconds - b.seconds)
    .slice(0, 4)
    .map(({ sentence }) => sentence);
}

const taken = ({ bytes, availableBytes, card, shared }: Fit): string =>
  card
    ? `It takes about ${gigabytes(card.bytes)} of the ${gigabytes(card.availableBytes)} that are free on the card and ${gigabytes(bytes)} of memory`
    : `It takes about ${gigabytes(bytes)} of the ${gigabytes(availableBytes)} that are free${shared ? `, ${gigabytes(shared)} of it for the graphics card` : ''}`;

interface Share {
  bytes: number;
  availableBytes: number;
}
/**
 * What a run takes of the machine's memory and of the card's own. `shared`: what a card takes whose memory nobody
 * tells, counted with the machine's.
 */
interface Shares extends Share {
  card: Share | null;
  shared: number;
}
const part = ({ bytes, availableBytes }: Share): number => (availableBytes > 0 ? bytes / availableBytes : Infinity);
/** The memory that is short first. */
const tighter = (shares: Shares): Share => (shares.card && part(shares.card) > part(shares) ? shares.card : shares);
const sharesOf = ({ host, device }: RunBytes, availableBytes: number, cardFreeBytes: number | null): Shares =>
  cardFreeBytes === null
    ? { bytes: host + device, availableBytes, card: null, shared: device }
    : { bytes: host, availableBytes, card: { bytes: device, availableBytes: cardFreeBytes }, shared: 0 };

interface Fit extends Shares, Pick<Estimate, 'verdict' | 'fixes'> {
  /** of complete settings */
  planFor(settings: Config): Plan;
}
/** The plans of a recipe here, by complete settings; texts have the lengths that `config`'s model gives them. */
export async function planner(
  project: Project,
  recipe: RecipeName,
  config: Config,
  counted: Counted = countedIn(project),
): Promise<(settings: Config) => Plan> {
  const facts = counted.facts();
  const lengths = await counted.lengths(String(config.policy ?? config.reward ?? '') || null);
  const model = (name: string) => modelShape(policyPath(project, getPolicy(project, name)));
  return (settings) => RECIPES[recipe].plan(settings, { facts, lengths, model });
}

async function fitOf(
  project: Project,
  { device, cardFreeBytes, availableBytes }: Machine,
  recipe: RecipeName,
  config: Config,
  counted: Counted,
): Promise<Fit> {
  const planFor = await planner(project, recipe, config, counted);
  const sharesFor = async (settings: Config) =>
    sharesOf(
      await bytesOf(planFor(settings), (names) => weightBytes(project, names), device),
      availableBytes,
      cardFreeBytes,
    );
  const shares = await sharesFor(config);
  const now = part(tighter(shares));
  const verdict = now > 1 ? 'wont-fit' : now > TIGHT ? 'tight' : 'fits';
  return {
    ...shares,
    verdict,
    planFor,
    fixes: verdict === 'fits' ? [] : await fixesOf(project, recipe, config, now, Math.min(now, TIGHT), sharesFor),
  };
}

/**
 * 'bad-argument' for a run that is sure not to fit, with three ways out. `config` may be incomplete; where what it
 * names is not there yet, nothing is said.
 */
export async function checkFits(
  project: Project,
  machine: Machine,
  recipe: RecipeName,
  given: Config,
  otherwise = '',
): Promise<void> {
  const config = readConfig(RECIPES[recipe].settings, given);
  // a run before it in the queue may still make its model
  const fit = await fitOf(project, machine, recipe, config, countedIn(project)).catch(() => null);
  if (fit?.verdict !== 'wont-fit') return;
  const short = tighter(fit);
  throw new TastemakerError(
    'bad-argument',
    `This run does not fit into ${short === fit.card ? "the card's memory" : 'memory'}: it takes about ${gigabytes(short.bytes)}, and ${gigabytes(short.availableBytes)} are free.`,
    [...fit.fixes, otherwise].filter(Boolean).join(' '),
  );
}

/** Work a second of the newest runs of this kind, each measured by what it did; null where there is none. */
function paceOf(project: Project, recipe: RecipeName, workOf: (config: Config) => number): number | null {
  const paces: number[] = [];
  for (const { id } of listRuns(project, { kind: recipe }).slice(0, 20)) {
    try {
      const folder = runFolderOf(project.folder, id);
      const line = lastLines(path.join(folder, 'metrics.jsonl'), 1)[0];
      if (line === undefined || !isPrepared(folder)) continue;
      const { step, seconds } = JSON.parse(line) as { step: number; seconds: number };
      const { config } = readManifest(folder);
      const complete = readConfig(RECIPES[recipe].settings, config);
      const total = totalSteps(folder);
      if (step > 0 && seconds > 0.2 && total > 0) paces.push((workOf(complete) * Math.min(1, step / total)) / seconds);
    } catch {
      // its model is gone, its settings are of an older version, or a link stands in the place of its folder
    }
    if (paces.length === EARLIER) break;
  }
  return paces.length ? paces.toSorted((a, b) => a - b)[Math.floor(paces.length / 2)]! : null;
}

function totalSteps(folder: string): number {
  try {
    return (
      JSON.parse(readRegularText(path.join(folder, 'heartbeat.json'), 100_000, { follow: false })) as { total: number }
    ).total;
  } catch {
    return 0;
  }
}

/** What leaves the run what it is comes first: fewer numbers that learn, fewer rows at once, and both. */
const GENTLE: readonly (readonly [Config, what: string])[] = [
  [{ tune: 'lora' }, 'adapters beside frozen weights'],
  [{ micro_batch: 1 }, 'one row at once, the same steps'],
  [{ tune: 'blocks', tuned_blocks: 2 }, 'only the last two blocks learn'],
  [{ tune: 'lora', micro_batch: 1 }, 'adapters beside frozen weights, one row at once'],
];
const HALVINGS = 4;

/**
 * Three ways out, each with what it would take then of the memory that is short: those that come down to `goal` of it
 * first, then those that come closest.
 */
async function fixesOf(
  project: Project,
  recipe: RecipeName,
  config: Config,
  now: number,
  goal: number,
  sharesFor: (config: Config) => Promise<Shares>,
): Promise<string[]> {
  const ways: { load: number; sentence: string }[] = [];
  const words = (shares: Shares) =>
    `about ${gigabytes(tighter(shares).bytes)}${tighter(shares) === shares.card ? ' on the card' : ''}`;
  const consider = async (changes: Config, what: string): Promise<number> => {
    const shares = await Promise.resolve()
      .then(() => sharesFor(readConfig(RECIPES[recipe].settings, { ...config, ...changes })))
      .catch(() => null); // out of its range
    if (!shares) return Infinity;
    const load = part(tighter(shares));
    const changed = Object.entries(changes).map(
      ([name, value]) => `${name} from ${String(config[name])} to ${String(value)}`,
    );
    if (load < 0.97 * now) ways.push({ load, sentence: `Set ${changed.join(' and ')} (${what}): ${words(shares)}.` });
    return load;
  };
  for (const [changes, what] of GENTLE) {
    const { tuned_blocks: _, ...asked } = changes;
    const applies = Object.entries(asked).every(
      ([name, value]) => name in config && config[name] !== value && !(name === 'tune' && config.tune !== 'full'),
    );
    if (applies && !(Object.keys(asked).length > 1 && ways.some(({ load }) => load <= goal)))
      await consider(changes, what);
  }
  const small = smallerModel(project, config);
  const shorter: typeof ways = [];
  const gentle = ways.splice(0);
  for (const [name, { memory }] of Object.entries(RECIPES[recipe].settings)) {
    if (!memory) continue;
    const { times, what } = memory;
    let after = Number(config[name]);
    for (let i = 0; i < HALVINGS; i++) {
      const next = Math.max(1, Math.floor(after * times));
      if (next === after) break;
      after = next;
      if (!((await consider({ [name]: after }, what)) > goal)) break;
    }
    const best = ways.splice(0).at(-1);
    if (best) shorter.push(best);
  }
  const sorted = (list: typeof ways) =>
    list.toSorted((a, b) => Number(a.load > goal) - Number(b.load > goal) || a.load - b.load);
  const fitting = [...gentle.filter(({ load }) => load <= goal), ...sorted(shorter).filter(({ load }) => load <= goal)];
  const rest = sorted([...gentle, ...shorter].filter(({ load }) => load > goal));
  const model =
    small === null
      ? 'Use a smaller model; the Models screen lists what each one takes.'
      : `Use the smaller model "${small.name}": ${words(await sharesFor({ ...config, policy: small.name }))}.`;
  return [
    ...[...fitting, ...rest].map(({ sentence }) => sentence).slice(0, 2),
    ...(modelsIn(RECIPES[recipe].settings).length ? [model] : []),
    'Close other programs, so that more memory is free.',
    'Run it on a machine with more memory: copy the project folder there.',
  ].slice(0, 3);
}

function smallerModel(project: Project, config: Config): { name: string } | null {
  if (config.policy === undefined) return null;
  const sized = listPolicies(project)
    .filter(({ kind }) => kind !== 'reward')
    .flatMap((policy) => {
      const size = numbersAt(policyPath(project, policy));
      return size === null ? [] : [{ name: policy.name, size }];
    });
  const own = sized.find(({ name }) => name === config.policy)?.size ?? 0;
  return sized.filter(({ size }) => size < own).sort((a, b) => b.size - a.size)[0] ?? null;
}

/** "840 MB" or "2.5 GB" */
export const gigabytes = (bytes: number): string =>
  bytes < 0.95e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
