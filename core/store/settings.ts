// Settings of one project: names with JSON values.

import { query } from './project.ts';
import type { Project } from './project.ts';

/** The value of a setting, or `fallback` where it was never set. */
export function getSetting<T>(project: Project, name: string, fallback: T): T {
  const row = query<{ value: string }>(project, 'SELECT value FROM settings WHERE name = ?').get(name);
  return row ? (JSON.parse(row.value) as T) : fallback;
}

/** Sets a value that JSON can hold. */
export function setSetting(project: Project, name: string, value: unknown): void {
  query(
    project,
    'INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
  ).run(name, JSON.stringify(value));
}
