// How far a run is: the line at the foot of the window and the run's page say the same at every moment of it.
// @vitest-environment happy-dom
import { RouterLinkStub, shallowMount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { expect, test } from 'vitest';
import type { RunRow } from '#core/contract/runs.ts';
import { wordsOf } from '#core/service/runs/run-rows.ts';

window.workbench = { call: () => new Promise(() => {}), on: () => () => {} };
const { default: StatusBar } = await import('#renderer/components/frame/StatusBar.vue');
const { default: RunProgress } = await import('#renderer/components/train/RunProgress.vue');

const run = (changes: Partial<RunRow>): RunRow => ({
  id: '0001-ppo',
  kind: 'ppo',
  words: wordsOf('ppo'),
  name: 'careful',
  status: 'running',
  createdAt: 0,
  endedAt: null,
  error: null,
  step: 0,
  total: 20,
  secondsLeft: null,
  phase: '',
  modelId: null,
  summary: null,
  resumable: true,
  atRest: false,
  ...changes,
});
/** What bar and words are at this moment, on the run's page and at the foot of the window. */
function shown(changes: Partial<RunRow>) {
  setActivePinia(createPinia());
  const one = run(changes);
  const page = shallowMount(RunProgress, { props: { run: one } });
  const foot = shallowMount(StatusBar, {
    props: { run: one, waiting: 0 },
    global: { stubs: { RouterLink: RouterLinkStub }, renderStubDefaultSlot: true },
  });
  const barOf = (box: typeof page | typeof foot) => {
    const { max, value, position } = box.find('progress').element as HTMLProgressElement;
    const isMoving = box.find('progress').classes('moving');
    return isMoving || position < 0 ? 'moving' : value / max;
  };
  return {
    bars: [barOf(page), barOf(foot)],
    percent: foot.find('.percent').text(),
    phase: page.find('.phase').text(),
    word: foot.find('.left').text(),
    title: foot.find('.run').attributes('title'),
  };
}

test('the bar is of the whole run: it never goes back, and moves by itself where nobody knows', () => {
  const before = shown({ phase: 'sampling', part: { done: 12, total: 60 } });
  expect(before).toMatchObject({ bars: ['moving', 'moving'], percent: '', phase: 'sampling, 12 of 60' });
  expect(shown({ step: 1, phase: 'training' })).toMatchObject({ bars: [0.05, 0.05], percent: '5 %' });
  expect(shown({ step: 7, phase: 'sampling', part: { done: 3, total: 4 } }).bars).toEqual([0.35, 0.35]);
  expect(shown({ step: 20, phase: 'validating', part: { done: 3, total: 4 } }).bars).toEqual(['moving', 'moving']);
  expect(shown({ total: 0, phase: 'scoring', part: { done: 30, total: 40 } }).bars).toEqual([0.75, 0.75]);
});

test('a phase is never cut without a title that has all of it', () => {
  const long = { phase: 'reading with the frozen blocks', part: { done: 1200, total: 1300 } };
  expect(shown(long)).toMatchObject({
    word: 'reading with the frozen blocks, 1,200 of 1,300',
    title: 'careful: running, reading with the frozen blocks, 1,200 of 1,300',
  });
  expect(shown({ ...long, step: 3, secondsLeft: 125 })).toMatchObject({
    word: '2 min 5 s left',
    title: 'careful: running, reading with the frozen blocks, 1,200 of 1,300, 2 min 5 s left',
  });
});
