// A file that is dropped on a page: shown as welcome while it is held over it, then handed on by its path.

import { ref } from 'vue';
import { pathOfFile } from '#renderer/api.ts';
import { useAttempt } from '#renderer/attempt.ts';
import { useToasts } from '#renderer/stores/toasts.ts';

/** `take` gets the path; one that cannot be had is said. `refuses` says why a drop is not taken, and true. */
export function useDroppedFile(take: (path: string) => void, refuses = (_: DataTransfer): boolean => false) {
  const dragging = ref(false);
  const { attempt } = useAttempt({ failed: useToasts().fault });
  async function onDrop({ dataTransfer }: Pick<DragEvent, 'dataTransfer'>): Promise<void> {
    dragging.value = false;
    const file = dataTransfer?.files[0];
    if (file && !refuses(dataTransfer)) await attempt(async () => take(await pathOfFile(file)));
  }
  return { dragging, onDrop };
}
