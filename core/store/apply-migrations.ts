// Brings a database up to date, one migration after the other, each whole or not at all.

import type Database from 'better-sqlite3';
import { MIGRATIONS } from './migrations.ts';

/**
 * Brings an open database from its user_version to the newest (or `upTo`), one transaction a migration; returns what
 * they found.
 */
export function applyMigrations(db: Database.Database, upTo = MIGRATIONS.length): string[] {
  const found: string[] = [];
  db.pragma('foreign_keys = OFF'); // so that a migration may rebuild a table; every one is checked before it commits
  try {
    for (let version = db.pragma('user_version', { simple: true }) as number; version < upTo; version++) {
      const migration = MIGRATIONS[version]!;
      db.transaction(() => {
        db.exec(migration.sql);
        const sentences = migration.fill?.(db) ?? [];
        const broken = db.pragma('foreign_key_check') as { table: string }[];
        if (broken.length > 0)
          throw new Error(`migration "${migration.name}" leaves dangling rows in ${broken[0]!.table}`);
        db.pragma(`user_version = ${version + 1}`);
        found.push(...sentences);
      }).immediate();
    }
  } finally {
    db.pragma('foreign_keys = ON');
  }
  return found;
}
