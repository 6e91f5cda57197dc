// Guidelines: what labelers were told, version by version; every ranking remembers which was in force.

import type { Guidelines } from '#core/contract/desk.ts';
import { query, transaction } from './project.ts';
import type { Project } from './project.ts';

/** Before anybody wrote guidelines, an empty version 0 is in force. */
const NONE: Guidelines = { version: 0, text: '', createdAt: 0 };
const COLUMNS = 'version, text, created_at AS createdAt';

/** The version in force. */
export function currentGuidelines(project: Project): Guidelines {
  return (
    query<Guidelines>(project, `SELECT ${COLUMNS} FROM guidelines ORDER BY version DESC LIMIT 1`).get() ?? { ...NONE }
  );
}

/** Every version, oldest first. */
export function listGuidelines(project: Project): Guidelines[] {
  return query<Guidelines>(project, `SELECT ${COLUMNS} FROM guidelines ORDER BY version`).all();
}

/** Puts a new version in force; the same text as now makes none. Versions are never changed afterwards. */
export function saveGuidelines(project: Project, text: string): Guidelines {
  return transaction(project, () => {
    const current = currentGuidelines(project);
    if (current.text === text) return current;
    query(project, 'INSERT INTO guidelines (text, created_at) VALUES (?, ?)').run(text, Date.now());
    return currentGuidelines(project);
  });
}
