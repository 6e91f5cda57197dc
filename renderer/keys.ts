// Every action of the window with its key: the table, the one listener that dispatches, and remapping without
// collisions.

import { matchKeybindingPress, parseKeybinding } from 'tinykeys';
import { computed, onBeforeUnmount, shallowRef, triggerRef } from 'vue';
import { useApp } from '#renderer/stores/app.ts';

export type Scope = 'everywhere' | 'label' | 'train' | 'data' | 'models' | 'inspect';
interface ActionEntry {
  title: string;
  scope: Scope;
  /** in tinykeys' notation: "$mod+k", "Alt+ArrowUp", "?"; empty = only in the palette and menus until a key is given */
  key: string;
  /** a second key by default; giving the action a key of one's own replaces both */
  also?: string;
  /** stays alive while a text field has the focus */
  inText?: true;
  /** other words that it is found by */
  words?: string;
  /** what it changes, as a sentence: the palette says it, and finds the action by whole words alone */
  changes?: string;
  /** works while a dialog is open */
  inDialog?: true;
  /** holding the key down goes on */
  repeats?: true;
  /** cannot be given another key */
  fixed?: true;
}

const table = <const Table extends Record<string, ActionEntry>>(
  entries: Table,
): { readonly [K in keyof Table]: ActionEntry } => entries;

export const ACTIONS = table({
  palette: { title: 'Command palette', scope: 'everywhere', key: '$mod+k', inText: true, inDialog: true },
  keys: { title: 'Keyboard shortcuts', scope: 'everywhere', key: '?', also: '$mod+/', inDialog: true },
  sidebar: { title: 'Show or hide the sidebar', scope: 'everywhere', key: '$mod+b', inText: true },
  save: {
    title: 'Save (everything is saved as you go)',
    scope: 'everywhere',
    key: '$mod+s',
    inText: true,
    inDialog: true,
  },
  'go.home': { title: 'Go to Home', scope: 'everywhere', key: '$mod+1', inText: true },
  'go.label': { title: 'Go to Label', scope: 'everywhere', key: '$mod+2', inText: true },
  'go.data': { title: 'Go to Data', scope: 'everywhere', key: '$mod+3', inText: true },
  'go.models': { title: 'Go to Models', scope: 'everywhere', key: '$mod+4', inText: true },
  'go.train': { title: 'Go to Train', scope: 'everywhere', key: '$mod+5', inText: true },
  'go.inspect': { title: 'Go to Inspect', scope: 'everywhere', key: '$mod+6', inText: true },
  'go.settings': { title: 'Go to Settings', scope: 'everywhere', key: '$mod+,', also: '$mod+7', inText: true },
  'project.new': { title: 'New project…', scope: 'everywhere', key: '' },
  'project.open': { title: 'Open a project…', scope: 'everywhere', key: '$mod+o', inText: true },
  'project.demo': { title: 'Open the demo: Tiny TL;DR', scope: 'everywhere', key: '' },
  'project.close': {
    title: 'Close the project',
    scope: 'everywhere',
    key: '',
    changes: 'Closes it in every window; its runs go on.',
    words: 'quit leave',
  },
  diagnostics: { title: 'Copy diagnostics', scope: 'everywhere', key: '' },
  'current.show': {
    title: 'Current models: which, why, and another choice',
    scope: 'everywhere',
    key: '$mod+.',
    inText: true,
  },
  'current.policy': {
    title: 'Start from the newer model that is proposed',
    scope: 'everywhere',
    key: 'Alt+KeyP',
    changes: 'New samples and runs start from it.',
  },
  'current.reward': {
    title: 'Score with the newer reward model that is proposed',
    scope: 'everywhere',
    key: 'Alt+KeyR',
    changes: 'Queues, Inspect and new runs go by its scores.',
  },
  theme: { title: 'Switch between light and dark', scope: 'everywhere', key: '' },

  'desk.undo': {
    title: 'Undo the last labelling step',
    scope: 'everywhere',
    key: '$mod+z',
    changes: 'Takes back the newest ranking, note, mark or flag of the labeler.',
    repeats: true,
  },
  'desk.redo': {
    title: 'Redo',
    scope: 'everywhere',
    key: '$mod+Shift+z',
    changes: 'Does again what was undone last.',
    repeats: true,
  },
  'desk.rank': {
    title: 'Put the focused answer at that rank (same number = tie)',
    scope: 'label',
    key: '1–9',
    fixed: true,
  },
  'desk.clear': {
    title: 'Take the focused answer out of the ranking',
    scope: 'label',
    key: '0',
    changes: 'The focused answer loses its rank.',
    words: 'delete clear remove unrank',
    also: 'Backspace',
  },
  'desk.focusNext': { title: 'Next answer', scope: 'label', key: 'ArrowDown', also: 'j', repeats: true },
  'desk.focusPrevious': { title: 'Previous answer', scope: 'label', key: 'ArrowUp', also: 'k', repeats: true },
  'desk.moveUp': {
    title: 'Move the answer up the ranking',
    scope: 'label',
    key: 'Alt+ArrowUp',
    changes: 'The focused answer gets the rank above its own.',
    repeats: true,
  },
  'desk.moveDown': {
    title: 'Move the answer down the ranking',
    scope: 'label',
    key: 'Alt+ArrowDown',
    changes: 'The focused answer gets the rank below its own.',
    repeats: true,
  },
  'desk.tie': {
    title: 'Tie with the answer above',
    scope: 'label',
    key: '=',
    changes: 'The focused answer gets the rank of the one above.',
  },
  'desk.submit': {
    title: 'Submit and go to the next item',
    scope: 'label',
    key: 'Enter',
    changes: 'Saves the ranking and shows the next item.',
  },
  'desk.submitFromText': {
    title: 'Submit, also from a text box',
    scope: 'label',
    key: '$mod+Enter',
    changes: 'Saves the ranking and shows the next item.',
    inText: true,
  },
  'desk.none': {
    title: 'None is acceptable',
    scope: 'label',
    key: 'x',
    changes: 'Saves that no answer is acceptable and shows the next item.',
  },
  'desk.skip': {
    title: 'Skip',
    scope: 'label',
    key: 's',
    changes: 'Saves that the item was skipped and shows the next one.',
  },
  'desk.previousItem': { title: 'Previous item (the draft stays)', scope: 'label', key: 'ArrowLeft', repeats: true },
  'desk.nextItem': { title: 'Next item (the draft stays)', scope: 'label', key: 'ArrowRight', repeats: true },
  'desk.flag': {
    title: 'Flag the item',
    scope: 'label',
    key: 'f',
    changes: 'Flags the item on the desk, or takes its flag off.',
  },
  'desk.note': { title: 'Write a note', scope: 'label', key: 'n' },
  'desk.guidelines': { title: 'Guidelines', scope: 'label', key: 'g' },
  'desk.history': { title: 'What you have ranked, newest first', scope: 'label', key: 'h' },
  'desk.formatted': { title: 'Answers as plain text, or with their Markdown drawn', scope: 'label', key: 'v' },
  'desk.confidence': { title: 'Confidence: then 1–9', scope: 'label', key: 'c' },
  'desk.mark': { title: 'Mark text with the caret', scope: 'label', key: 'm' },
  'desk.layout': { title: 'Answers in a stack or in columns', scope: 'label', key: 'l' },

  'data.search': { title: 'Search', scope: 'data', key: '/', also: '$mod+f' },
  'data.import': { title: 'Import…', scope: 'data', key: 'i' },
  'data.export': { title: 'Export…', scope: 'data', key: 'e' },
  'data.remove': {
    title: 'Remove what is selected',
    scope: 'data',
    key: 'Delete',
    words: 'delete erase prompts',
    changes: 'Deletes the selected prompts with their completions and rankings; it can be undone.',
  },

  'models.add': { title: 'Add a model…', scope: 'models', key: 'a' },
  'models.try': { title: 'Try the model on a prompt', scope: 'models', key: 't' },

  'train.start': {
    title: 'Start the run',
    scope: 'train',
    key: '$mod+Enter',
    changes: 'Starts the recipe that is next, with the settings on its card.',
    inText: true,
  },
  'run.pause': {
    title: 'Pause the run, or go on',
    scope: 'train',
    key: 'p',
    changes: 'The run on this page rests at its next border, or goes on.',
  },
  'run.stop': {
    title: 'Stop the run and save',
    scope: 'train',
    key: '',
    words: 'end finish',
    changes: 'The run on this page saves what it has learned and ends.',
  },
  'run.log': { title: 'Show the log', scope: 'train', key: 'l' },

  'inspect.search': { title: 'Search samples', scope: 'inspect', key: '/', also: '$mod+f' },
  'inspect.next': { title: 'Next sample', scope: 'inspect', key: 'ArrowDown', also: 'j', repeats: true },
  'inspect.previous': { title: 'Previous sample', scope: 'inspect', key: 'ArrowUp', also: 'k', repeats: true },
  'inspect.flag': {
    title: 'Flag the sample',
    scope: 'inspect',
    key: 'f',
    changes: 'Flags the sample at the cursor, or takes its flag off.',
  },
  'inspect.request': { title: 'Ask for a ranking of the selected samples', scope: 'inspect', key: 'r' },
  'inspect.score': {
    title: 'Score what has no score yet',
    scope: 'inspect',
    key: 'm',
    changes: 'Starts a run that scores them.',
  },
  'inspect.tokens': { title: 'Show the tokens', scope: 'inspect', key: 't' },
});

export type ActionName = keyof typeof ACTIONS;
export const ACTION_NAMES = Object.keys(ACTIONS) as ActionName[];
export const SCOPE_TITLES: Readonly<Record<Scope, string>> = {
  everywhere: 'Everywhere',
  label: 'Label',
  train: 'Train',
  data: 'Data',
  models: 'Models',
  inspect: 'Inspect',
};

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
