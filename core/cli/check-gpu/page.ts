// The results as a page of Markdown: what was found on a card, what was looked at without one, what was not run and
// why.

import type { Kind, Results, Row, Run, Section } from './results.ts';
import { SECTIONS } from './sections.ts';

export const PAGE_FILE = 'gpu.md';
const GIB = 2 ** 30;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ').trim();
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)];
}
const number = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.01
    ? value.toExponential(1)
    : value >= 1000
      ? Math.round(value).toLocaleString('en-US')
      : String(Number(value.toPrecision(3)));
const shown = (value: number | string): string => (typeof value === 'number' ? number(value) : value);
const day = (at: string): string => at.slice(0, 10);

const verdict = ({ ok, goal, times }: Row): string =>
  ok === null ? (goal && times === undefined ? 'not judged' : '') : ok ? 'yes' : '**no**';
const isRun = ({ state }: Section): boolean => state !== 'not run';

function sectionText(
  title: string,
  { state, sentence, at, seconds, on, rows, notes, peakBytes }: Section,
  goals: boolean,
): string[] {
  const peers = rows.some(({ peer }) => peer !== undefined);
  const asked = goals && rows.some(({ goal }) => goal !== undefined);
  const head = ['', 'ours', ...(peers ? ['peer', 'times as fast'] : []), ...(asked ? ['asked for', 'met'] : [])];
  const lines = rows.map((row) => [
    row.what,
    `${shown(row.value)} ${row.unit}`,
    ...(peers
      ? [
          row.peer === undefined ? '' : `${shown(row.peer)} ${row.unit}`,
          row.times === undefined ? '' : `${number(row.times)} ×`,
        ]
      : []),
    ...(asked ? [row.goal ?? '', verdict(row)] : []),
  ]);
  const memory =
    peakBytes === null
      ? ''
      : ` At most ${(peakBytes / GIB).toFixed(1)} GiB of the card's memory beyond what was taken before.`;
  return [
    `### ${title}`,
    '',
    `**${state}** on ${on}, ${day(at)}, in ${number(seconds)} s. ${sentence}${memory}`,
    '',
    ...(rows.length ? [...table(head, lines), ''] : []),
    ...(notes.length ? [...notes.map((note) => `- ${note.replaceAll(/\s+/g, ' ')}`), ''] : []),
  ];
}

/** The sections of a run in their order, with their titles. */
const sectionsOf = (run: Run | undefined): { title: string; name: string; section: Section }[] =>
  SECTIONS.flatMap(({ name, title }) => (run?.sections[name] ? [{ name, title, section: run.sections[name] }] : []));

function opening({ runs }: Results): string {
  const onCard = sectionsOf(runs.card).filter(({ section }) => isRun(section) && section.rows.length > 0);
  if (onCard.length === 0) return 'No graphics card has run this check yet: nothing below is a figure of one.';
  const passed = onCard.filter(({ section }) => section.state === 'passed').length;
  const cards = [...new Set(onCard.map(({ section }) => section.on))];
  return `Last run with a card: ${day(runs.card!.at)} on ${cards.join(', ')}; ${passed} of ${onCard.length} sections that were run passed.`;
}

const HOW = [
  '## How to run it',
  '',
  '```',
  'npm run check:gpu',
  '```',
  '',
  'It takes at most eight minutes (`-- --minutes N` for another time), uses no network, and may be stopped at any moment: after each section this page and `gpu.json` are written anew. It ends with 1 where a section failed. The card must be ready for Tastemaker (`npx tastemaker doctor` says what is missing, [the guide](guide/gpu.md) how to get it). Where the Python on the PATH has PyTorch, transformers and TRL, or the one of `-- --python PATH` does, the same work is timed there too; without them our figures stand alone.',
  '',
  "On a machine without network and without the project's packages, a folder `node_modules` with `onnxruntime-node` 1.30.0, `onnxruntime-common` and the two CUDA files beside the runtime is enough, and any Node 24:",
  '',
  '```',
  'node build/check-gpu.mjs --out RESULTS',
  '```',
  '',
  "Carry the project's folder without its `node_modules`, Node, and that folder, made where there is network with `npm install --ignore-scripts onnxruntime-node@1.30.0` and `npx tastemaker setup cuda`; then bring `gpu.json` and `gpu.md` back into `docs`. Without a card, `npm run check:gpu -- --device cpu --tiny` tries the sections on the processor.",
  '',
  "A figure is of one machine at one time. Ours and the peer's are of the same card, one after the other; fp32 multiplies as TF32 on both sides.",
  '',
];

/** What was looked at without a card, each with its day. */
function withoutCard({ runs }: Results): string[] {
  const standIn = runs['stand-in']?.sections.placement;
  const trial = sectionsOf(runs.trial).filter(({ section }) => isRun(section));
  const placed =
    standIn && isRun(standIn)
      ? [
          `**Checked without a card on ${day(standIn.at)}:** where the CUDA provider of ONNX Runtime puts each node of our graphs, asked of the real provider over a stand-in for the CUDA libraries that computes nothing. ${standIn.state === 'passed' ? '' : `${standIn.sentence} `}That says where nodes would run, not that they compute rightly.`,
          '',
          ...standIn.rows.map(({ what, value, unit }) => `- ${what}: ${shown(value)} ${unit}`),
          ...standIn.notes.map((note) => `- ${note}`),
          '',
        ]
      : [];
  const tried = trial.length
    ? [
        `**Tried on a processor on ${day(runs.trial!.at)}** (${trial[0]!.section.on}, float32, tiny models): that the sections run. Their times say nothing of a card.`,
        '',
        ...table(
          ['section', '', 'what it found'],
          trial.map(({ name, section }) => [name, section.state, section.sentence]),
        ),
        '',
      ]
    : [];
  return placed.length || tried.length ? ['## Without a card', '', ...placed, ...tried] : [];
}

/** Everything that no card has run, with the latest reason. */
function notRun({ runs }: Results): string[] {
  const latest = (name: string) =>
    (['card', 'absent'] as const satisfies readonly Kind[])
      .map((kind) => runs[kind]?.sections[name])
      .filter((one) => one !== undefined)
      .toSorted((a, b) => b.at.localeCompare(a.at))[0];
  const missing = SECTIONS.filter(({ name }) => !(runs.card?.sections[name] && isRun(runs.card.sections[name])));
  if (missing.length === 0) return [];
  const reasons = Map.groupBy(missing, ({ name }) => {
    const last = latest(name);
    return last ? `${last.sentence} (${day(last.at)})` : 'Never asked for.';
  });
  const lines = [...reasons].flatMap(([reason, plans]) => [
    `${reason}`,
    '',
    ...plans.map(({ name, title }) => `- ${title} (\`${name}\`)`),
    '',
  ]);
  return ['## Not run on a card', '', ...lines];
}

/** The whole page. */
export function pageOf(results: Results): string {
  const onCard = sectionsOf(results.runs.card).filter(({ section }) => isRun(section));
  const measured = onCard.length
    ? [
        '## On a card',
        '',
        ...(results.runs.card!.state === 'done'
          ? []
          : [
              `The latest run, of ${day(results.runs.card!.at)}, ${results.runs.card!.state === 'stopped' ? 'was stopped before its end' : 'has not come to its end'}.`,
              '',
            ]),
        ...onCard.flatMap(({ title, section }) => sectionText(title, section, true)),
      ]
    : [];
  const text = [
    '# The graphics card, checked',
    '',
    `${opening(results)} Written by \`npm run check:gpu\` from \`gpu.json\`.`,
    '',
    ...measured,
    ...withoutCard(results),
    ...notRun(results),
    ...HOW,
  ];
  return `${text.join('\n').trimEnd()}\n`;
}
