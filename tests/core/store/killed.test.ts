// A process killed in the middle of writing loses nothing that it had confirmed.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkProject, openProject } from '#core/store/database.ts';
import { listEvents } from '#core/store/events.ts';
import { listRankings } from '#core/store/rankings.ts';
import { errorOf, smallProject, temporaryFolder } from './temporary-folder.ts';

const fresh = temporaryFolder();

/**
 * Starts the writer, kills it with SIGKILL once it has confirmed `enough` rankings; gives its pid and what it
 * confirmed.
 */
function killWriter(
  folder: string,
  enough: number,
  whileRunning: (pid: number) => void,
): Promise<{ pid: number; confirmed: number[] }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'write-forever.ts'), folder], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stderr.on('data', (data: Buffer) => (errors += data));
    child.stdout.on('data', (data: Buffer) => {
      const wasRunning = output.includes('\n');
      output += data;
      if (!wasRunning && output.includes('\n')) whileRunning(child.pid!);
      if (output.split('\n').length > enough + 1) child.kill('SIGKILL');
    });
    child.on('close', (_code, signal) => {
      if (signal !== 'SIGKILL') return fail(new Error(`the writer ended by itself: ${errors}`));
      const whole = output.slice(0, output.lastIndexOf('\n')).split('\n').slice(1).map(Number);
      done({ pid: child.pid!, confirmed: whole });
    });
  });
}

test('kill -9, three times over', async () => {
  const { project } = smallProject(fresh());
  const { folder } = project;
  project.close();
  const all: number[] = [];
  for (const enough of [3, 40, 150]) {
    let refusal = '';
    const { pid, confirmed } = await killWriter(folder, enough, () => {
      refusal = errorOf(() => openProject(folder, { write: true })).message; // it holds the lock while it lives
      openProject(folder, { write: false }).close(); // and nobody need wait to read
    });
    expect(refusal).toContain(`pid ${pid}`);
    expect(confirmed.length).toBeGreaterThanOrEqual(enough);
    all.push(...confirmed);
    expect(existsSync(join(folder, 'project.lock'))).toBe(true); // left by the dead

    const reader = openProject(folder, { write: false });
    const seen = new Set(listRankings(reader).map((ranking) => ranking.id));
    expect(all.filter((id) => !seen.has(id))).toEqual([]);
    reader.close();

    const opened = openProject(folder, { write: true }); // takes the lock over
    expect(opened.db.pragma('quick_check', { simple: true })).toBe('ok');
    expect(checkProject(opened)).toEqual([]);
    const rankings = listRankings(opened);
    expect(rankings.length).toBeGreaterThanOrEqual(all.length);
    for (const ranking of rankings) expect(ranking.ranks).toHaveLength(4); // none is half there
    const added = listEvents(opened)
      .filter((event) => event.kind === 'ranking.add')
      .map((event) => event.detail['rankingId']);
    expect(added).toEqual(rankings.map((ranking) => ranking.id)); // log and labels agree
    opened.close();
    expect(
      readdirSync(folder)
        .filter((name) => name.startsWith('project'))
        .sort(),
    ).toEqual(['project.db']);
  }
}, 60_000);
