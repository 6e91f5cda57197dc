// Where an export may go: anywhere but among a project's own files, wherever links lead.

import fs from 'node:fs';
import path from 'node:path';
import { TastemakerError } from '#core/errors.ts';
import { realPlace } from '#core/formats/output-place.ts';

/** The project that a place lies in; null where it lies in none. */
function projectAround(place: string): string | null {
  for (let folder = path.dirname(place); ; folder = path.dirname(folder)) {
    if (fs.existsSync(path.join(folder, 'project.db'))) return folder;
    if (folder === path.dirname(folder)) return null;
  }
}

/**
 * The files of any project are not for other data: only its folder for exports is. 'bad-argument' for every other place
 * in one.
 */
export function refusePlace(file: string): void {
  for (const place of new Set([realPlace(file), path.join(realPlace(path.dirname(file)), path.basename(file))])) {
    const project = projectAround(place);
    if (project === null) continue;
    const [first, ...rest] = path.relative(project, place).split(path.sep);
    if (first === 'exports' && rest.length > 0) continue;
    throw new TastemakerError(
      'bad-argument',
      `${file} lies among the project's own files.`,
      `Choose another place, or the folder ${path.join(project, 'exports')}.`,
    );
  }
}
