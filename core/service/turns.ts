// Turns for costly work: so much of it at once, the rest waits in the order in which it came.

export interface Turns {
  /**
   * Resolves when it is one's turn, to what gives the turn back; rejects with the signal's reason where that comes
   * first.
   */
  take(signal?: AbortSignal): Promise<() => void>;
}

export function createTurns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let taken = 0;
  const giveBack = () => {
    const next = waiting.shift();
    if (next) next();
    else taken--;
  };
  /** Given back once, however often it is asked. */
  const once = () => {
    let isGiven = false;
    return () => {
      if (!isGiven) giveBack();
      isGiven = true;
    };
  };
  return {
    take: (signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        if (taken < most) {
          taken++;
          return resolve(once());
        }
        const abort = () => {
          waiting.splice(waiting.indexOf(go), 1);
          reject(signal!.reason as Error);
        };
        const go = () => {
          signal?.removeEventListener('abort', abort);
          resolve(once());
        };
        waiting.push(go);
        signal?.addEventListener('abort', abort, { once: true });
      }),
  };
}
