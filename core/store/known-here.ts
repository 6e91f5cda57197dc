// Whether a project was made or taken over on this machine, or comes from elsewhere: then nothing in it acts unasked.
//
// The file known-here.json in its folder holds one signature a machine (machine-key.ts) over the project's own id and
// the
// identity of its folder. A copy, and what somebody else has packed, lies in another folder and is new.

import { join } from 'node:path';
import { refuseLink, replaceUnlinked, textUnlinked } from '#core/unlinked.ts';
import { identityOf, isSigned, signed } from './machine-key.ts';
import { ownId } from './project-id.ts';
import type { Project } from './project.ts';

const MOST = 20; // machines
const SIGNATURE = /^[0-9a-f]{64}$/;
const fileOf = (project: Project) => join(project.folder, 'known-here.json');
const valuesOf = (project: Project, id: string) => [id, identityOf(project.folder)];

function signaturesIn(project: Project): string[] {
  try {
    const read = JSON.parse(textUnlinked(fileOf(project)) ?? '') as { machines?: unknown };
    return Array.isArray(read?.machines)
      ? read.machines.filter((text): text is string => typeof text === 'string' && SIGNATURE.test(text)).slice(-MOST)
      : [];
  } catch {
    return [];
  }
}

export function isKnownHere(project: Project): boolean {
  const id = ownId(project);
  return (
    id !== null && signaturesIn(project).some((signature) => isSigned(signature, 'project', valuesOf(project, id)))
  );
}

/**
 * From now on it is a project of this machine. On a disk that may not be written it stays new, and is asked about
 * again.
 */
export function makeKnown(project: Project): void {
  const id = ownId(project);
  if (id === null || isKnownHere(project)) return;
  const file = fileOf(project);
  const machines = [...signaturesIn(project), signed('project', valuesOf(project, id))].slice(-MOST);
  refuseLink(file);
  try {
    replaceUnlinked(file, `${JSON.stringify({ machines })}\n`);
  } catch {
    // asked again
  }
}
