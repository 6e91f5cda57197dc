// How long this thread is held by one piece of work: a timer that should come every millisecond says when it could not.

export interface Hold {
  /** milliseconds on the clock, and of them those that this thread computed: the rest it waited for the machine */
  wall: number;
  busy: number;
}

export interface Watch {
  /** The longest since it was last asked for. */
  longest(): Hold;
  stop(): void;
}

const busyMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

export function watchThread(): Watch {
  let last = { at: performance.now(), busy: busyMs() };
  let worst: Hold = { wall: 0, busy: 0 };
  const look = (): void => {
    const now = { at: performance.now(), busy: busyMs() };
    worst = { wall: Math.max(worst.wall, now.at - last.at), busy: Math.max(worst.busy, now.busy - last.busy) };
    last = now;
  };
  const timer = setInterval(look, 1);
  return {
    longest: () => {
      look();
      const found = worst;
      worst = { wall: 0, busy: 0 };
      return found;
    },
    stop: () => clearInterval(timer),
  };
}
