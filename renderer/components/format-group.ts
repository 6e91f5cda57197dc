// The shape of what FormatList shows.

/** Formats under a heading, or under none where it is empty. `problem` is why one cannot be chosen. */
export interface FormatGroup {
  title: string;
  items: readonly { name: string; title: string; sentence?: string; side?: string; problem?: string | null }[];
}
