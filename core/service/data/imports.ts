// Importing in the window: a look at the file before, then its rows a few at a time, all of them or none; either can be
// called off.

import path from 'node:path';
import { setImmediate as pause } from 'node:timers/promises';
import type { Arguments } from '#core/contract/calls.ts';
import type { ImportResult } from '#core/contract/data.ts';
import { TastemakerError } from '#core/errors.ts';
import type { RowError } from '#core/formats/rows.ts';
import { stayingSentence } from '#core/store/imported-rows.ts';
import { policyById, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';
import { inBackground, onceInBackground } from '#core/service/background.ts';
import type { Context, Handlers } from '#core/service/handlers.ts';
import { typedPath } from '#core/service/home.ts';
import { createImporter, WINDOW_IMPORT } from './import-into.ts';
import type { Importer } from './import-into.ts';
import { partEnd } from './import-rows.ts';
import type { ImportRow } from './import-rows.ts';
import { rememberTemplate } from './templates.ts';

const SHOWN_ERRORS = 1000;
/** Milliseconds that the service may be busy with rows before it answers others. */
const BUSY_MS = 15;
/** Milliseconds between two tellings of how far an import is. */
const TOLD_MS = 100;

const tokenizerOf = (project: Project, modelId: number | undefined) =>
  modelId === undefined ? undefined : policyPath(project, policyById(project, modelId));

const cancelled = (file: string): TastemakerError =>
  new TastemakerError(
    'stopped',
    `The import of ${path.basename(file)} was called off: nothing of it is in the project.`,
    'Import the file again whenever you wish.',
  );
const closed = (file: string): TastemakerError =>
  new TastemakerError(
    'stopped',
    `The project was closed while ${path.basename(file)} was being imported: what had come in is taken back when it is opened again.`,
    'Open it and import the file again.',
  );

/** What is being read or brought in, by project and file. */
const atWork = new WeakMap<Project, Map<string, Set<AbortController>>>();

/** Does `work`, which 'imports.cancel' or the closing of the project calls off. */
async function cancellable<T>(
  { project, closing }: Context,
  file: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const ofProject = atWork.get(project) ?? new Map<string, Set<AbortController>>();
  const ofFile = ofProject.get(file) ?? new Set();
  atWork.set(project, ofProject.set(file, ofFile.add(controller)));
  const close = () => controller.abort(closed(file));
  closing.addEventListener('abort', close);
  if (closing.aborted) close();
  try {
    return await work(controller.signal);
  } finally {
    closing.removeEventListener('abort', close);
    ofFile.delete(controller);
  }
}

/** Adds rows in parts of a size that leaves the service free for others. */
function addingTo(importer: Importer, signal: AbortSignal, told: () => void) {
  let count = 32; // rows in one transaction; grows and shrinks with the time that they take
  return async (rows: readonly ImportRow[]): Promise<void> => {
    for (let at = 0; at < rows.length;) {
      signal.throwIfAborted();
      const started = performance.now();
      const part = rows.slice(at, partEnd(rows, at, count));
      importer.add(part);
      at += part.length;
      if (performance.now() - started > BUSY_MS) count = Math.max(8, count >> 1);
      else if (part.length >= count && performance.now() - started < BUSY_MS / 3) count = Math.min(512, count * 2);
      told();
      await pause();
    }
  };
}

/** Takes away what came in; where that cannot be done now, it is done at the next opening. */
async function takeAway(importer: Importer, error: unknown): Promise<never> {
  const steps = importer.takeBack();
  try {
    let step = steps.next();
    for (; !step.done; step = steps.next()) await pause();
    if (step.value > 0 && error instanceof TastemakerError)
      throw new TastemakerError(error.code, `${error.message}${stayingSentence(step.value)}`, error.hint);
  } catch (problem) {
    if (problem instanceof TastemakerError && problem.code === 'disk')
      throw new TastemakerError(
        'disk',
        `${problem.message} What had come in of the file is taken back when the project is opened again.`,
        'Free some space, then close and open the project.',
      );
    throw problem;
  }
  throw error;
}

async function run(
  context: Context,
  { path: given, kind, map, format, split, modelId, template }: Arguments<'imports.run'>,
  signal: AbortSignal,
): Promise<ImportResult> {
  const { project, emit } = context;
  const file = typedPath(given);
  const importer = createImporter(project, kind, {
    ...WINDOW_IMPORT,
    split: (_text, _messages, own) => own ?? split,
    named: (own) => own ?? split,
    source: path.basename(file),
  });
  const errors: RowError[] = [];
  const notes: string[] = [];
  let total = 0;
  let last = -Infinity;
  const tell = (now = performance.now()) => {
    if (now - last < TOLD_MS) return;
    last = now;
    emit('data.importing', {
      path: given,
      done: importer.counts.added + importer.counts.duplicates + importer.bad(),
      total,
    });
  };
  const add = addingTo(importer, signal, tell);
  let eventId: number | null;
  try {
    for await (const part of inBackground(
      'rows',
      { file, kind, map, format, template, tokenizer: tokenizerOf(project, modelId) },
      signal,
    )) {
      if ('rows' in part) {
        total = part.total;
        await add(part.rows);
      } else {
        errors.push(...part.errors);
        notes.push(...part.notes);
      }
    }
    signal.throwIfAborted();
    if (template !== undefined && kind === 'prompts') rememberTemplate(project, template);
    eventId = importer.finish();
  } catch (error) {
    // what came in goes at the next opening: this one is to end now
    if (context.closing.aborted || !project.db.open) throw error;
    return await takeAway(importer, error);
  } finally {
    emit('data.changed', {});
  }
  const { added, duplicates } = importer.counts;
  return {
    added,
    duplicates,
    errors: [...errors, ...importer.errors].sort((a, b) => a.line - b.line).slice(0, SHOWN_ERRORS),
    eventId,
    made: importer.made(),
    notes: [...notes, ...importer.notes()],
  };
}

export const importHandlers = {
  'imports.preview': (context, { path: file, kind, map, format, modelId, template }) => {
    const { project } = context;
    return cancellable(context, typedPath(file), (signal) =>
      onceInBackground(
        'preview',
        {
          file: typedPath(file),
          kind,
          map,
          format,
          template,
          tokenizer: tokenizerOf(project, modelId),
          project: project.folder,
        },
        signal,
      ),
    );
  },

  'imports.run': (context, args) => cancellable(context, typedPath(args.path), (signal) => run(context, args, signal)),

  'imports.cancel': ({ project }, { path: file }) => {
    for (const controller of atWork.get(project)?.get(typedPath(file)) ?? []) controller.abort(cancelled(file));
    return {};
  },
} satisfies Partial<Handlers>;
