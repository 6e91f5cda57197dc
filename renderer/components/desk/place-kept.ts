// Which item was on the desk, kept by project and labeler, so that a reload or a new start comes back to it.

const keyOf = (folder: string | undefined, labelerId: number | null) => `tastemaker.desk.at ${labelerId} ${folder ?? ''}`;

export const keepPlace = (folder: string | undefined, labelerId: number | null, itemId: number): void => localStorage.setItem(keyOf(folder, labelerId), String(itemId));

/** The kept item, once: when it cannot be shown, the next attempt takes what the queue gives. */
export function takePlace(folder: string | undefined, labelerId: number | null): number | undefined {
  const kept = localStorage.getItem(keyOf(folder, labelerId));
  localStorage.removeItem(keyOf(folder, labelerId));
  return kept === null ? undefined : Number(kept);
}
