// Checks what the frame works out: the next useful step of a project, the order of the palette's finds, short counts.
import { wordsOf } from '#core/service/runs/run-rows.ts';
import { expect, test } from 'vitest';
import type { Current, PolicyKind } from '#core/contract/models.ts';
import type { ProjectSummary } from '#core/contract/project.ts';
import type { RunKind } from '#core/contract/runs.ts';
import { byteText } from '#renderer/components/byte-text.ts';
import { searchCommands } from '#renderer/components/frame/command-search.ts';
import { ACTION_NAMES, ACTIONS } from '#renderer/actions.ts';
import type { ActionName } from '#renderer/actions.ts';
import { shortCount } from '#renderer/components/frame/screens.ts';
import { isFilling, loopOf, nextStep } from '#renderer/components/home/loop.ts';

const NONE: Current = { modelId: null, name: null, by: 'rule', reason: '', proposal: null };
const project = (changes: Partial<ProjectSummary>): ProjectSummary => ({
  id: 'p',
  folder: '/p',
  name: 'p',
  prompts: { train: 0, validation: 0, test: 0 },
  completions: 0,
  rankings: 0,
  comparisons: 0,
  teaching: 0,
  simulated: 0,
  wanted: 10,
  left: 100,
  models: 0,
  runs: 0,
  resting: 0,
  isDemo: false,
  notices: [],
  straddling: 0,
  strayed: null,
  current: { policy: NONE, reward: NONE, doubt: null },
  ...changes,
});

test('the loop leads from prompts to inspecting, one useful step at a time', () => {
  const prompts = { train: 10, validation: 0, test: 2 };
  const doubted = { policy: NONE, reward: NONE, doubt: 'It orders as chance does.' };
  const walk: [Partial<ProjectSummary>, PolicyKind[], string, string, RunKind | undefined][] = [
    [{}, [], 'prompts', '/data', undefined],
    [{ prompts }, [], 'samples', '/models', undefined], // nothing to sample from yet
    [{ prompts }, ['base'], 'samples', '/train?recipe=sample', 'sample'],
    [{ prompts, completions: 48 }, ['base'], 'rankings', '/label', undefined],
    [{ prompts, completions: 48, rankings: 12, wanted: 1 }, ['base'], 'rankings', '/label', undefined],
    [
      { prompts, completions: 48, rankings: 40, wanted: 2, left: 0 },
      ['base'],
      'rankings',
      '/train?recipe=sample',
      'sample',
    ], // nothing left to rank
    [{ prompts, completions: 48, rankings: 12, wanted: 0 }, ['base'], 'reward', '/train?recipe=reward', 'reward'],
    [{ prompts, completions: 48, rankings: 40, wanted: 0 }, ['base', 'reward'], 'ppo', '/train?recipe=ppo', 'ppo'],
    [
      { prompts, completions: 48, rankings: 40, wanted: 0, current: doubted },
      ['base', 'reward'],
      'reward',
      '/label',
      undefined,
    ], // noise is not worth tuning towards
    [
      { prompts, completions: 48, rankings: 40, wanted: 0, left: 0, current: doubted },
      ['base', 'reward'],
      'reward',
      '/train?recipe=sample',
      'sample',
    ],
    [
      { prompts, completions: 48, rankings: 40, wanted: 0 },
      ['base', 'reward', 'policy'],
      'inspect',
      '/inspect',
      undefined,
    ],
  ];
  for (const [changes, kinds, name, path, recipe] of walk) {
    const steps = loopOf(
      project(changes),
      kinds.map((kind) => ({ kind })),
    );
    const next = nextStep(steps);
    expect([next.name, next.path, next.recipe]).toEqual([name, path, recipe]);
    for (const step of steps) expect(step.done && Boolean(step.doubt)).toBe(false); // no tick on what is doubted
  }
  expect(
    nextStep(loopOf(project({ prompts, completions: 4, rankings: 90, wanted: 3 }), [{ kind: 'base' }])).sentence,
  ).toContain('3 more rankings');
});

test('while a demo is being written nothing is proposed that is under way or has little to work on yet', () => {
  const prompts = { train: 10, validation: 0, test: 2 };
  const next = (changes: Partial<ProjectSummary>, kinds: PolicyKind[] = ['base']) =>
    nextStep(
      loopOf(
        project({ prompts, ...changes }),
        kinds.map((kind) => ({ kind })),
        true,
      ),
    );
  expect([next({}).name, next({}).recipe, next({}).path]).toEqual(['samples', undefined, '/train']);
  expect(next({ completions: 48 }).path).toBe('/label');
  const ranked = next({ completions: 48, rankings: 12, wanted: 0 });
  expect([ranked.name, ranked.recipe, ranked.path]).toEqual(['reward', undefined, '/label']);
  const demo = { isDemo: true, simulated: 0 };
  const first = { words: wordsOf('sample'), status: 'done', createdAt: 1 } as const;
  const second = { words: wordsOf('sample'), status: 'running', createdAt: 2 } as const;
  for (const runs of [[first], [second, first], [{ ...second, status: 'done' }, first]] as const)
    expect(isFilling(demo, runs)).toBe(true);
  expect(isFilling({ ...demo, simulated: 1290 }, [second, first])).toBe(false);
  expect(isFilling({ ...demo, isDemo: false }, [second, first])).toBe(false);
  for (const runs of [
    [],
    [{ ...second, status: 'cancelled' }, first],
    [{ ...second, createdAt: 3 }, { ...second, status: 'failed' }, first],
    [{ ...second, words: wordsOf('ppo') }],
  ] as const)
    expect(isFilling(demo, runs)).toBe(false);
});

test('whose rankings are counted is said where they are counted', () => {
  const noteOf = (changes: Partial<ProjectSummary>) =>
    loopOf(project(changes), []).find(({ name }) => name === 'rankings')!.note;
  expect(noteOf({ rankings: 12 })).toBeUndefined();
  expect(noteOf({ rankings: 1300, simulated: 1300 })).toBe('simulated labelers, not yours');
  expect(noteOf({ rankings: 1312, simulated: 1300 })).toBe('1,300 by simulated labelers');
});

test('the palette finds by word beginnings before letters in order, and nothing that does not fit', () => {
  const command = (title: string, group = 'Action') => ({ id: title, title, group, key: '', run: () => {} });
  const commands = [
    command('Switch between light and dark'),
    command('Go to Label', 'Screen'),
    command('New project…'),
    command('lab-run-3', 'Run'),
  ];
  const titles = (typed: string) => searchCommands(commands, typed).map(({ title }) => title);
  expect(titles('lab')[0]).toBe('lab-run-3');
  expect(titles('go lab')).toEqual(['Go to Label']);
  expect(titles('npr')).toEqual(['New project…']);
  expect(titles('zzz')).toEqual([]);
  expect(titles(' ')).toHaveLength(4);
});

test('the palette finds what changes something by whole words alone, and never before what changes nothing', () => {
  const data = ACTION_NAMES.map((name) => ({
    id: name,
    title: ACTIONS[name].title,
    group: '',
    key: '',
    ...(ACTIONS[name].changes && { changes: ACTIONS[name].changes }),
    run: () => {},
  }));
  const found = (typed: string) => searchCommands(data, typed).map(({ id }) => id);
  for (const part of ['tele', 'rem', 'remov', 'selec', 'sto', 'sub', 'undo th st'])
    expect(found(part).filter((id) => ACTIONS[id as ActionName].changes)).toEqual([]);
  expect(found('remove')).toContain('data.remove');
  expect(found('close project')).toContain('project.close');
  for (const typed of ['', 'the', 'project']) {
    const changing = found(typed).map((id) => Boolean(ACTIONS[id as ActionName].changes));
    expect(changing.indexOf(true)).not.toBe(0);
  }
  for (const name of [
    'data.remove',
    'run.stop',
    'project.close',
    'desk.submit',
    'desk.none',
    'desk.skip',
    'desk.undo',
    'train.start',
  ] as const)
    expect(ACTIONS[name].changes).toMatch(/^[A-Z].*\.$/);
});

test('counts and sizes stay short', () => {
  expect([0, 999, 1000, 12_345, 99_960, 400_000, 999_999, 1_250_000].map(shortCount)).toEqual([
    '0',
    '999',
    '1k',
    '12.3k',
    '100k',
    '400k',
    '1M',
    '1.3M',
  ]);
  expect([0, 999, 1234, 25_300_000_000, 999_600].map(byteText)).toEqual(['0 B', '999 B', '1.2 kB', '25 GB', '1.0 MB']);
});
