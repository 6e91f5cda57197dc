// Fields that are saved when they are left, and messages: nothing late overwrites what is typed, nothing outlives its
// screen.
// @vitest-environment happy-dom
import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { expect, it, vi } from 'vitest';
import { nextTick, ref } from 'vue';
import { keptText } from '#renderer/components/kept-text.ts';
import NumberField from '#renderer/components/NumberField.vue';
import { savedText } from '#renderer/components/saved-text.ts';
import { useToasts } from '#renderer/stores/toasts.ts';

it('a late answer to an earlier save does not overwrite what is typed now', async () => {
  const kept = ref('good');
  let answer = () => {};
  const { text, leave } = savedText(
    () => kept.value,
    (typed) =>
      new Promise<void>(
        (resolve) =>
          (answer = () => {
            kept.value = typed.trim();
            resolve();
          }),
      ),
  );
  text.value = 'bad';
  const first = leave();
  text.value = 'bad\npleading'; // typed on while it is on its way
  answer();
  await first;
  expect(text.value).toBe('bad\npleading');
  const second = leave();
  answer();
  await second;
  expect([text.value, kept.value]).toEqual(['bad\npleading', 'bad\npleading']);
});

it('a field that nobody types in follows what is kept, and shows how it was understood', async () => {
  const kept = ref('a');
  const { text, leave } = savedText(
    () => kept.value,
    async (typed) => void (kept.value = typed.trim()),
  );
  kept.value = 'b'; // another window
  expect(text.value).toBe('b');
  text.value = '  c ';
  await leave();
  expect(text.value).toBe('c');
});

it('what could not be saved stays typed', async () => {
  const { text, leave } = savedText(
    () => 'a',
    () => Promise.reject(new Error('no')),
  );
  text.value = 'b';
  await expect(leave()).rejects.toThrow('no');
  expect(text.value).toBe('b');
});

it('a number that is typed on is not overwritten by the answer to the one before', async () => {
  const field = mount(NumberField, { props: { label: 'Goal', modelValue: 30, 'onUpdate:modelValue': () => {} } });
  const input = field.get('input');
  const type = (text: string) => {
    input.element.value = text;
    return input.trigger('input');
  };
  await type('50');
  await input.trigger('change');
  await type('505');
  await field.setProps({ modelValue: 50 }); // late
  expect(input.element.value).toBe('505');
  await input.trigger('change');
  expect(field.emitted('update:modelValue')).toEqual([[50], [505]]);
  await field.setProps({ modelValue: 505 });
  await field.setProps({ modelValue: 7 }); // another window
  expect(input.element.value).toBe('7');
});

it('a text in the making outlives the component, by project', async () => {
  keptText('guidelines', 'one').value = 'half a rule';
  expect([keptText('guidelines', 'one').value, keptText('guidelines', 'two').value]).toEqual(['half a rule', null]);
  keptText('guidelines', 'one').value = null;
  await nextTick();
  expect(keptText('guidelines', 'one').value).toBeNull();
});

it('a message goes with its screen, but for what can be undone or went wrong', () => {
  vi.useFakeTimers();
  setActivePinia(createPinia());
  const toasts = useToasts();
  toasts.show({ sentence: 'Saved.' });
  toasts.show({ sentence: 'Removed.', action: { label: 'Undo', run: () => {} } });
  toasts.show({ sentence: 'The disk is full.', tone: 'bad' });
  vi.advanceTimersByTime(2000);
  toasts.show({ sentence: 'The run is started.' }); // on the way to its page
  toasts.leaveScreen();
  expect(toasts.toasts.map(({ sentence }) => sentence)).toEqual([
    'Removed.',
    'The disk is full.',
    'The run is started.',
  ]);
  vi.useRealTimers();
});
