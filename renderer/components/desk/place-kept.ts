// Which item was on the desk, kept by project and labeler, so that a reload or a new start comes back to it.

const keyOf = (project: string | null, labelerId: number | null) => `tastemaker.desk.at ${labelerId} ${project ?? ''}`;

export const keepPlace = (project: string | null, labelerId: number | null, itemId: number): void =>
  localStorage.setItem(keyOf(project, labelerId), String(itemId));

/** The kept item, once: when it cannot be shown, the next attempt takes what the queue gives. */
export function takePlace(project: string | null, labelerId: number | null): number | undefined {
  const kept = localStorage.getItem(keyOf(project, labelerId));
  localStorage.removeItem(keyOf(project, labelerId));
  return kept === null ? undefined : Number(kept);
}
