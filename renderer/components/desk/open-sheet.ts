// The sheet that lies open on the desk: the item at hand, what its labeler has entered, and where the eye is on it.

import { computed, ref, shallowRef, type WritableComputedRef } from 'vue';
import { useApp } from '#renderer/stores/app.ts';
import type { Sheet } from './sheet.ts';

type Entered = Omit<Sheet, 'item'>;
const BLANK: Entered = {
  ranks: new Map(),
  confidence: null,
  note: '',
  naive: '',
  flagged: false,
  flaggedAnswers: new Set(),
  marks: new Map(),
  ratings: new Map(),
};

export type OpenSheet = ReturnType<typeof useOpenSheet>;

/** `tell` says why nothing is taken. */
export function useOpenSheet(tell: (sentence: string) => void) {
  const app = useApp();
  const sheet = shallowRef<Sheet | null>(null);
  const focus = ref(0);
  /** the newest change in words, for a screen reader */
  const said = ref('');
  /** waiting for the digit that says how sure */
  const askingConfidence = ref(false);
  /** submitted, while the next one is on its way: a digit that comes now is not of this item any more */
  const leaving = ref(false);
  /** items whose prompt has been uncovered */
  const opened = shallowRef<ReadonlySet<number>>(new Set());

  const part = <P extends keyof Entered>(name: P): WritableComputedRef<Entered[P]> =>
    computed({
      get: () => (sheet.value ?? BLANK)[name],
      set: (value) => void (sheet.value &&= { ...sheet.value, [name]: value }),
    });
  const labelerId = computed(() => app.labeler?.id ?? null);
  const item = computed(() => sheet.value?.item ?? null);
  const ids = computed(() => item.value?.answers.map((answer) => answer.completionId) ?? []);
  const pair = computed<[number, number] | null>(() =>
    ids.value.length === 2 ? [ids.value[0]!, ids.value[1]!] : null,
  );
  const focusedId = computed(() => ids.value[focus.value] ?? null);
  const covered = computed(() =>
    Boolean(app.settings?.naiveReading && item.value && !item.value.ranking && !opened.value.has(item.value.itemId)),
  );

  /** Shows the prompt: the naive reading is written, or is not wanted. */
  function uncover(): void {
    if (item.value) opened.value = new Set(opened.value).add(item.value.itemId);
  }
  const coverAgain = (itemId: number): void =>
    void (opened.value = new Set([...opened.value].filter((id) => id !== itemId)));
  /** Says why nothing is taken now; false where something is. */
  function refuses(): boolean {
    if (leaving.value) tell('This item is submitted, and the next one is on its way.');
    else if (covered.value)
      tell('The prompt is still covered: write what you think happened, or press Skip there, then rank.');
    return leaving.value || covered.value;
  }
  function lay(next: Sheet | null): void {
    const same = next === null || item.value?.itemId === next.item.itemId;
    sheet.value = next;
    leaving.value = askingConfidence.value = false;
    if (!same) [focus.value, said.value] = [0, '']; // what was said was of another item
    if (next?.naive) uncover();
  }

  const parts = {
    ranks: part('ranks'),
    confidence: part('confidence'),
    note: part('note'),
    naive: part('naive'),
    flagged: part('flagged'),
    flaggedAnswers: part('flaggedAnswers'),
    marks: part('marks'),
    ratings: part('ratings'),
  };
  const eye = { focus, focusedId, said, askingConfidence, covered };
  return { sheet, lay, leaving, coverAgain, labelerId, item, ids, pair, ...parts, ...eye, uncover, refuses };
}
