// Writes go to the service one after another; one that fails stops the line until it is tried again or given up.

/** What the saved mark shows. `at` is the service's time of the newest committed write. */
export type LineState =
  | { kind: 'idle' }
  | { kind: 'saving' }
  | { kind: 'saved'; at: number }
  | { kind: 'failed'; error: unknown };

/** Said of a write whose project was closed, by another window or the menu, between the key press and the write. */
export const UNSAVED = {
  sentence: 'What was entered last at the desk is not saved: its project had been closed.',
  hint: 'Open that project again and enter it there.',
  tone: 'bad',
} as const;

export interface WriteLine {
  /**
   * Adds a write. One with a `key` replaces a waiting write with the same key directly before it (typing: only the
   * newest text matters).
   */
  add(write: () => Promise<{ at: number }>, key?: string): void;
  /** Resolves when everything has been committed; rejects with the error of the write that failed. */
  settled(): Promise<void>;
  retry(): void;
  /** Drops what has not been written. */
  giveUp(): void;
  readonly waiting: number;
}

interface Waiting {
  write: () => Promise<{ at: number }>;
  key: string | undefined;
}

/** `changed` is called at each change of state. */
export function createWriteLine(changed: (state: LineState) => void): WriteLine {
  let line: Waiting[] = [];
  let running = false;
  let error: unknown = null;
  let watchers: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  function tell(failure: unknown): void {
    const told = watchers;
    watchers = [];
    for (const watcher of told) {
      if (failure === null) watcher.resolve();
      else watcher.reject(failure);
    }
  }

  async function run(): Promise<void> {
    if (running || error !== null) return;
    running = true;
    let at: number | null = null;
    changed({ kind: 'saving' });
    for (let head = line[0]; head; head = line[0]) {
      try {
        const saved = await head.write();
        at = saved.at;
        if (line[0] === head) line.shift(); // else it was given up meanwhile
      } catch (caught) {
        if (line[0] !== head) continue;
        error = caught ?? new Error('The change was not saved.');
        break;
      }
    }
    running = false;
    if (error !== null) changed({ kind: 'failed', error });
    else changed(at === null ? { kind: 'idle' } : { kind: 'saved', at });
    tell(error);
  }

  return {
    add(write, key) {
      const last = line.at(-1);
      // the head may be on its way already, so only a write behind it can be replaced
      if (key !== undefined && line.length > 1 && last?.key === key) last.write = write;
      else line.push({ write, key });
      void run();
    },
    settled() {
      if (error !== null) return Promise.reject(error);
      if (!running && line.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => watchers.push({ resolve, reject }));
    },
    retry() {
      error = null;
      if (line.length > 0) void run();
    },
    giveUp() {
      line = [];
      error = null;
      if (!running) changed({ kind: 'idle' });
    },
    get waiting() {
      return line.length;
    },
  };
}
