// The whole way through the command line, tiny: project, import, pretraining, samples, rankings, reward model, PPO,
// stopping and resuming.

import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { demoBaseFolder } from '#core/recipes/demo/demo-project.ts';
import { listCompletions } from '#core/store/completions.ts';
import { openProject } from '#core/store/database.ts';
import { listPrompts } from '#core/store/prompts.ts';
import { cli, cliJson, readLines, startCli, temporaryFolder, writeLines } from './command-line.ts';

const SUBJECTS = [
  'graphs',
  'ships',
  'proteins',
  'markets',
  'letters',
  'rivers',
  'stars',
  'bridges',
  'games',
  'clouds',
  'orchards',
  'engines',
];
/** Papers as SciTLDR has them: a list of sentences and a list of summaries. */
const papers = SUBJECTS.flatMap((subject) =>
  ['slow', 'large', 'noisy'].map((kind) => ({
    source: [
      `We study ${kind} ${subject}.`,
      `Nobody has measured ${kind} ${subject} before.`,
      `Our method finds ${subject} in half the time.`,
    ],
    target: [`A faster method for ${kind} ${subject}.`],
  })),
);

describe('a project from nothing', () => {
  const work = temporaryFolder();
  const project = path.join(work, 'tiny.tastemaker');
  const inProject = <T>(...args: string[]) => cliJson<T>(work, ...args);
  const pretrain = (name: string, changes: Record<string, number> = {}) => [
    'train',
    'pretrain',
    '--name',
    name,
    ...Object.entries({
      texts: 'texts.jsonl',
      vocabulary: 300,
      layers: 1,
      channels: 16,
      heads: 2,
      context: 128,
      steps: 8,
      batch: 4,
      steps_a_run: 4,
      validation: 0.1,
      ...changes,
    }).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
  ];

  test('new adds the ending and refuses a folder that is there', async () => {
    expect((await inProject<{ project: string }>('new', 'tiny')).project).toBe(fs.realpathSync(project));
    const again = await cli(work, 'new', 'tiny');
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('already holds a project')]);
  });

  test('import prompts splits by the text, counts duplicates, and is the same in any order', async () => {
    writeLines(path.join(work, 'papers.jsonl'), papers);
    writeLines(
      path.join(work, 'texts.jsonl'),
      papers.map(({ source, target }) => ({ text: `${source.join(' ')}\n\nTL;DR: ${target[0]}` })),
    );
    expect(await inProject('import', 'prompts', 'papers.jsonl')).toEqual({
      format: 'scitldr',
      added: papers.length,
      duplicates: 0,
      skipped: 0,
      notes: [],
      warnings: [],
    });
    expect(await inProject('import', 'prompts', 'papers.jsonl')).toMatchObject({ added: 0, duplicates: papers.length });
    await cliJson(work, 'new', 'other');
    writeLines(path.join(work, 'reversed.jsonl'), papers.toReversed());
    await inProject('import', 'prompts', 'reversed.jsonl', '--project', 'other.tastemaker');
    const splits = (folder: string) => {
      const open = openProject(path.join(work, folder), { write: false });
      const found = listPrompts(open)
        .map(({ text, split }) => `${split}: ${text}`)
        .sort();
      open.close();
      return found;
    };
    const found = splits('tiny.tastemaker');
    expect(splits('other.tastemaker')).toEqual(found);
    const validation = found.filter((line) => line.startsWith('validation')).length;
    expect(validation, 'a tenth, more or less').toBeGreaterThan(0);
    expect(validation).toBeLessThan(papers.length / 3);
    const two = await cli(work, 'runs');
    expect([two.code, two.stderr], 'two projects here: one must be named').toEqual([
      2,
      expect.stringContaining('There are 2 projects here'),
    ]);
    fs.rmSync(path.join(work, 'other.tastemaker'), { recursive: true });
  });

  test('pretraining makes a base model, with plain progress lines where there is no terminal', async () => {
    const { code, stdout, stderr } = await cli(work, ...pretrain('base'));
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Run 0001-pretrain has begun\.$/m);
    expect(stderr).toMatch(/^pretrain 8\/8 .*loss \d/m);
    expect(stdout).toContain('Its model is "base".');
    expect(await inProject('model', 'list')).toEqual([
      expect.objectContaining({ name: 'base', kind: 'base', runId: '0001-pretrain', path: 'runs/0001-pretrain/model' }),
    ]);
  });

  test('sampling stores k completions a prompt and does nothing when repeated', async () => {
    const ask = [
      'sample',
      '--policy',
      'base',
      '--k',
      '2',
      '--max-new',
      '12',
      '--temperature',
      '1',
      '--prompts',
      '12',
      '--split',
      'train',
    ];
    expect(await inProject(...ask)).toMatchObject({ added: 24, tooLong: 0, stopped: false });
    expect(await inProject(...ask)).toMatchObject({ added: 0 });
  });

  test('completions and rankings come from files: by text, by id, as pairs; what a ranking names and is missing is added', async () => {
    const prompts = papers.map(({ source }) => `${source.join(' ')}\n\nTL;DR:`);
    writeLines(path.join(work, 'completions.jsonl'), [
      { prompt: prompts[20], answer: ' Ships, but faster.', policy: 'base' },
      { prompt: prompts[20], answer: ' Ships, but faster.', policy: 'base' },
    ]);
    expect(await inProject('import', 'completions', 'completions.jsonl', '--map', 'completion=answer')).toEqual({
      added: 1,
      duplicates: 1,
      skipped: 0,
      notes: [],
      warnings: [],
    });
    const open = openProject(project, { write: false });
    const { promptId } = listCompletions(open)[0]!;
    const sampled = listCompletions(open, { promptId }).map(({ id }) => id);
    open.close();
    expect(sampled.length).toBe(2);
    writeLines(path.join(work, 'rankings.jsonl'), [
      { prompt_id: promptId, completion_ids: sampled, ranks: [1, 2], labeler: 'ada' },
      { prompt: prompts[20], chosen: ' Ships, but faster.', rejected: ' Ships.', labeler: 'ada' },
      ...papers.slice(21, 33).map(({ target }, i) => ({
        prompt: prompts[21 + i],
        completions: [` ${target[0]}`, ' no', ' nothing'],
        ranks: [1, 2, 2],
        labeler: 'ada',
        confidence: 7,
      })),
    ]);
    expect(await inProject('import', 'rankings', 'rankings.jsonl')).toMatchObject({
      format: 'tastemaker',
      added: 14,
      duplicates: 0,
      skipped: 0,
      warnings: [],
      made: { prompts: 0, completions: 1 + 36, rankings: 14 },
    });
    expect(await inProject('import', 'rankings', 'rankings.jsonl')).toMatchObject({
      added: 0,
      duplicates: 14,
      made: { completions: 0, rankings: 0 },
    });
    writeLines(path.join(work, 'new-prompt.jsonl'), [{ prompt: 'Something new?', chosen: ' Yes.', rejected: ' No.' }]);
    expect(await inProject('import', 'rankings', 'new-prompt.jsonl', '--add-prompts')).toMatchObject({
      format: 'trl-explicit',
      added: 1,
      made: { prompts: 1, completions: 2, rankings: 1 },
    });
  });

  test('reward model and PPO, and what the runs say of themselves', async () => {
    const reward = await inProject<{ id: string; model: string }>(
      'train',
      'reward',
      '--set',
      'batch=4',
      '--set',
      'steps_a_run=2',
      '--set',
      'validation=0.2',
    );
    expect(reward).toMatchObject({ id: '0004-reward', status: 'done', model: 'reward' });
    const ppo = await inProject(
      'train',
      'ppo',
      '--name',
      'tuned',
      ...['updates=2', 'episodes=4', 'max_new=8', 'evaluate_prompts=2', 'evaluate_every=1', 'epochs=2'].flatMap(
        (setting) => ['--set', setting],
      ),
    );
    expect(ppo).toMatchObject({ id: '0005-ppo', status: 'done', model: 'tuned', step: 2 });
    const runs = await inProject<{ id: string; status: string; killed: boolean }[]>('runs');
    expect(runs.map(({ id, status }) => [id, status])).toEqual([
      ['0005-ppo', 'done'],
      ['0004-reward', 'done'],
      ['0003-sample', 'done'],
      ['0002-sample', 'done'],
      ['0001-pretrain', 'done'],
    ]);
    const models = await inProject<{ name: string; kind: string; parent: string | null }[]>('model', 'list');
    expect(models.map(({ name, kind, parent }) => [name, kind, parent])).toEqual([
      ['base', 'base', null],
      ['reward', 'reward', 'base'],
      ['tuned', 'policy', 'base'],
    ]);

    const shown = await inProject<{
      metrics: { name: string; value: number; sentence: string }[];
      manifest: { config: { updates: number } };
    }>('run', 'show', '0005-ppo');
    expect(shown.manifest.config.updates).toBe(2);
    const rows = readLines<Record<string, number>>(path.join(project, 'runs/0005-ppo/metrics.jsonl'));
    expect(shown.metrics.length).toBeGreaterThan(10);
    for (const { name, value, sentence } of shown.metrics) {
      expect(value, name).toBe(rows.findLast((row) => name in row)![name]);
      expect(sentence.length, name).toBeGreaterThan(10);
    }
    const text = await cli(work, 'run', 'show', '0005-ppo');
    for (const { sentence } of shown.metrics) expect(text.stdout).toContain(sentence);
  });

  test('the trained models serve score and logprobs by their names', async () => {
    writeLines(path.join(work, 'rows.jsonl'), [{ prompt: 'We study ships.\n\nTL;DR:', completion: ' Ships.' }]);
    expect(await inProject('score', '--reward', 'reward', '--in', 'rows.jsonl', '--out', 'scored.jsonl')).toMatchObject(
      { rows: 1, eos: true },
    );
    expect(Number.isFinite(readLines<{ score: number }>(path.join(work, 'scored.jsonl'))[0]!.score)).toBe(true);
    expect(
      await inProject('logprobs', '--policy', 'tuned', '--in', 'rows.jsonl', '--out', 'out.jsonl', '--eos'),
    ).toMatchObject({ rows: 1 });
    const swapped = await cli(work, 'generate', '--policy', 'reward', '--in', 'rows.jsonl', '--out', 'no.jsonl');
    expect([swapped.code, swapped.stderr]).toEqual([
      2,
      expect.stringContaining('reward is a reward model; it cannot write'),
    ]);
  });

  test('Ctrl-C saves and stops; resume goes on; a killed run is resumed too; one that is cancelled while it trains ends, and is not', async () => {
    const started = ({ child, ended }: ReturnType<typeof startCli>) =>
      new Promise<void>((resolve, reject) => {
        child.stderr!.on('data', (piece: string) => /pretrain \d+\/\d+/.test(piece) && resolve());
        void ended.then(({ stderr }) => reject(new Error(`it ended by itself: ${stderr}`)));
      });
    const stopped = startCli(work, pretrain('stopped', { steps: 100000, checkpoint_every: 4 }));
    await started(stopped);
    stopped.child.kill('SIGINT');
    const { code, stdout, stderr } = await stopped.ended;
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('Stopped and saved; `tastemaker run resume 0006-pretrain` goes on.');
    const before = (await inProject<{ step: number }>('run', 'show', '0006-pretrain')).step;

    const again = startCli(work, ['run', 'resume', '0006-pretrain']);
    await started(again);
    again.child.kill('SIGKILL');
    await again.ended;
    const killed = await inProject<{ id: string; status: string; killed: boolean }[]>('runs');
    expect(killed[0]).toMatchObject({ id: '0006-pretrain', status: 'running', killed: true });

    const third = startCli(work, ['run', 'resume', '0006-pretrain']);
    await started(third);
    const again3 = await cli(work, 'run', 'resume', '0006-pretrain');
    expect([again3.code, again3.stderr], 'it is at work').toEqual([
      2,
      expect.stringContaining(`is running already: the process with the pid ${third.child.pid} looks after it`),
    ]);
    const cancel = await cli(work, 'run', 'cancel', '0006-pretrain'); // by another process: the one that trains obeys
    expect([cancel.code, cancel.stdout]).toEqual([
      0,
      expect.stringContaining(`is being cancelled by the process with the pid ${third.child.pid}`),
    ]);
    expect(await third.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('The run was cancelled.') });
    expect((await inProject<{ step: number; status: string }>('run', 'show', '0006-pretrain')).status).toBe(
      'cancelled',
    );
    expect((await inProject<{ step: number }>('run', 'show', '0006-pretrain')).step).toBeGreaterThan(before);
    const refused = await cli(work, 'run', 'resume', '0006-pretrain');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('was cancelled')]);
  });

  test('doctor finds the machine in order and the project sound', async () => {
    const found = await inProject<{
      packages: Record<string, string | null>;
      providers: { provider: string; state: string }[];
      project: { problems: string[] };
    }>('doctor', '--project', 'tiny.tastemaker');
    expect(Object.values(found.packages)).toEqual([null, null, null, null]);
    expect(found.providers.map(({ provider }) => provider)).toEqual(['cpu', 'cuda', 'webgpu']);
    expect(found.providers[0]!.state).toBe('ready');
    expect(found.project.problems).toEqual([]);
  });
});

const noDemo = !fs.existsSync(path.join(demoBaseFolder(), 'model.safetensors'));
describe.skipIf(noDemo)(`the demo world${noDemo ? ' (skipped: resources/demo/base is not there)' : ''}`, () => {
  test('new --demo, sample, label gold', async () => {
    const work = temporaryFolder();
    await cliJson(work, 'new', 'demo', '--demo', '--prompts', '12', '--held-out', '4');
    expect(
      await cliJson(
        work,
        'sample',
        '--policy',
        'base',
        '--k',
        '3',
        '--split',
        'train',
        '--prompts',
        '6',
        '--max-new',
        '16',
      ),
    ).toMatchObject({ added: 18 });
    expect(await cliJson(work, 'label', 'gold', '--labelers', '2', '--noise', '0.1')).toMatchObject({ added: 6 });
  });
});
