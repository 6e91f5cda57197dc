// How many numbers the models of a project have. A GGUF file says it behind its whole vocabulary, which takes longer
// to read than the service's thread may be held: a thread of its own reads it, once until the file changes.

import fs from 'node:fs';
import { adapterBase, isAdapterFolder } from '#core/formats/adapter-base.ts';
import { isGguf } from '#core/formats/gguf.ts';
import { numbersAt } from '#core/recipes/parts/size-defaults.ts';
import { onceInBackground } from '#core/service/background.ts';
import { listPolicies, policyPath } from '#core/store/policies.ts';
import type { Project } from '#core/store/project.ts';

/** Numbers of the model of this name; null where there is none, or it cannot be read, which a run of it will say. */
export type ModelSizes = (model: string) => number | null;

/** What the thread has read, by the path of a GGUF file in the state that `stamp` stands for. */
const read = new Map<string, { stamp: string; numbers: Promise<number | null> }>();

/** The GGUF file that says what a model is, also where it only adapts it, and its state; null of any other model. */
function ggufOf(place: string): { file: string; stamp: string } | null {
  try {
    if (!isGguf(place)) return isAdapterFolder(place) ? ggufOf(adapterBase(place)) : null;
    const { size, mtimeMs } = fs.statSync(place);
    return { file: place, stamp: `${size}/${mtimeMs}` };
  } catch {
    return null; // it has gone, and is quickly seen to have
  }
}

function readInThread(unread: readonly { file: string; stamp: string }[]): void {
  const sizes = onceInBackground('sizes', { places: unread.map(({ file }) => file) }).catch(() => {
    for (const { file } of unread) read.delete(file); // the thread failed and not the file: it is asked again
    return [];
  });
  for (const [i, { file, stamp }] of unread.entries())
    read.set(file, { stamp, numbers: sizes.then((list) => list[i] ?? null) });
}

/** Those of the project as it is now, of which every one can then be told at once. */
export async function modelSizes(project: Project): Promise<ModelSizes> {
  const models = listPolicies(project).map((policy) => {
    const place = policyPath(project, policy);
    return { name: policy.name, place, gguf: ggufOf(place) };
  });
  const files = new Map(models.flatMap(({ gguf }) => (gguf ? [[gguf.file, gguf] as const] : [])));
  const unread = [...files.values()].filter(({ file, stamp }) => read.get(file)?.stamp !== stamp);
  if (unread.length > 0) readInThread(unread);
  const inGguf = new Map<string, number | null>();
  for (const { name, gguf } of models) if (gguf) inGguf.set(name, (await read.get(gguf.file)?.numbers) ?? null);
  const elsewhere = new Map(models.flatMap(({ name, place, gguf }) => (gguf ? [] : [[name, place] as const])));
  return (model) => {
    const place = elsewhere.get(model);
    return place === undefined ? (inGguf.get(model) ?? null) : numbersAt(place); // a config.json is read in no time
  };
}
