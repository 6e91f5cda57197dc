// The ranking desk: the item at hand, what has been entered for it, and the way from one item to the next.
//
// What is entered shows at once and is written at once, each change a transaction of its own, one after another (the
// write
// line). The next item is fetched while this one is worked on, so that Enter has it ready.

import { computed, onScopeDispose, ref, shallowRef } from 'vue';
import type { Arguments } from '#core/contract/calls.ts';
import type { DeskItem, DeskProgress } from '#core/contract/desk.ts';
import type { Fault } from '#core/contract/messages.ts';
import type { Mark } from '#core/contract/rankings.ts';
import { faultOf, isOfAnother, useProjectService } from '#renderer/api.ts';
import { keepPlace, takePlace } from '#renderer/components/desk/place-kept.ts';
import { QUEUE_ORDER, rememberedQueue, rememberQueue } from '#renderer/components/desk/queues.ts';
import {
  clearRank,
  dense,
  fromScale,
  inWords,
  isDense,
  letter,
  type Ranks,
  rowsOf,
  setRank,
  unranked,
  withLast,
} from '#renderer/components/desk/ranking.ts';
import { type Sheet, sheetOf } from '#renderer/components/desk/sheet.ts';
import { createWorkTime } from '#renderer/components/desk/work-time.ts';
import { createWriteLine, type LineState, UNSAVED } from '#renderer/components/desk/write-line.ts';
import { useApp } from './app.ts';
import { defineProjectStore } from './project-store.ts';
import { useToasts } from './toasts.ts';

type Changes = Arguments<'desk.draft'>['changes'];
type Status = Arguments<'desk.submit'>['status'];

const LOOK_AGAIN_MS = 200;

export const useDesk = defineProjectStore('desk', () => {
  const { project, call, on, beforeClosing } = useProjectService();
  const app = useApp();
  const toasts = useToasts();

  const queue = ref(rememberedQueue());
  const phase = ref<'loading' | 'ready' | 'done' | 'failed'>('loading');
  const fault = shallowRef<Fault | null>(null);
  const item = shallowRef<DeskItem | null>(null);
  const ranks = shallowRef<Ranks>(new Map());
  const confidence = ref<number | null>(null);
  const note = ref('');
  const naive = ref('');
  const flagged = ref(false);
  const flaggedAnswers = shallowRef<ReadonlySet<number>>(new Set());
  const marks = shallowRef<ReadonlyMap<number, Mark[]>>(new Map());
  const ratings = shallowRef<ReadonlyMap<number, Record<string, number>>>(new Map());
  const focus = ref(0);
  const opened = shallowRef<ReadonlySet<number>>(new Set());
  const progress = shallowRef<DeskProgress | null>(null);
  const saved = shallowRef<LineState>({ kind: 'idle' });
  /** the newest change in words, for a screen reader */
  const said = ref('');
  /** waiting for the digit that says how sure */
  const askingConfidence = ref(false);

  const work = createWorkTime(() => app.settings?.breakMinutes ?? 0);
  const ids = computed(() => item.value?.answers.map((answer) => answer.completionId) ?? []);
  const pair = computed<[number, number] | null>(() =>
    ids.value.length === 2 ? [ids.value[0]!, ids.value[1]!] : null,
  );
  const focusedId = computed(() => ids.value[focus.value] ?? null);
  const covered = computed(() =>
    Boolean(app.settings?.naiveReading && item.value && !item.value.ranking && !opened.value.has(item.value.itemId)),
  );
  const labelerId = computed(() => app.labeler?.id ?? null);

  let turn = 0; // a newer wish makes an older reply worthless
  let prepared: { after: number; item: Promise<DeskItem | null>; value?: DeskItem | null } | null = null;
  let left: Sheet[] = []; // items left before their last write was committed
  let failedItem: number | null = null;
  let submitted: number | null = null;
  let own = 0;
  let heard = 0;
  let lookTimer: ReturnType<typeof setTimeout> | undefined;
  onScopeDispose(() => clearTimeout(lookTimer));

  /** One sentence of the desk at a time: a second one would cover what is being read. */
  let told = 0;
  function tell(sentence: string): void {
    toasts.close(told);
    told = toasts.show({ sentence });
  }

  // ---- Writing

  const line = createWriteLine((state) => {
    saved.value = state;
    if (state.kind === 'failed' && isOfAnother(state.error)) return void useToasts().show(UNSAVED);
    if (state.kind === 'failed') backToFailed(state.error);
    if (state.kind === 'saved') left = [];
    if (state.kind === 'saved') lookAgain();
  });

  beforeClosing(() => line.settled());

  /** Puts a write of the item at hand into the line. */
  function write(make: () => Promise<{ at: number }>, key?: string): void {
    const itemId = item.value?.itemId ?? null;
    line.add(
      async () => {
        try {
          const done = await make();
          own++;
          return done;
        } catch (error) {
          failedItem = itemId;
          throw error;
        }
      },
      key && `${itemId} ${key}`,
    );
  }

  /** A change that could not be committed is shown where it was made. */
  function backToFailed(error: unknown): void {
    toasts.fault(error);
    const sheet = left.find((other) => other.item.itemId === failedItem);
    if (!sheet || item.value?.itemId === failedItem) return;
    turn++;
    lay(sheet);
  }

  const here = () => ({ labelerId: labelerId.value!, itemId: item.value!.itemId });
  function change(changes: Changes, key?: string): void {
    if (!item.value || labelerId.value === null) return;
    const args = { ...here(), changes, durationMs: work.itemMs() };
    write(() => call('desk.draft', args), key);
  }

  /** Shows and writes a new ranking; the same map means that nothing changed. */
  function setRanks(next: Ranks): void {
    if (next === ranks.value || !item.value || refuseCovered()) return;
    toasts.close(told);
    ranks.value = next;
    change({ ranks: rowsOf(next) });
    said.value = inWords(next, ids.value);
  }
  function setConfidence(value: number | null): void {
    askingConfidence.value = false;
    if (value === confidence.value || !item.value || refuseCovered()) return;
    confidence.value = value;
    change({ confidence: value });
    said.value = value === null ? 'No confidence given' : `Confidence ${value} of 9`;
  }
  /** Ranks and confidence in one transaction. */
  function setBoth(next: Ranks, sure: number | null): void {
    askingConfidence.value = false;
    if (!item.value || refuseCovered()) return;
    [ranks.value, confidence.value] = [next, sure];
    change({ ranks: rowsOf(next), confidence: sure });
    said.value = inWords(next, ids.value);
  }
  /** One of the nine points: between two answers it says which is better too. */
  function givePoint(n: number): void {
    if (!pair.value) return setConfidence(n);
    const { ranks: next, confidence: sure } = fromScale(n, pair.value);
    setBoth(next, sure);
  }
  function giveRank(id: number, rank: number | null, settlesLast = false): void {
    if ((rank ?? 1) > ids.value.length)
      return tell(
        `There ${ids.value.length === 1 ? 'is 1 answer' : `are ${ids.value.length} answers`}, so ranks go from 1 to ${ids.value.length}; the same digit twice is a tie.`,
      );
    const next = rank === null ? clearRank(ranks.value, id) : setRank(ranks.value, id, rank);
    setRanks(settlesLast ? withLast(next, ids.value) : next);
  }
  function setNote(text: string): void {
    note.value = text;
    change({ note: text || null }, 'note');
  }
  function setNaive(text: string): void {
    naive.value = text;
    change({ naive: text || null }, 'naive');
  }
  function setFlag(value: boolean): void {
    if (!item.value || labelerId.value === null) return;
    flagged.value = value;
    const args = { ...here(), flagged: value };
    write(() => call('desk.flag', args));
    said.value = value ? 'Flagged' : 'Flag taken off';
  }
  function setAnswerFlag(completionId: number, value: boolean): void {
    if (labelerId.value === null) return;
    const next = new Set(flaggedAnswers.value);
    if (value) next.add(completionId);
    else next.delete(completionId);
    flaggedAnswers.value = next;
    const args = { completionId, labelerId: labelerId.value, flagged: value };
    write(() => call('samples.flag', args));
    said.value = `Answer ${letter(ids.value.indexOf(completionId))} ${value ? 'flagged' : 'no longer flagged'}`;
  }
  function setRating(completionId: number, axis: string, value: number | null): void {
    if (labelerId.value === null || refuseCovered()) return;
    const { [axis]: _, ...others } = ratings.value.get(completionId) ?? {};
    ratings.value = new Map(ratings.value).set(completionId, value === null ? others : { ...others, [axis]: value });
    const args = { completionId, labelerId: labelerId.value, axis, value };
    write(() => call('ratings.set', args));
    said.value = value === null ? `${axis} cleared` : `${axis} ${value} of 7`;
  }
  const setMarks = (completionId: number, next: Mark[]) =>
    void (marks.value = new Map(marks.value).set(completionId, next));
  /** Shows the prompt: the naive reading is written, or is not wanted. */
  function uncover(): void {
    if (item.value) opened.value = new Set(opened.value).add(item.value.itemId);
  }
  function refuseCovered(): boolean {
    if (covered.value)
      tell('The prompt is still covered: write what you think happened, or press Skip there, then rank.');
    return covered.value;
  }

  // ---- Showing

  function lay(sheet: Sheet): void {
    const same = item.value?.itemId === sheet.item.itemId;
    item.value = sheet.item;
    ranks.value = sheet.ranks;
    confidence.value = sheet.confidence;
    note.value = sheet.note;
    naive.value = sheet.naive;
    flagged.value = sheet.flagged;
    flaggedAnswers.value = sheet.flaggedAnswers;
    marks.value = sheet.marks;
    ratings.value = sheet.ratings;
    askingConfidence.value = false;
    fault.value = null;
    phase.value = 'ready';
    if (!same) [focus.value, said.value] = [0, '']; // what was said was of another item
    if (sheet.naive) uncover();
  }
  function show(next: DeskItem | null): void {
    if (next) {
      work.restart(next.draft.durationMs);
      keepPlace(project, labelerId.value, next.itemId);
      lay(sheetOf(next));
      prepare();
    } else {
      item.value = null;
      phase.value = 'done';
    }
  }
  /** What is on the screen now, kept until its writes are committed. */
  function keep(): void {
    if (!item.value || line.waiting === 0) return;
    const sheet = {
      item: item.value,
      ranks: ranks.value,
      confidence: confidence.value,
      note: note.value,
      naive: naive.value,
      flagged: flagged.value,
      flaggedAnswers: flaggedAnswers.value,
      marks: marks.value,
      ratings: ratings.value,
    };
    left = [...left.filter((other) => other.item !== sheet.item), sheet];
  }

  // ---- Moving

  const ask = (where: { itemId?: number; from?: number; step?: 1 | -1 }) =>
    call('desk.item', { labelerId: labelerId.value!, queue: queue.value, ...where });

  /** Fetches what comes after this item as soon as everything entered is committed. */
  function prepare(): void {
    const after = item.value!.itemId;
    const hint: NonNullable<typeof prepared> = {
      after,
      item: line.settled().then(() => ask({ from: after, step: 1 })),
    };
    prepared = hint;
    hint.item.then(
      (value) => {
        hint.value = value;
      },
      () => {
        if (prepared === hint) prepared = null;
      },
    );
  }

  /** Runs a fetch; its item is shown unless something newer was wanted meanwhile. */
  async function obtain(get: () => Promise<DeskItem | null>): Promise<DeskItem | null | undefined> {
    const mine = ++turn;
    const failed = saved.value.kind === 'failed';
    try {
      await line.settled();
      const next = await get();
      return mine === turn ? next : undefined;
    } catch (error) {
      if (mine !== turn) return undefined;
      if (saved.value.kind === 'failed')
        return failed
          ? void tell('Something is not saved yet: try it again or give it up (above), then go on.')
          : undefined; // the first time the line has said it
      if (item.value) toasts.fault(error);
      else [phase.value, fault.value] = ['failed', faultOf(error)];
      return undefined;
    }
  }

  /** The first item to label, or `itemId`. */
  async function load(itemId?: number): Promise<void> {
    if (labelerId.value === null) return;
    prepared = null;
    if (!item.value) phase.value = 'loading';
    const next = await obtain(() => ask(itemId === undefined ? {} : { itemId }));
    if (next !== undefined) show(next);
    lookAgain();
  }

  /** To the neighbour in the queue; what was entered stays with its item. */
  async function go(step: 1 | -1): Promise<void> {
    if (!item.value) return void load();
    const from = item.value.itemId;
    keep();
    const ready = step === 1 && prepared?.after === from ? prepared : null;
    if (ready?.value) {
      turn++;
      return show(ready.value);
    }
    const next = await obtain(() => ready?.item ?? ask({ from, step }));
    if (next) show(next);
    else if (next === null)
      tell(step === 1 ? 'This is the last item of the queue.' : 'This is the first item of the queue.');
  }

  async function submit(status: Status): Promise<void> {
    if (!item.value || labelerId.value === null) return;
    if (status !== 'skipped' && refuseCovered()) return;
    if (status === 'ranked') {
      const missing = unranked(ranks.value, ids.value);
      if (missing.length > 0) {
        focus.value = ids.value.indexOf(missing[0]!);
        const names = missing.map((id) => letter(ids.value.indexOf(id))).join(', ');
        if (pair.value)
          return tell(
            `Choose first: ${app.settings?.askConfidence ? '1 to 4 where A is better, 6 to 9 where B is' : '1 or 2 for the better one'}, = where they are even, or X if neither is acceptable.`,
          );
        return tell(
          `${missing.length === 1 ? `Answer ${names} has` : `Answers ${names} have`} no rank yet: give one with the digits, or press X if none is acceptable.`,
        );
      }
      if (!isDense(ranks.value)) {
        ranks.value = dense(ranks.value, ids.value);
        change({ ranks: rowsOf(ranks.value) });
      }
    }
    const args = { ...here(), status, durationMs: work.itemMs() };
    submitted = args.itemId;
    // if it comes back as a repeat, it is covered as any other
    opened.value = new Set([...opened.value].filter((id) => id !== args.itemId));
    write(() => call('desk.submit', args));
    keep();
    const ready = prepared?.after === args.itemId ? prepared : null;
    if (ready?.value) {
      turn++;
      return show(ready.value);
    }
    // nothing after it: what is left may lie before it
    const next = await obtain(
      async () => (await ready?.item) ?? (await ask({ from: args.itemId, step: 1 })) ?? ask({}),
    );
    if (next !== undefined) show(next);
  }

  /** Takes back, or does again, the newest change, wherever it was made; shows the item it was made on. */
  let undoing: Promise<void> = Promise.resolve();
  function undo(which: 'desk.undo' | 'desk.redo'): Promise<void> {
    undoing = undoing.then(async () => {
      if (labelerId.value === null) return;
      try {
        await line.settled();
        const done = await call(which, { labelerId: labelerId.value });
        if (!done) return tell(which === 'desk.undo' ? 'There is nothing to undo.' : 'There is nothing to redo.');
        own++;
        await load(done.itemId ?? item.value?.itemId);
        tell(done.sentence);
      } catch (error) {
        if (saved.value.kind === 'failed')
          tell('Something is not saved yet: try it again or give it up (above), then undo.');
        else toasts.fault(error);
      }
    });
    return undoing;
  }

  /** Once more; an item whose submit had failed is left behind when it is committed. */
  function retry(): void {
    failedItem = null;
    line.retry();
    line.settled().then(
      () => {
        if (item.value && item.value.itemId === submitted) void go(1);
      },
      () => undefined,
    );
  }
  /** Gives up what could not be saved and shows what is in the project. */
  async function giveUp(): Promise<void> {
    line.giveUp();
    left = [];
    await load(item.value?.itemId);
  }

  function setQueue(name: string): void {
    const known = QUEUE_ORDER.find((other) => other === name);
    if (!known) return;
    queue.value = known;
    rememberQueue(known);
    keep();
    item.value = null;
    void load();
  }
  /** Back at the desk: what lay on it still does. */
  async function resume(): Promise<void> {
    if (!item.value) return load(takePlace(project, labelerId.value));
    prepare();
    lookAgain();
  }
  /** Another labeler: nothing of this one is shown. */
  function forget(): void {
    turn++;
    item.value = progress.value = prepared = null;
    phase.value = 'loading';
  }

  // ---- What other windows do

  /** After a quiet moment: the figures, and the item too if somebody else changed it. */
  function lookAgain(): void {
    clearTimeout(lookTimer);
    lookTimer = setTimeout(async () => {
      if (labelerId.value === null || line.waiting > 0) return;
      const foreign = heard > own;
      heard = own = 0;
      try {
        progress.value = await call('desk.progress', { labelerId: labelerId.value, queue: queue.value });
        if (foreign && item.value && line.waiting === 0) {
          const again = await ask({ itemId: item.value.itemId });
          if (again && line.waiting === 0 && again.itemId === item.value?.itemId) lay(sheetOf(again));
        }
      } catch {
        /* the figures come with the next change */
      }
    }, LOOK_AGAIN_MS);
  }
  on('labels.changed', (event) => {
    if (event.labelerId !== labelerId.value) return;
    heard++;
    if (item.value || phase.value !== 'done') lookAgain();
    else void load();
  });
  on('data.changed', () => {
    if (!item.value) void load();
  });

  return {
    queue,
    phase,
    fault,
    item,
    ranks,
    confidence,
    note,
    naive,
    flagged,
    flaggedAnswers,
    marks,
    ratings,
    focus,
    progress,
    saved,
    said,
    askingConfidence,
    ids,
    pair,
    focusedId,
    covered,
    labelerId,
    work,
    setRanks,
    setConfidence,
    setBoth,
    giveRank,
    setNote,
    setNaive,
    setFlag,
    setAnswerFlag,
    setRating,
    setMarks,
    uncover,
    refuseCovered,
    tell,
    write,
    load,
    go,
    submit,
    undo,
    retry,
    giveUp,
    setQueue,
    resume,
    forget,
    givePoint,
    lookAgain,
    unsaved: () => line.waiting > 0,
  };
});
