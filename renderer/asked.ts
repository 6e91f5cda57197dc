// What a screen shows of what the service knows: asked when it is set up, asked again when its arguments or the project
// change, with the fault where it failed. The newest question alone is answered.

import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue';
import type { Ref, ShallowRef } from 'vue';
import type { Arguments, CallName, Result } from '#core/contract/calls.ts';
import type { EventName, Events } from '#core/contract/events.ts';
import type { Fault } from '#core/contract/messages.ts';
import { connection, faultOf, isOfAnother, useProjectService } from './api.ts';

export interface AskedOptions {
  /**
   * the events after which it is asked again: all of a name, or those that a function picks by what they carry; where
   * there are any, also after some may have been missed
   */
  again?: { readonly [E in EventName]?: true | ((data: Events[E]) => boolean) };
  /** milliseconds before it is asked again, so that many changes in a row are one question */
  afterMs?: number;
  /** the answer to other arguments is not shown while this one is on its way */
  anew?: boolean;
  /** hears of every failure, where the screen has no place for `fault` */
  failed?: (error: unknown) => void;
}

export interface Asked<T> {
  /** null until the first answer, while nothing is asked, and where the question failed */
  answer: ShallowRef<T | null>;
  fault: ShallowRef<Fault | null>;
  busy: Ref<boolean>;
  /** Asks again at once; done when it is answered. Never rejects. */
  load(): Promise<void>;
}

interface Question<K extends CallName> {
  args: Arguments<K>;
  key: string;
  /** it was wished for again while it was under way */
  again: boolean;
  done: Promise<void>;
}

/**
 * Asks `name` of the project that is shown now, and of no other, with what `args` says; null asks nothing and forgets
 * the answer. Other arguments overtake a question that is under way; the same ones are asked once more after it. An
 * answer stays while it is asked anew, also where that fails, but never beside arguments that it is not of.
 */
export function useAsked<K extends CallName>(
  name: K,
  args: () => Arguments<K> | null,
  { again = {}, afterMs = 0, anew = false, failed }: AskedOptions = {},
): Asked<Result<K>> {
  const { call, on } = useProjectService();
  const answer = shallowRef<Result<K> | null>(null);
  const fault = shallowRef<Fault | null>(null);
  const busy = ref(false);
  const key = computed(() => JSON.stringify(args()));
  let newest: Question<K> | null = null;
  let answered: string | null = null; // whose arguments `answer` is of
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function ask(question: Question<K>): Promise<void> {
    do {
      question.again = false;
      try {
        const found = await call(name, question.args);
        if (question !== newest) return;
        [answer.value, answered, fault.value] = [found, question.key, null];
      } catch (error) {
        if (question !== newest) return;
        if (isOfAnother(error)) break; // nobody waits for it
        if (answered !== question.key) answer.value = null;
        fault.value = faultOf(error);
        failed?.(error);
      }
    } while (question.again);
    [newest, busy.value] = [null, false];
  }
  function noTimer(): void {
    clearTimeout(timer);
    timer = undefined;
  }
  function load(): Promise<void> {
    noTimer();
    const wanted = args();
    if (wanted === null) return Promise.resolve();
    if (newest?.key === key.value) {
      newest.again = true;
      return newest.done;
    }
    const question: Question<K> = { args: wanted, key: key.value, again: false, done: Promise.resolve() };
    [newest, busy.value] = [question, true];
    return (question.done = ask(question));
  }
  /** Of events that never pause the first sets the time: a question put off by each of them would never be asked. */
  function loadSoon(): void {
    if (afterMs === 0) return void load();
    timer ??= setTimeout(() => void load(), afterMs);
  }
  function forget(): void {
    noTimer();
    [newest, answered, answer.value, fault.value, busy.value] = [null, null, null, null, false];
  }

  watch(key, (now, before) => {
    newest = null; // whatever is under way is of other arguments
    if (now === 'null') return forget();
    if (anew) forget();
    noTimer(); // who is still typing is not asked for
    if (before === 'null') void load();
    else loadSoon();
  });
  for (const event of Object.keys(again) as EventName[]) {
    const picks = again[event] as true | ((data: Events[typeof event]) => boolean);
    on(event, (data) => (picks === true || picks(data)) && loadSoon());
  }
  if (Object.keys(again).length > 0) {
    on('service.restarted', loadSoon);
    watch(connection, (now) => now === 'open' && loadSoon());
  }
  onScopeDispose(forget);
  void load();
  return { answer, fault, busy, load };
}
