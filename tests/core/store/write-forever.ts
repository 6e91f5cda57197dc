// A process that adds rankings and says each id once it is confirmed, until somebody kills it.

import { writeSync } from 'node:fs';
import { openProject } from '#core/store/database.ts';
import { listCompletions } from '#core/store/completions.ts';
import { addRanking } from '#core/store/rankings.ts';
import { setRating } from '#core/store/ratings.ts';

const project = openProject(process.argv[2]!, { write: true });
const ids = listCompletions(project, { promptId: 1 }).map((completion) => completion.id);
writeSync(1, `pid ${process.pid}\n`);
for (let i = 0; ; i++) {
  const id = addRanking(project, {
    promptId: 1,
    labelerId: 1,
    status: 'ranked',
    ranks: ids.map((completionId, k) => ({ completionId, rank: ((i + k) % ids.length) + 1 })),
  });
  setRating(project, { completionId: ids[0]!, labelerId: 1, axis: 'overall', value: (i % 7) + 1 });
  writeSync(1, `${id}\n`);
}
