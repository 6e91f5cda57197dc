// What recipes count of a project: the simulated ones are among the rankings that are counted.

import { expect, test } from 'vitest';
import { factsOf } from '#core/service/runs/recipe-facts.ts';
import { makeTinyProject, temporaryProjects } from '#tests/core/recipes/tiny-project.ts';

const fresh = temporaryProjects();

test('a simulated ranking that prefers nothing is in neither number: all of them stay all of them', async () => {
  const project = await makeTinyProject(fresh());
  const { rankings, simulated } = factsOf(project);
  expect(rankings).toBeGreaterThan(1);
  expect(simulated).toBe(rankings);
  const some = project.db
    .prepare('SELECT ranking_id AS id FROM ranking_items GROUP BY ranking_id HAVING max(rank) > min(rank) LIMIT 1')
    .get() as { id: number };
  project.db.prepare('UPDATE ranking_items SET rank = 1 WHERE ranking_id = ?').run(some.id);
  expect(factsOf(project)).toMatchObject({ rankings: rankings - 1, simulated: rankings - 1 });
  project.close();
});
