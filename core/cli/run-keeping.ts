// `tastemaker run note`, `run tag`, `run delete` and `run free`: what is said of runs, and what they take.

import { TastemakerError } from '#core/errors.ts';
import type { RunDeletion, RunPart } from '#core/contract/runs.ts';
import { deletionOf, freeRuns, removeRuns, spaceOfRuns } from '#core/service/runs/run-removal.ts';
import { describeRun, notedOf } from '#core/store/run-facts.ts';
import { onOneLine } from '#core/store/printable.ts';
import { getRun } from '#core/store/runs.ts';
import { defineCommand, flag, list } from './command.ts';
import { projectOption, withProject } from './project-option.ts';
import { sizeWords } from './run-size.ts';
import { table } from './table.ts';

const options = { project: projectOption };
const PARTS: readonly RunPart[] = ['checkpoints', 'rollouts', 'features', 'leftovers'];
const counted = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export const runNoteCommand = defineCommand({
  name: 'run note',
  words: ['ID', '[TEXT]'],
  sentence: 'Say something of a run, or (without TEXT) print what was said; "" takes it away.',
  options,
  run: ({ words: [id, note], options: { project: given } }) =>
    withProject(given, { write: note !== undefined }, (project) => {
      getRun(project, id!);
      const noted = note === undefined ? notedOf(project, id!) : describeRun(project, id!, { note });
      return {
        data: { id, ...noted },
        lines: [noted.note ? noted.note.split('\n').map(onOneLine).join('\n') : `Run ${id} has no note.`],
      };
    }),
});

export const runTagCommand = defineCommand({
  name: 'run tag',
  words: ['ID', '[TAGS]'],
  sentence: 'Put tags on a run, parted by commas, or (without TAGS) print those it has.',
  options: { ...options, remove: list('TAG', 'A tag to take off; may be given several times.') },
  run: ({ words: [id, tags], options: { project: given, remove } }) =>
    withProject(given, { write: tags !== undefined || remove.length > 0 }, (project) => {
      getRun(project, id!);
      const before = notedOf(project, id!);
      const off = new Set(remove.map((tag) => tag.trim().toLowerCase()));
      const missing = remove.find((tag) => !before.tags.some((one) => one.toLowerCase() === tag.trim().toLowerCase()));
      if (missing !== undefined)
        throw new TastemakerError(
          'bad-argument',
          `Run ${id} has no tag "${missing}".`,
          before.tags.length ? `It has ${before.tags.join(', ')}.` : 'It has none.',
        );
      const wanted = [...before.tags.filter((tag) => !off.has(tag.toLowerCase())), ...(tags?.split(',') ?? [])];
      const noted = tags === undefined && remove.length === 0 ? before : describeRun(project, id!, { tags: wanted });
      return {
        data: { id, ...noted },
        lines: [noted.tags.length ? onOneLine(noted.tags.join(', ')) : `Run ${id} has no tags.`],
      };
    }),
});

/** What goes and what stays, a line each. */
function deletionLines({ samples, judged, models, bytes, modelBytes }: RunDeletion, withModels: boolean): string[] {
  return [
    `Charts, log, settings, checkpoints and other files: ${sizeWords(bytes - modelBytes)}.`,
    ...(samples ? [`${counted(samples, 'sample')} that nobody has ranked, rated, marked or flagged.`] : []),
    ...(judged ? [`${counted(judged, 'sample')} that somebody has judged ${judged === 1 ? 'stays' : 'stay'}.`] : []),
    ...models.map(({ name, bytes: size, keeps }) =>
      keeps !== null
        ? `The model "${name}" stays: ${keeps}.`
        : withModels
          ? `The model "${name}" (${sizeWords(size)}) goes, too.`
          : `The model "${name}" (${sizeWords(size)}) stays; --models deletes it, too.`,
    ),
  ];
}

export const runDeleteCommand = defineCommand({
  name: 'run delete',
  words: ['ID'],
  sentence: 'Delete a run with its files and the samples that nobody judged; without --yes it only says what would go.',
  options: {
    ...options,
    models: flag('Delete the models that it made, too, where nothing needs them.'),
    yes: flag('Do it: a deleted run cannot be brought back.'),
  },
  run: ({ words: [id], options: { project: given, models, yes } }) =>
    withProject(given, { write: yes }, async (project) => {
      const found = yes ? await removeRuns(project, [id!], models) : deletionOf(project, [id!]);
      return {
        data: { id, deleted: yes, ...found },
        lines: [
          ...deletionLines(found, models),
          yes ? `Run ${id} is deleted.` : `Nothing was deleted; with --yes run ${id} is.`,
        ],
      };
    }),
});

export const runFreeCommand = defineCommand({
  name: 'run free',
  words: ['[ID]'],
  sentence:
    'Free the disk of what no resumption, model or best weights need, of one run or of all; without --yes it only says what.',
  options: {
    ...options,
    looks: flag('Also the weights kept at looks at held-out prompts that are no models.'),
    yes: flag('Do it.'),
  },
  run: ({ words: [id], options: { project: given, looks, yes } }) =>
    withProject(given, { write: yes }, (project) => {
      if (id !== undefined) getRun(project, id);
      const parts: readonly RunPart[] = looks ? [...PARTS, 'looks'] : PARTS;
      const spaces = spaceOfRuns(project)
        .filter((one) => id === undefined || one.id === id)
        .map((one) => ({ ...one, free: one.free.filter(({ part }) => parts.includes(part)) }));
      const bytes = yes
        ? freeRuns(project, id ?? null, parts)
        : spaces.flatMap(({ free }) => free).reduce((sum, part) => sum + part.bytes, 0);
      const rows = spaces
        .filter(({ bytes: size }) => size > 0)
        .map((one) => [
          one.id,
          sizeWords(one.bytes),
          one.free.map((part) => `${part.part} ${sizeWords(part.bytes)}`).join(', '),
          one.held ? `${sizeWords(one.held.bytes)}: ${one.held.why}` : '',
        ]);
      return {
        data: { freed: yes, bytes, runs: spaces },
        lines: [
          ...(rows.length ? table(['run', 'on disk', 'not needed', 'kept'], rows) : []),
          yes
            ? `${sizeWords(bytes)} are free again.`
            : bytes
              ? `With --yes ${sizeWords(bytes)} are freed.`
              : 'There is nothing to free.',
        ],
      };
    }),
});
