// Labelers: the people and programs that rank, rate and mark.

import type { Labeler } from '#core/contract/rankings.ts';
import { query, requireThat, transaction } from './project.ts';
import type { Project } from './project.ts';

/** The labeler of this name, made where there is none. 'bad-data' if the name belongs to the other kind. */
export function ensureLabeler(project: Project, name: string, kind: Labeler['kind']): Labeler {
  requireThat(name.trim() !== '', 'A labeler needs a name.', 'Give a name that is not empty.');
  requireThat(
    kind === 'person' || kind === 'program',
    `Labeler "${name}" has the unknown kind "${kind}".`,
    'Use person or program.',
  );
  const find = query<Labeler>(project, 'SELECT id, name, kind FROM labelers WHERE name = ?');
  const found =
    find.get(name) ??
    transaction(project, () => {
      query(project, 'INSERT INTO labelers (name, kind) VALUES (?, ?) ON CONFLICT DO NOTHING').run(name, kind);
      return find.get(name)!;
    });
  requireThat(found.kind === kind, `The labeler "${name}" is a ${found.kind}, not a ${kind}.`, 'Use another name.');
  return found;
}

/** Every labeler, in id order. */
export function listLabelers(project: Project): Labeler[] {
  return query<Labeler>(project, 'SELECT id, name, kind FROM labelers ORDER BY id').all();
}
