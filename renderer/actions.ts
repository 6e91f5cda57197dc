// Every action of the window: its title, where it is at hand, its key, and what it changes.

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
    title: 'Put the focused answer at that rank (same number = tie); the last takes the place that is left',
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
  'models.probes': {
    title: 'Probes: what reward models pay for edits, or the list of models',
    scope: 'models',
    key: 'p',
  },

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
  'inspect.inside': { title: 'Look inside', scope: 'inspect', key: 'i', words: 'lens attribution strips layers' },
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
