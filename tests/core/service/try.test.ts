// How a model is asked when it is tried: as its last run asked it, or as its chat template has it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tryHandlers } from '#core/service/runs/try.ts';
import { createProject } from '#core/store/database.ts';
import { addPolicy } from '#core/store/policies.ts';
import { addPrompts } from '#core/store/prompts.ts';
import { addRun } from '#core/store/runs.ts';
import { handled } from './handler-context.ts';
import { freshProjects } from './projects-at-hand.ts';

const fresh = freshProjects();

test('the newest run that tuned it decides; else its chat template; without one it is text', async () => {
  const project = createProject(fresh());
  const { call } = handled(project, tryHandlers);
  const manner = (modelId: number) => call('models.manner', { modelId });
  const model = (name: string, chat: boolean) => {
    const folder = join(project.folder, 'models', name);
    mkdirSync(folder, { recursive: true });
    if (chat) writeFileSync(join(folder, 'chat_template.jinja'), '{{ messages }}');
    return `models/${name}`;
  };
  const run = (id: string, kind: 'ppo' | 'reward', rows: object[]) => {
    addRun(project, { id, kind, name: id, status: 'done' });
    mkdirSync(join(project.folder, 'runs', id), { recursive: true });
    writeFileSync(
      join(project.folder, 'runs', id, 'data.jsonl'),
      rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
    return id;
  };
  const bare = addPolicy(project, { name: 'bare', kind: 'base', path: model('bare', false) });
  const instruct = addPolicy(project, { name: 'instruct', kind: 'base', path: model('instruct', true) });
  expect(await manner(bare)).toEqual({ as: 'text', chat: false, because: 'it has no chat template', template: null });
  expect(await manner(instruct)).toMatchObject({ as: 'conversation', chat: true });
  const tuned = addPolicy(project, {
    name: 'tuned',
    kind: 'policy',
    path: model('tuned', true),
    parentId: instruct,
    runId: run('0001-ppo', 'ppo', [{ promptId: 1, text: 'p', messages: null }]),
  });
  expect(await manner(tuned)).toMatchObject({ as: 'text', chat: true, because: 'run 0001-ppo gave it plain text' });
  const again = addPolicy(project, {
    name: 'again',
    kind: 'policy',
    path: model('again', true),
    parentId: tuned,
    runId: run('0002-ppo', 'ppo', [{ promptId: 1, text: 'p', messages: [{ role: 'user', content: 'p' }] }]),
  });
  expect(await manner(again)).toMatchObject({ as: 'conversation', because: 'run 0002-ppo gave it conversations' });
  addPrompts(
    project,
    ['a', 'b'].map((title) => ({ text: `TITLE: ${title}\nPOST: x\nTL;DR:`, split: 'train', source: 's' })),
  );
  expect((await manner(bare)).template).toBe('TITLE: {title}\nPOST: {post}\nTL;DR:');
  project.close();
});
