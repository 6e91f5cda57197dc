// `tastemaker inspect probes`: what reward models pay for minimal edits of a project's answers; probes are added, taken
// away and told what to expect.

import { differenceWords, EXPECTED, samplesSentence, stateWords, wrongWords } from '#core/contract/probe-words.ts';
import type { Fault } from '#core/contract/messages.ts';
import type { Policy } from '#core/contract/models.ts';
import type { ProbeExpected, ProbeTable } from '#core/contract/probes.ts';
import { shownError, TastemakerError } from '#core/errors.ts';
import { PROBE_KINDS, probeKind, probeSentence, readProbe } from '#core/findings/probe-edits.ts';
import { createHeldModels } from '#core/inspection/held-models.ts';
import { probeScores } from '#core/inspection/probe-scores.ts';
import { countApplying, probedSamples, probeTable } from '#core/inspection/probe-table.ts';
import { getPolicy, listPolicies } from '#core/store/policies.ts';
import { addProbe, expectOfProbe, keepProbed, removeProbe, requireProbe } from '#core/store/probes.ts';
import { onOneLine } from '#core/store/printable.ts';
import type { Project } from '#core/store/project.ts';
import { defineCommand, list, oneOf, readPairs, text, wholeNumber } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { table } from './table.ts';

const bad = (message: string, hint: string, atCommandLine = ''): TastemakerError =>
  new TastemakerError('bad-argument', message, hint, atCommandLine);

const KIND_HELP = PROBE_KINDS.map((kind) => {
  const names = Object.keys(probeKind(kind).fields);
  return names.length > 0 ? `${kind} (${names.join(', ')})` : kind;
}).join(', ');

interface Asked {
  add: string | null;
  set: readonly string[];
  expect: ProbeExpected | null;
  probe: number | null;
  remove: number | null;
}

/** Changes the list of probes as asked; says what was done. */
function change(project: Project, { add, set, expect, probe, remove }: Asked): string[] {
  if (remove !== null) {
    removeProbe(project, remove);
    return [`Probe ${remove} is out of the project.`];
  }
  if (add !== null) return addAsked(project, { add, set, expect });
  if (expect === null) return [];
  if (probe === null)
    throw bad('Nothing says of which probe that is expected.', 'Name the probe.', 'Use --probe ID, or --add.');
  expectOfProbe(project, probe, expect);
  return [`Of probe ${probe} it is said that scores ${EXPECTED[expect]}.`];
}

function addAsked(project: Project, { add, set, expect }: Pick<Asked, 'set' | 'expect'> & { add: string }): string[] {
  const read = readProbe(add, valuesIn(add, readPairs(set, 'set')));
  if ('problem' in read)
    throw bad(read.problem, 'Change what is asked for.', `Kinds with what --set takes: ${KIND_HELP}.`);
  const id = addProbe(project, { kind: read.kind, parameters: { ...read.values }, expected: expect });
  const { applies, of } = countApplying(project, read);
  return [`Probe ${id}: ${probeSentence(read)}. It applies to ${applies} of ${of} answers.`];
}

/** Shares are numbers; what is none stays a text, and is refused as such. */
function valuesIn(kind: string, pairs: Readonly<Record<string, string>>): Record<string, string | number> {
  const known = PROBE_KINDS.find((one) => one === kind);
  const fields = known ? probeKind(known).fields : {};
  return Object.fromEntries(
    Object.entries(pairs).map(([name, value]) => [name, fields[name]?.kind === 'share' ? Number(value) : value]),
  );
}

/** Measures what these reward models lack; the faults of those that could not be. Throws where none could. */
async function measure(project: Project, rewards: readonly Policy[]): Promise<Map<number, Fault>> {
  const models = createHeldModels({ limit: Infinity });
  const faults = new Map<number, Fault>();
  for (const { id } of rewards)
    try {
      keepProbed(project, await probeScores(models, { projectFolder: project.folder, modelId: id, most: Infinity }));
      await models.answered();
    } catch (error) {
      if (!(error instanceof TastemakerError) || rewards.length === 1) throw error;
      faults.set(id, shownError(error));
    }
  return faults;
}

/** The reward models that are meant. 'bad-argument' where there are none, or it is none. */
function rewardsOf(project: Project, named: string | null): Policy[] {
  const rewards = named === null ? listPolicies(project, { kind: 'reward' }) : [getPolicy(project, named)];
  const other = rewards.find(({ kind }) => kind !== 'reward');
  if (other) throw bad(`“${other.name}” gives no scores: it is no reward model.`, 'Choose a reward model.');
  if (rewards.length > 0) return rewards;
  throw bad(
    'The project has no reward model to measure probes under.',
    'Train one, or add one.',
    '`tastemaker train reward` and `tastemaker model add` do.',
  );
}

const cellText = (found: ProbeTable, probeId: number, modelId: number): string => {
  const cell = found.cells.find((one) => one.probeId === probeId && one.modelId === modelId);
  return cell ? [differenceWords(cell), wrongWords(cell), `n ${cell.n}`].filter(Boolean).join(', ') : '';
};

function tableLines(found: ProbeTable): string[] {
  const { probes, models } = found;
  return [
    ...table(
      ['probe', 'what is edited', 'people say', ...models.map(({ name }) => onOneLine(name))],
      probes.map(({ id, sentence, expected }) => [
        String(id),
        onOneLine(sentence),
        expected ? EXPECTED[expected] : '',
        ...models.map(({ modelId }) => cellText(found, id, modelId)),
      ]),
    ),
    'Mean of score edited − as written (95 % interval by prompt), answers.',
    samplesSentence(found.samples),
    ...models.flatMap((model) => [
      ...(model.state === 'measured' ? [] : [`${model.name}: ${stateWords(model)}.`]),
      ...model.notes.map((note) => `${model.name}: ${note}`),
    ]),
  ];
}

const SHOWN = 10;
/** The answers of one probe under each model, worst first. */
function sampleLines(project: Project, { models, probes }: ProbeTable, probeId: number): string[] {
  const { sentence } = probes.find(({ id }) => id === probeId)!;
  return models.flatMap(({ modelId, name }) => [
    '',
    `${sentence}, by ${name}, worst first:`,
    ...probedSamples(project, { probeId, modelId })
      .samples.slice(0, SHOWN)
      .map(({ completionId, original, score, edited }) =>
        onOneLine(`  ${completionId}: ${original.toFixed(2)} → ${score.toFixed(2)}  ${edited}`),
      ),
  ]);
}

/** Opened for writing, to keep what is measured; where a window has it open for reading: that measures it itself. */
async function withProbes<T>(
  given: string | null,
  work: (project: Project, mayWrite: boolean) => Promise<T>,
): Promise<T> {
  try {
    return await withProject(given, { write: true }, (project) => work(project, true));
  } catch (error) {
    if (!(error instanceof TastemakerError && error.code === 'locked')) throw error;
    return withProject(given, { write: false }, (project) => work(project, false));
  }
}

export const inspectProbesCommand = defineCommand({
  name: 'inspect probes',
  computes: true,
  words: [],
  sentence:
    'Say what reward models pay for minimal edits of answers: mean difference of the score, its interval, and how often it moved the wrong way. What is measured is kept.',
  options: {
    project: projectOption,
    model: text('NAME', null, 'One reward model; without it, all of the project.'),
    probe: wholeNumber(null, [0, 2 ** 53 - 1], 'One probe by its number: also its answers, worst first.'),
    add: text('KIND', null, `Adds a probe: ${KIND_HELP}.`),
    set: list('NAME=VALUE', 'A value of the probe that is added, such as text="pls halp" or share=0.3.'),
    expect: oneOf(null, ['rise', 'fall', 'same'], 'How people think that scores should move by the probe.'),
    remove: wholeNumber(null, [0, 2 ** 53 - 1], 'Takes the probe of this number away.'),
  },
  run: ({ options: { project: given, model, ...asked }, tell }) =>
    withProbes(given, async (project, mayWrite) => {
      const isChange = asked.add !== null || asked.remove !== null || asked.expect !== null;
      if (isChange && !mayWrite)
        throw bad('The project is open elsewhere, and its probes can be changed there alone.', 'Change them there.');
      const done = change(project, asked);
      for (const line of done) tell(line);
      if (asked.probe !== null) requireProbe(project, asked.probe);
      if (isChange && listPolicies(project, { kind: 'reward' }).length === 0) return { data: { done }, lines: [] };
      const rewards = rewardsOf(project, model);
      const faults = mayWrite ? await measure(project, rewards) : new Map<number, Fault>();
      const ids = new Set(rewards.map(({ id }) => id));
      const whole = probeTable(project, ({ id }) => ({
        state: faults.has(id) ? 'failed' : 'waiting',
        fault: faults.get(id) ?? null,
      }));
      if (whole.samples.count === 0)
        throw bad('The project has no answers to measure probes on.', 'Sample some first.');
      const found: ProbeTable = {
        ...whole,
        probes: whole.probes.filter(({ id }) => asked.probe === null || id === asked.probe),
        models: whole.models.filter(({ modelId }) => ids.has(modelId)),
        cells: whole.cells.filter(({ modelId }) => ids.has(modelId)),
      };
      return { data: printed(found), lines: linesOf(project, found, asked.probe) };
    }),
});

const linesOf = (project: Project, found: ProbeTable, probe: number | null): string[] => [
  ...tableLines(found),
  ...(probe === null ? [] : sampleLines(project, found, probe)),
];

/** The table as --json prints it. */
const printed = ({ probes, models, cells, samples }: ProbeTable) => ({
  samples,
  models: models.map(({ name, state, done, total, fault, notes }) => ({ name, state, done, total, fault, notes })),
  probes: probes.map(({ id, kind, sentence, expected }) => ({
    id,
    kind,
    sentence,
    expected,
    results: cells
      .filter(({ probeId }) => probeId === id)
      .map(({ modelId, n, difference, wrong }) => ({
        model: models.find((model) => model.modelId === modelId)!.name,
        n,
        mean: difference?.mean ?? null,
        low: difference?.low ?? null,
        high: difference?.high ?? null,
        prompts: difference?.clusters ?? null,
        wrong,
      })),
  })),
});
