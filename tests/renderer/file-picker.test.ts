// Uses the file picker as a person does: browse, type, choose, with folders that come and go.
// @vitest-environment happy-dom
import { flushPromises, mount } from '@vue/test-utils';
import { createPinia, setActivePinia } from 'pinia';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { AppState, FileEntry } from '#core/contract/app.ts';
import FilePicker from '#renderer/components/FilePicker.vue';
import { useApp } from '#renderer/stores/app.ts';

const file = (name: string, kind: FileEntry['kind'] = null): FileEntry => ({
  name,
  path: `/h/${name}`,
  folder: false,
  bytes: 1234,
  kind,
});
const folder = (path: string, kind: FileEntry['kind'] = null): FileEntry => ({
  name: path.split('/').pop()!,
  path,
  folder: true,
  bytes: 0,
  kind,
});
const FOLDERS: Record<string, { parent: string | null; entries: FileEntry[] }> = {
  '/h': {
    parent: '/',
    entries: [
      folder('/h/gpt', 'model'),
      folder('/h/texts'),
      folder('/h/old.tastemaker', 'project'),
      file('posts.jsonl', 'data'),
      file('notes.docx'),
    ],
  },
  '/h/texts': { parent: '/h', entries: [] },
  '/data': { parent: '/', entries: [file('more.jsonl', 'data')] },
};
const { asked, slow } = vi.hoisted(() => ({
  asked: [] as [string, unknown][],
  /** folders whose answers wait until they are let go */ slow: new Map<string, Promise<void>>(),
}));
vi.mock('#renderer/api.ts', () => {
  const api = {
    on: () => () => {},
    systemDialog: () => undefined,
    pathOfFile: (dropped: File) => Promise.resolve(`/uploads/${dropped.name}`),
    faultOf: (error: unknown) => error,
    call: (name: string, args: { folder?: string | null; changes?: unknown }) => {
      asked.push([name, name === 'files.list' ? args.folder : args.changes]);
      if (name === 'app.setPreferences') return Promise.resolve({});
      const path = args.folder ?? '/h';
      const found = FOLDERS[path];
      const when = slow.get(path) ?? Promise.resolve();
      return found
        ? when.then(() => ({ folder: path, ...found }))
        : Promise.reject({ code: 'bad-file', message: `${path} does not exist.`, hint: 'Check the path.' });
    },
  };
  return {
    ...api,
    isOfAnother: () => false,
    showProject: () => {},
    useProjectService: () => ({ project: 'one', call: api.call, on: api.on, beforeClosing: () => {} }),
  };
});

let picker: ReturnType<typeof mount> | null = null;
type Kinds = InstanceType<typeof FilePicker>['$props']['kinds'];
async function show(kinds: Kinds, lastFolder: string | null = null): Promise<void> {
  useApp().state = { preferences: { recent: [], keys: {}, lastFolder } } as unknown as AppState;
  picker = mount(FilePicker, { attachTo: document.body, props: { open: true, title: 'Choose', kinds } });
  await flushPromises();
}
const options = () => [...document.querySelectorAll<HTMLElement>('[role=option]')];
const names = () => options().map((option) => option.querySelector('.clip')!.textContent);
const button = (text: string) =>
  [...document.querySelectorAll<HTMLButtonElement>('button')].find((each) =>
    each.textContent!.trim().startsWith(text),
  )!;
const pathField = () => document.querySelector<HTMLInputElement>('[aria-label=Path]')!;
const picked = () => (picker!.emitted('pick') ?? []).flat();
async function act(event: Event, target: EventTarget): Promise<void> {
  target.dispatchEvent(event);
  await flushPromises();
}
const key = (name: string) =>
  act(
    new KeyboardEvent('keydown', { key: name, bubbles: true, cancelable: true }),
    document.querySelector('[role=listbox]')!,
  );
async function typePath(path: string): Promise<void> {
  pathField().value = path;
  await act(new Event('input', { bubbles: true }), pathField());
}

beforeEach(() => {
  asked.length = 0;
  setActivePinia(createPinia());
});
afterEach(() => {
  picker?.unmount();
  document.body.innerHTML = '';
});

test('shows folders and what fits; the rest on request', async () => {
  await show(['data']);
  expect(names()).toEqual(['gpt', 'texts', 'old.tastemaker', 'posts.jsonl']);
  const all = document.querySelector<HTMLInputElement>('.check input')!;
  expect(all.parentElement!.textContent).toContain('1 more');
  all.checked = true;
  await act(new Event('change', { bubbles: true }), all);
  expect(names()).toContain('notes.docx');
});

test('a last folder that is gone does not leave the person with nothing', async () => {
  await show(['data'], '/gone');
  expect(asked).toEqual([
    ['files.list', '/gone'],
    ['files.list', null],
  ]);
  expect(pathField().value).toBe('/h');
  expect(document.querySelector('[role=alert]')).toBeNull();
});

test('arrows choose, Enter opens a folder or takes a file, and the folder is remembered', async () => {
  await show(['data']);
  await key('t');
  await key('Enter');
  expect(pathField().value).toBe('/h/texts');
  await key('Backspace');
  await key('ArrowDown');
  for (let i = 0; i < 9; i++) await key('ArrowDown'); // stays at the last
  await key('Enter');
  expect(picked()).toEqual(['/h/posts.jsonl']);
  expect(asked.at(-1)).toEqual(['app.setPreferences', { lastFolder: '/h' }]);
});

test('a model folder is taken, not entered; for a plain folder the one that is shown can be taken', async () => {
  await show(['model']);
  await act(new MouseEvent('dblclick', { bubbles: true }), options()[0]!);
  expect(picked()).toEqual(['/h/gpt']);
  picker!.unmount();
  await show(['folder'], '/h/texts');
  await act(new MouseEvent('click', { bubbles: true }), button('Choose'));
  expect(picked()).toEqual(['/h/texts']);
});

test('only a project can be chosen where a project is wanted', async () => {
  await show(['project']);
  expect(button('Choose').disabled).toBe(true);
  await act(new MouseEvent('click', { bubbles: true }), options()[1]!);
  expect(button('Choose').disabled).toBe(true);
  await act(new MouseEvent('click', { bubbles: true }), options()[2]!);
  await act(new MouseEvent('click', { bubbles: true }), button('Choose old'));
  expect(picked()).toEqual(['/h/old.tastemaker']);
});

test('a typed path is shown or taken; one that does not exist is said and stays to be corrected', async () => {
  await show(['project']);
  await typePath('/nowhere');
  await act(new Event('submit', { bubbles: true, cancelable: true }), pathField().form!);
  expect(document.querySelector('[role=alert]')!.textContent).toContain('/nowhere does not exist.');
  expect(pathField().value).toBe('/nowhere');
  await typePath('/h/texts/else.tastemaker');
  await act(new MouseEvent('click', { bubbles: true }), button('Choose else'));
  expect(picked()).toEqual(['/h/texts/else.tastemaker']);
});

test('the path of a project, typed or pasted with Enter, is the project: nobody ends up within it', async () => {
  await show(['project']);
  await typePath('/h/old.tastemaker');
  await act(new Event('submit', { bubbles: true, cancelable: true }), pathField().form!);
  expect(picked()).toEqual(['/h/old.tastemaker']);
  expect(asked.some(([name, folder]) => name === 'files.list' && folder === '/h/old.tastemaker')).toBe(false);
});

test('a dropped file is handed over first where the browser tells no path', async () => {
  await show(['data']);
  const drop = new Event('drop', { bubbles: true, cancelable: true });
  Object.assign(drop, { dataTransfer: { files: [new File(['x'], 'mine.csv')] } });
  await act(drop, document.querySelector('[role=listbox]')!);
  expect(picked()).toEqual(['/uploads/mine.csv']);
});

test('a folder whose answer comes late is not shown in place of the one that was asked for after it', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  slow.set('/h/texts', promise);
  await show(['data']);
  await act(
    new MouseEvent('dblclick', { bubbles: true }),
    options().find((one) => one.textContent!.includes('texts'))!,
  );
  pathField().value = '/data';
  await act(new Event('input', { bubbles: true }), pathField());
  await act(new Event('submit', { bubbles: true, cancelable: true }), pathField().form!);
  expect(names()).toEqual(['more.jsonl']);
  resolve();
  await flushPromises();
  expect(names()).toEqual(['more.jsonl']);
  slow.clear();
});
