// The key of this start: what a tab shows the host besides the cookie. It stays in the tab, and tabs hand it to each
// other.
//
// Cookies know no ports, so any server on this machine may be brought ours; sessionStorage and BroadcastChannel belong
// to
// one address with its port, so a page from elsewhere reads neither. A reload keeps the key; a new tab asks those that
// are open.

const NAME = 'tastemaker-key';
/** How the host is shown it, where there is no first message. */
export const KEY_HEADER = 'x-tastemaker-key';
/** Milliseconds that another tab may take to answer. */
const PATIENCE_MS = 500;

export const keyOfTab = (): string | null => sessionStorage.getItem(NAME);
export const keepKey = (key: string): void => sessionStorage.setItem(NAME, key);

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel is of one origin anyway
const tell = (channel: BroadcastChannel, message: { asks: true } | { key: string }) => channel.postMessage(message);

/** Answers tabs that ask, for as long as this one is open. */
export function handKeyOn(): void {
  const channel = new BroadcastChannel(NAME);
  channel.addEventListener('message', ({ data }: MessageEvent<{ asks?: true }>) => {
    const key = keyOfTab();
    if (data.asks && key !== null) tell(channel, { key });
  });
}

/** The key of a tab that is open at this address, kept in this one too; null where none answers. */
export function askOtherTabs(): Promise<string | null> {
  const channel = new BroadcastChannel(NAME);
  return new Promise((resolve) => {
    const end = (key: string | null) => {
      clearTimeout(timer);
      channel.close();
      if (key !== null) keepKey(key);
      resolve(key);
    };
    const timer = setTimeout(() => end(null), PATIENCE_MS);
    channel.addEventListener(
      'message',
      ({ data }: MessageEvent<{ key?: string }>) => data.key !== undefined && end(data.key),
    );
    tell(channel, { asks: true });
  });
}
