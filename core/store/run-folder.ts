// Where the folder of a run lies in its project: the one door to it.

import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { refuseLink } from '#core/unlinked.ts';
import { printable } from './printable.ts';
import { isRunId } from './runs.ts';

/**
 * Where the folder of a run is, or would be: to compare it with, and for run-disk.ts, which follows no link. To open
 * what is in it: runFolderOf.
 */
export function runPlaceOf(projectFolder: string, id: string): string {
  if (!isRunId(id))
    throw new TastemakerError(
      'bad-file',
      `"${printable(id)}" cannot be the id of a run.`,
      'The project is damaged, or not made by Tastemaker.',
    );
  return path.join(projectFolder, 'runs', id);
}

/**
 * The folder of a run. 'bad-file' where its id would lead out of the project, or a link stands in its place or in that
 * of runs/.
 */
export function runFolderOf(projectFolder: string, id: string): string {
  const place = runPlaceOf(projectFolder, id);
  refuseLink(path.dirname(place));
  refuseLink(place);
  return place;
}
