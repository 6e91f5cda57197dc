// The keys of the actions: the one listener that dispatches them, and remapping without collisions.

import { matchKeybindingPress, parseKeybinding } from 'tinykeys';
import { computed, onBeforeUnmount, shallowRef, triggerRef } from 'vue';
import { useApp } from '#renderer/stores/app.ts';
import { ACTIONS, ACTION_NAMES } from './actions.ts';
import type { ActionName, Scope } from './actions.ts';

/**
 * `digit` is the number pressed for desk.rank, else 0. Returning false says "not mine": the key goes on to whoever else
 * wants it.
 */
export type ActionHandler = (event: KeyboardEvent, digit: number) => unknown;
export type ActionHandlers = { [K in ActionName]?: ActionHandler };

// ---- Keys as they are now

/** The person's own key, or the default ones. */
export function keysOf(action: ActionName): string[] {
  const own = useApp().preferences?.keys[action];
  if (own !== undefined) return own === '' ? [] : [own];
  const { key, also } = ACTIONS[action];
  return [key, also].filter((each) => each !== undefined && each !== '') as string[];
}

/** The key to print on a control, or '' where there is none. */
export const keyOf = (action: ActionName): string => keysOf(action)[0] ?? '';

const MAC = typeof navigator === 'object' && /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES: Readonly<Record<string, string>> = {
  $mod: MAC ? '⌘' : 'Ctrl',
  Control: 'Ctrl',
  Meta: MAC ? '⌘' : 'Win',
  Alt: MAC ? '⌥' : 'Alt',
  Shift: MAC ? '⇧' : 'Shift',
  ArrowUp: '↑',
  ArrowDown: '↓',
  ArrowLeft: '←',
  ArrowRight: '→',
  Backspace: '⌫',
  Delete: 'Del',
  Escape: 'Esc',
  Space: 'Space',
  Enter: 'Enter',
};

/** "$mod+Shift+z" as the parts that a person sees on the keys. */
export function keyParts(key: string): string[] {
  if (key === '') return [];
  return key
    .split(/(?<=[\w$])\+/)
    .map(
      (part) =>
        NAMES[part] ?? (/^Key[A-Z]$/.test(part) ? part.slice(3) : part.length === 1 ? part.toUpperCase() : part),
    );
}
export const keyText = (key: string): string => keyParts(key).join(MAC ? '' : '+');

// ---- Matching

type Press = ReturnType<typeof parseKeybinding>[number];
const presses = new Map<string, Press>();

/** "?" needs Shift on one layout and none on another, so for signs Shift is left open. */
function pressOf(key: string): Press {
  let press = presses.get(key);
  if (!press) {
    const [required, optional, name] = parseKeybinding(key)[0]!;
    press = [
      required,
      typeof name === 'string' && /^[^\p{L}\d]$/u.test(name) ? [...optional, 'Shift'] : optional,
      name,
    ];
    presses.set(key, press);
  }
  return press;
}

function matches(event: KeyboardEvent, key: string): boolean {
  if (matchKeybindingPress(event, pressOf(key))) return true;
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1];
  if (!letter || !/^\P{ASCII}$/u.test(event.key)) return false;
  // a layout without Latin letters: the letter that is printed on the key in most places
  const latin = {
    key: letter,
    code: event.code,
    getModifierState: (name: string) => event.getModifierState(name),
  } as KeyboardEvent;
  return matchKeybindingPress(latin, pressOf(key));
}

function digitOf(event: KeyboardEvent): number {
  if (event.ctrlKey || event.altKey || event.metaKey) return 0;
  if (/^[1-9]$/.test(event.key)) return Number(event.key);
  const onTheRow = event.shiftKey ? null : /^Digit([1-9])$/.exec(event.code);
  return onTheRow ? Number(onTheRow[1]) : 0;
}

// ---- Dispatch

interface Layer {
  scope: Scope;
  handlers: ActionHandlers;
}
const layers = shallowRef<Layer[]>([]);
/** Whether the pointer gave the focused element its focus: then Enter means the action, not a second click. */
let focusByPointer = false;

const TEXT =
  'textarea, select, [contenteditable=""], [contenteditable="true"], input:not([type=checkbox], [type=radio], [type=range], [type=button], [type=submit], [type=color], [type=file])';
const OWN_ARROWS =
  '[role=radio], [role=slider], [role=tab], [role=menuitem], [role=option], [role=listbox], [role=separator], input[type=radio], input[type=range]';
const OWN_ENTER = 'button, a[href], summary, [role=button], [role=menuitem], [role=option], [role=tab], [role=switch]';

function belongsToTarget(event: KeyboardEvent): boolean {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return false;
  const bare = !event.ctrlKey && !event.altKey && !event.metaKey;
  if (bare && /^(Arrow|Home$|End$|Page)/.test(event.key) && target.closest(OWN_ARROWS)) return true;
  return (
    bare && (event.key === ' ' || (event.key === 'Enter' && !focusByPointer)) && target.closest(OWN_ENTER) !== null
  );
}

export const dialogIsOpen = () =>
  document.querySelector('[role=dialog][data-state=open], [role=alertdialog][data-state=open]') !== null;

/** Views before the frame, the newest first. */
const inOrder = computed(() =>
  [...layers.value].reverse().sort((a, b) => Number(a.scope === 'everywhere') - Number(b.scope === 'everywhere')),
);

export function handleKey(event: KeyboardEvent): void {
  if (event.key === 'Tab') focusByPointer = false;
  if (event.defaultPrevented || event.isComposing || !event.key || belongsToTarget(event)) return;
  const inText = event.target instanceof Element && event.target.closest(TEXT) !== null;
  const inDialog = dialogIsOpen();
  const digit = digitOf(event);
  for (const { handlers } of inOrder.value) {
    for (const [name, handler] of Object.entries(handlers) as [ActionName, ActionHandler][]) {
      const action = ACTIONS[name];
      if ((inText && !action.inText) || (inDialog && !action.inDialog)) continue;
      const pressed = name === 'desk.rank' ? digit > 0 : keysOf(name).some((key) => matches(event, key));
      if (!pressed) continue;
      if (event.repeat && !action.repeats) return event.preventDefault();
      if (handler(event, name === 'desk.rank' ? digit : 0) === false) continue;
      return event.preventDefault();
    }
  }
}

let listening = false;
function listen(): void {
  if (listening) return;
  listening = true;
  window.addEventListener('keydown', handleKey);
  window.addEventListener('pointerdown', () => (focusByPointer = true), true);
}

/** Binds the handlers while the component lives. A view's actions come before those of the frame. */
export function useActions(scope: Scope, handlers: ActionHandlers): void {
  listen();
  const layer = { scope, handlers };
  layers.value.push(layer);
  triggerRef(layers);
  onBeforeUnmount(() => (layers.value = layers.value.filter((other) => other !== layer)));
}

/** The actions that do something now, in the table's order. */
export const boundActions = computed(() =>
  ACTION_NAMES.filter((name) => layers.value.some(({ handlers }) => handlers[name])),
);

/** Does what the key would do (palette, native menu); false where nothing listens. */
export function runAction(name: string): boolean {
  for (const { handlers } of inOrder.value) {
    const handler = handlers[name as ActionName];
    if (handler && handler(new KeyboardEvent('keydown'), 0) !== false) return true;
  }
  return false;
}

// ---- Remapping

const RESERVED: Readonly<Record<string, string>> = {
  Tab: 'moves the focus from control to control',
  Escape: 'closes dialogs and leaves modes',
  '$mod+c': 'copies',
  '$mod+v': 'pastes',
  '$mod+x': 'cuts',
  '$mod+a': 'selects all',
  '$mod+r': 'is kept from reloading the window',
};

/** Two spellings of one key become one: order of the modifiers, capitals, Shift on signs. */
function normal(key: string): string {
  const [required, , name] = parseKeybinding(key)[0]!;
  const bare = String(name)
    .replace(/^Key([A-Z])$/, '$1')
    .toUpperCase();
  const sign = /^[^\p{L}\d]$/u.test(bare);
  return [...required.filter((modifier) => !(sign && modifier === 'Shift')).toSorted(), bare].join('+');
}

const meet = (a: Scope, b: Scope) => a === b || a === 'everywhere' || b === 'everywhere';

/** Why the action cannot have the key, in a sentence that names who has it; null where it can. */
export function findCollision(action: ActionName, key: string): string | null {
  const { scope, title, fixed } = ACTIONS[action];
  if (fixed) return `"${title}" always has the keys ${ACTIONS[action].key}.`;
  const wanted = normal(key);
  const reserved = Object.keys(RESERVED).find((each) => normal(each) === wanted);
  if (reserved) return `${keyText(key)} ${RESERVED[reserved]}, so it cannot be given to an action.`;
  if (/^[1-9]$/.test(wanted) && meet(scope, 'label'))
    return `${keyText(key)} is one of the keys 1–9 of "${ACTIONS['desk.rank'].title}".`;
  const other = ACTION_NAMES.find(
    (name) =>
      name !== action &&
      name !== 'desk.rank' &&
      meet(ACTIONS[name].scope, scope) &&
      keysOf(name).some((each) => normal(each) === wanted),
  );
  return other ? `${keyText(key)} is the key of "${ACTIONS[other].title}". Give that one another key first.` : null;
}

/**
 * Gives the action a key of its own, or with null its default back. Answers why not, or null when it is done and kept.
 */
export async function setKey(action: ActionName, key: string | null): Promise<string | null> {
  const { key: first, also } = ACTIONS[action];
  for (const each of key === null ? [first, also] : [key]) {
    const problem = each ? findCollision(action, each) : null;
    if (problem) return problem;
  }
  const app = useApp();
  const keys = { ...app.preferences?.keys };
  delete keys[action];
  const isDefault = key === null || (key === first && also === undefined);
  await app.setPreferences({ keys: isDefault ? keys : { ...keys, [action]: key } });
  return null;
}

export const resetKeys = (): Promise<void> => useApp().setPreferences({ keys: {} });

/** The notation of a key press, or null while only modifiers are down. */
export function keyFromEvent(event: KeyboardEvent): string | null {
  if (['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'Dead', 'Unidentified'].includes(event.key)) return null;
  const sign = /^[^\p{L}\d]$/u.test(event.key) && event.key !== ' ';
  const mod = MAC ? event.metaKey : event.ctrlKey;
  const other = MAC ? event.ctrlKey : event.metaKey;
  const bare =
    event.key === ' '
      ? 'Space'
      : event.key.length > 1
        ? event.key
        : /^Key[A-Z]$/.test(event.code)
          ? event.code.slice(3).toLowerCase()
          : event.key.toLowerCase();
  // Alt turns letters into signs on some systems; there the key itself is meant
  const name = event.altKey && /^Key[A-Z]$/.test(event.code) ? event.code : bare;
  return [
    mod && '$mod',
    other && (MAC ? 'Control' : 'Meta'),
    event.altKey && 'Alt',
    event.shiftKey && !sign && 'Shift',
    name,
  ]
    .filter(Boolean)
    .join('+');
}
