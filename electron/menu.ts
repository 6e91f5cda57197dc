// The native menu as data: roles of the system, and commands that name actions of the window's table of keys.
import type { MenuItemConstructorOptions } from 'electron';

type Entry =
  | { label: string; action: string; keys?: string }
  | { role: NonNullable<MenuItemConstructorOptions['role']> }
  | 'line'
  | 'recent';

const APPLICATION: readonly Entry[] = [
  { role: 'about' },
  'line',
  { label: 'Settings…', action: 'go.settings', keys: 'CmdOrCtrl+,' },
  'line',
  { role: 'hide' },
  { role: 'hideOthers' },
  'line',
  { role: 'quit' },
];

const MENUS: readonly { label: string; entries: readonly Entry[] }[] = [
  {
    label: 'File',
    entries: [
      { label: 'New project…', action: 'project.new' },
      { label: 'Open project…', action: 'project.open', keys: 'CmdOrCtrl+O' },
      'recent',
      'line',
      { label: 'Import…', action: 'data.import' },
      { label: 'Export…', action: 'data.export' },
      { label: 'Close project', action: 'project.close' },
      'line',
      { role: 'close' },
    ],
  },
  {
    label: 'Edit',
    entries: [
      { label: 'Undo', action: 'desk.undo', keys: 'CmdOrCtrl+Z' },
      { label: 'Redo', action: 'desk.redo', keys: 'CmdOrCtrl+Shift+Z' },
      'line',
      { role: 'cut' },
      { role: 'copy' },
      { role: 'paste' },
      { role: 'selectAll' },
    ],
  },
  {
    label: 'View',
    entries: [
      ...['Home', 'Label', 'Data', 'Models', 'Train', 'Inspect', 'Settings'].map((label, i) => ({
        label,
        action: `go.${label.toLowerCase()}`,
        keys: `CmdOrCtrl+${i + 1}`,
      })),
      'line',
      { label: 'Command palette…', action: 'palette', keys: 'CmdOrCtrl+K' },
      { label: 'Sidebar', action: 'sidebar', keys: 'CmdOrCtrl+B' },
      'line',
      { role: 'resetZoom' },
      { role: 'zoomIn' },
      { role: 'zoomOut' },
      { role: 'togglefullscreen' },
    ],
  },
  {
    label: 'Help',
    entries: [
      { label: 'Keyboard shortcuts', action: 'keys', keys: 'CmdOrCtrl+/' },
      { label: 'Copy diagnostics', action: 'diagnostics' },
    ],
  },
];

/** The window's notation of a key in Electron's. */
const accelerator = (key: string) => key.replace('$mod', 'CmdOrCtrl').replace(/Arrow(?=\w+$)/, '');

/**
 * `keys`: actions with a key of the person's own. There is no Reload: it must not be possible to lose a page by a slip
 * of
 * the finger.
 */
export function menuTemplate(
  platform: NodeJS.Platform,
  { recent, keys }: { recent: readonly string[]; keys: Readonly<Record<string, string>> },
  run: { command(action: string): void; open(folder: string): void },
): MenuItemConstructorOptions[] {
  const item = (entry: Entry): MenuItemConstructorOptions => {
    if (entry === 'line') return { type: 'separator' };
    if (entry === 'recent')
      return {
        label: 'Open recent',
        enabled: recent.length > 0,
        submenu: recent.map((folder) => ({ label: folder, click: () => run.open(folder) })),
      };
    if ('role' in entry) return { role: entry.role };
    // the window binds the keys itself (they can be remapped there); the menu only shows them
    const own = keys[entry.action];
    const shown = own === undefined ? entry.keys : accelerator(own);
    return {
      label: entry.label,
      click: () => run.command(entry.action),
      ...(shown && { accelerator: shown, registerAccelerator: false }),
    };
  };
  const menus = MENUS.map(({ label, entries }) => ({ label, submenu: entries.map(item) }));
  if (platform === 'darwin') return [{ label: 'Tastemaker', submenu: APPLICATION.map(item) }, ...menus];
  menus[0]!.submenu.push({ type: 'separator' }, { role: 'quit' });
  return menus;
}
