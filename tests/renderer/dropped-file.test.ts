// A file that is dropped on a page: handed on by its path, refused where the page says so, and said where it has none.
// @vitest-environment happy-dom
import { createPinia, setActivePinia } from 'pinia';
import { beforeEach, expect, test, vi } from 'vitest';

window.workbench = {
  call: async ({ id }) => ({ id, result: {} }),
  on: () => () => {},
  pathOf: ({ name }) => `/disk/${name}`,
};
const { useDroppedFile } = await import('#renderer/components/dropped-file.ts');
const { useToasts } = await import('#renderer/stores/toasts.ts');

function dropOf(...files: File[]): Pick<DragEvent, 'dataTransfer'> {
  const dataTransfer = new DataTransfer();
  for (const each of files) dataTransfer.items.add(each);
  return { dataTransfer };
}
const file = new File(['{}'], 'posts.jsonl');
beforeEach(() => setActivePinia(createPinia()));

test('a drop is taken by its path, and the page is no longer held over', async () => {
  const taken: string[] = [];
  const { dragging, onDrop } = useDroppedFile((path) => taken.push(path));
  dragging.value = true;
  await onDrop(dropOf(file));
  expect([taken, dragging.value]).toEqual([['/disk/posts.jsonl'], false]);
  await onDrop(dropOf());
  expect(taken).toHaveLength(1); // words were dropped, or a picture of the page
});

test('what the page refuses is not taken; a path that cannot be had is said', async () => {
  const taken: string[] = [];
  await useDroppedFile(
    (path) => taken.push(path),
    () => true,
  ).onDrop(dropOf(file));
  vi.stubGlobal('fetch', () => Promise.reject(new Error('The host is gone.')));
  window.workbench!.pathOf = () => '';
  await useDroppedFile((path) => taken.push(path)).onDrop(dropOf(file));
  vi.unstubAllGlobals();
  expect(taken).toEqual([]);
  expect(useToasts().toasts.map(({ sentence }) => sentence)).toEqual(['The host is gone.']);
});
