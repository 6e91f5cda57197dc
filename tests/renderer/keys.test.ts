// Holds the keys to their promises: they reach the right action, stay out of text fields, and never collide.
// @vitest-environment happy-dom
import { mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { defineComponent, h } from 'vue';
import type { AppState, Preferences } from '#core/contract/app.ts';
import { ACTION_NAMES, ACTIONS } from '#renderer/actions.ts';
import {
  findCollision,
  keyFromEvent,
  keyOf,
  keysOf,
  keyText,
  resetKeys,
  runAction,
  setKey,
  useActions,
} from '#renderer/keys.ts';
import type { Scope } from '#renderer/actions.ts';
import type { ActionHandlers } from '#renderer/keys.ts';
import { useApp } from '#renderer/stores/app.ts';

const stored: { keys: Record<string, string> } = { keys: {} };
vi.mock('#renderer/api.ts', () => {
  const api = {
    on: () => () => {},
    call: (name: string, args: { changes: Partial<Preferences> }) => {
      if (name !== 'app.setPreferences') throw new Error(`not expected: ${name}`);
      if (args.changes.keys) stored.keys = args.changes.keys;
      return Promise.resolve({
        theme: 'system',
        layout: 'columns',
        sidebar: true,
        recent: [],
        lastFolder: null,
        keys: stored.keys,
      });
    },
  };
  return {
    ...api,
    isOfAnother: () => false,
    showProject: () => {},
    useProjectService: () => ({ project: 'one', call: api.call, on: api.on, beforeClosing: () => {} }),
  };
});

const mounted: { unmount(): void }[] = [];
/** A living component that handles these actions; what was called is listed. */
function listen(scope: Scope, names: readonly (keyof ActionHandlers)[], answer: unknown = undefined): string[] {
  const done: string[] = [];
  const handlers = Object.fromEntries(
    names.map((name) => [
      name,
      (_: KeyboardEvent, digit: number) => (done.push(digit ? `${name} ${digit}` : name), answer),
    ]),
  );
  mounted.push(mount(defineComponent({ setup: () => (useActions(scope, handlers), () => h('p')) })));
  return done;
}
function press(key: string, more: KeyboardEventInit = {}, target: EventTarget = document.body): KeyboardEvent {
  const event = new KeyboardEvent('keydown', {
    key,
    code: /^[a-z]$/i.test(key) ? `Key${key.toUpperCase()}` : key,
    bubbles: true,
    cancelable: true,
    ...more,
  });
  target.dispatchEvent(event);
  return event;
}
function add(html: string): HTMLElement {
  document.body.insertAdjacentHTML('beforeend', html);
  return document.body.lastElementChild as HTMLElement;
}

beforeEach(() => {
  stored.keys = {};
  setActivePinia(createPinia());
  useApp().state = {
    preferences: { theme: 'system', layout: 'columns', sidebar: true, recent: [], lastFolder: null, keys: {} },
  } as unknown as AppState;
});
afterEach(() => {
  for (const each of mounted.splice(0)) each.unmount();
  document.body.innerHTML = '';
});

describe('the table', () => {
  test.each(ACTION_NAMES.filter((name) => !ACTIONS[name].fixed))(
    '%s has default keys that collide with nothing',
    (name) => {
      for (const key of keysOf(name)) expect(findCollision(name, key), key).toBeNull();
    },
  );
  test('prints keys as they stand on the keyboard', () => {
    expect(keyText(keyOf('desk.redo'))).toBe('Ctrl+Shift+Z');
    expect(keyText(keyOf('desk.moveUp'))).toBe('Alt+↑');
    expect(keyText(keyOf('go.settings'))).toBe('Ctrl+,');
  });
});

describe('dispatch', () => {
  test('digits rank, on the row and on the pad, also where the row needs Shift for them; with Ctrl they do not', () => {
    const done = listen('label', ['desk.rank']);
    press('3', { code: 'Digit3' });
    press('4', { code: 'Numpad4' });
    press('"', { code: 'Digit3' }); // AZERTY
    press('#', { code: 'Digit3', shiftKey: true });
    press('3', { code: 'Digit3', ctrlKey: true });
    press('End', { code: 'Numpad1' });
    press('0', { code: 'Digit0' });
    expect(done).toEqual(['desk.rank 3', 'desk.rank 4', 'desk.rank 3']);
  });

  test('letters are dead in a text field, marked combinations are not', () => {
    const done = listen('label', ['desk.skip', 'desk.submit', 'desk.submitFromText', 'desk.rank', 'desk.undo']);
    const field = add('<textarea></textarea>');
    for (const key of ['s', '2', 'Enter']) expect(press(key, {}, field).defaultPrevented).toBe(false);
    expect(press('z', { ctrlKey: true }, field).defaultPrevented).toBe(false); // the field's own undo
    expect(done).toEqual([]);
    expect(press('Enter', { ctrlKey: true }, field).defaultPrevented).toBe(true);
    press('s', {}, add('<input type="checkbox">'));
    expect(done).toEqual(['desk.submitFromText', 'desk.skip']);
  });

  test('Enter presses a button that was reached by Tab; after a click it means the action', () => {
    const done = listen('label', ['desk.submit']);
    const button = add('<button>Flag</button>');
    press('Tab', {}, button);
    expect(press('Enter', {}, button).defaultPrevented).toBe(false);
    button.dispatchEvent(new Event('pointerdown', { bubbles: true }));
    expect(press('Enter', {}, button).defaultPrevented).toBe(true);
    expect(done).toEqual(['desk.submit']);
  });

  test('arrows stay with what moves by arrows', () => {
    const done = listen('label', ['desk.focusNext', 'desk.nextItem']);
    press('ArrowDown', {}, add('<div role="radio" tabindex="0"></div>'));
    expect(done).toEqual([]);
    press('ArrowDown');
    press('ArrowRight');
    press('j');
    expect(done).toEqual(['desk.focusNext', 'desk.nextItem', 'desk.focusNext']);
  });

  test('signs are found with and without Shift, letters on a layout without Latin ones', () => {
    const done = listen('label', ['keys', 'desk.tie', 'desk.skip']);
    press('?', { code: 'Slash', shiftKey: true });
    press('?', { code: 'Minus' });
    press('=', { code: 'Digit0', shiftKey: true });
    press('ы', { code: 'KeyS' });
    press('S', { code: 'KeyS', shiftKey: true });
    expect(done).toEqual(['keys', 'keys', 'desk.tie', 'desk.skip']);
  });

  test('a held key goes on only where that makes sense', () => {
    const done = listen('label', ['desk.submit', 'desk.focusNext']);
    expect(press('Enter', { repeat: true }).defaultPrevented).toBe(true);
    press('ArrowDown', { repeat: true });
    expect(done).toEqual(['desk.focusNext']);
  });

  test('the view comes before the frame, and "not mine" passes the key on', () => {
    const view = listen('label', ['desk.undo'], undefined);
    const frame = listen('everywhere', ['desk.undo']);
    press('z', { ctrlKey: true });
    expect([view, frame]).toEqual([['desk.undo'], []]);
    mounted[0]!.unmount();
    const polite = listen('label', ['desk.undo'], false);
    press('z', { ctrlKey: true });
    expect([polite, frame]).toEqual([['desk.undo'], ['desk.undo']]);
  });

  test('behind a dialog only the palette and its like work', () => {
    const done = listen('label', ['desk.skip', 'palette']);
    const dialog = add('<div role="dialog" data-state="open"></div>');
    press('s');
    press('k', { ctrlKey: true });
    dialog.remove();
    press('s');
    expect(done).toEqual(['palette', 'desk.skip']);
  });

  test('a menu runs an action by its name', () => {
    const done = listen('everywhere', ['go.home']);
    expect([runAction('go.home'), runAction('no.such')]).toEqual([true, false]);
    expect(done).toEqual(['go.home']);
  });
});

describe('remapping', () => {
  test('the new key works, the old ones do not, and it is kept', async () => {
    const done = listen('label', ['desk.focusNext']);
    expect(await setKey('desk.focusNext', 'd')).toBeNull();
    expect(stored.keys).toEqual({ 'desk.focusNext': 'd' });
    for (const key of ['ArrowDown', 'j', 'd']) press(key);
    expect(done).toEqual(['desk.focusNext']);
  });

  test('a taken key is refused with the name of who has it, and nothing changes', async () => {
    expect(await setKey('desk.flag', 's')).toContain(`"${ACTIONS['desk.skip'].title}"`);
    expect(await setKey('desk.flag', 'Backspace')).toContain(`"${ACTIONS['desk.clear'].title}"`);
    expect(await setKey('desk.flag', '$mod+k')).toContain(`"${ACTIONS.palette.title}"`);
    expect(await setKey('palette', 'x')).toContain(`"${ACTIONS['desk.none'].title}"`);
    expect(await setKey('desk.flag', '5')).toContain('1–9');
    expect(await setKey('desk.flag', '$mod+c')).toContain('copies');
    expect(await setKey('desk.rank', 'q')).toContain('always');
    expect(stored.keys).toEqual({});
  });

  test('the same key may serve two screens', async () => {
    expect(await setKey('inspect.flag', 's')).toBeNull();
    expect(findCollision('data.search', 's')).toBeNull();
  });

  test('a reset is refused while somebody else has the default', async () => {
    await setKey('desk.flag', 'd');
    expect(await setKey('desk.note', 'f')).toBeNull();
    expect(await setKey('desk.flag', null)).toContain(`"${ACTIONS['desk.note'].title}"`);
    await resetKeys();
    expect([keyOf('desk.flag'), keyOf('desk.note'), stored.keys]).toEqual(['f', 'n', {}]);
  });

  test('a key press becomes the notation that finds it again', async () => {
    for (const [event, notation] of [
      [press('Q', { shiftKey: true }), 'Shift+q'],
      [press('q', { ctrlKey: true, shiftKey: true }), '$mod+Shift+q'],
      [press('!', { shiftKey: true, code: 'Digit1' }), '!'],
      [press('œ', { altKey: true, code: 'KeyQ' }), 'Alt+KeyQ'],
      [press(' ', { code: 'Space' }), 'Space'],
      [press('F7', { code: 'F7' }), 'F7'],
      [press('+', { ctrlKey: true, code: 'BracketRight' }), '$mod++'],
    ] as const) {
      expect(keyFromEvent(event)).toBe(notation);
      await setKey('desk.flag', notation);
      const done = listen('label', ['desk.flag']);
      window.dispatchEvent(
        new KeyboardEvent('keydown', {
          key: event.key,
          code: event.code,
          ctrlKey: event.ctrlKey,
          shiftKey: event.shiftKey,
          altKey: event.altKey,
        }),
      );
      expect(done, notation).toEqual(['desk.flag']);
      mounted.pop()!.unmount();
    }
    expect(keyFromEvent(press('Shift', { shiftKey: true }))).toBeNull();
  });
});
