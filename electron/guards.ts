// What the window may not do: permissions, other pages, new windows, webviews; and whose messages are heard.
import { app, shell } from 'electron';
import type { IpcMainInvokeEvent, Session, WebContents } from 'electron';
import { developmentOrigin, pageOrigin } from './page-origin.ts';

/** Where our own pages of a crash are. */
const SHELL = 'app://shell';
/** The only pages that open in the person's own browser. */
const EXTERNAL = ['https://github.com/', 'https://arxiv.org/', 'https://huggingface.co/'];

export function denyPermissions(session: Session): void {
  session.setPermissionRequestHandler((_contents, permission, decide) =>
    decide(permission === 'clipboard-sanitized-write'),
  );
  session.setPermissionCheckHandler((_contents, permission) => permission === 'clipboard-sanitized-write');
  session.setDevicePermissionHandler(() => false);
  // No network: what the window loads comes over app:// (or from the development server), anything else is cancelled.
  const development = developmentOrigin();
  session.webRequest.onBeforeRequest(({ url }, decide) => {
    const isDevelopment = development !== null && url.replace(/^ws:/, 'http:').startsWith(`${development}/`);
    decide({ cancel: !isDevelopment && !/^(app|devtools|blob|data):/.test(url) });
  });
}

/** `onShellLink` hears app://shell/do/<what>, the links of a crash page. */
export function guardContents(contents: WebContents, onShellLink: (what: string) => void): void {
  contents.on('will-navigate', (event) => {
    const found = /^app:\/\/shell\/do\/([a-z]+)$/.exec(event.url);
    event.preventDefault();
    if (found && contents.getURL().startsWith(`${SHELL}/`)) onShellLink(found[1]!); // no other page has such links
  });
  contents.on('will-attach-webview', (event) => event.preventDefault());
  contents.setWindowOpenHandler(({ url }) => {
    if (EXTERNAL.some((start) => url.startsWith(start))) void shell.openExternal(url);
    return { action: 'deny' };
  });
}

export function guardEverything(onShellLink: (contents: WebContents, what: string) => void): void {
  app.on('web-contents-created', (_event, contents) => guardContents(contents, (what) => onShellLink(contents, what)));
}

/** True for the main frame of our own page; every message of another frame or origin is refused. */
export function isOurs(event: Pick<IpcMainInvokeEvent, 'senderFrame' | 'sender'>): boolean {
  const frame = event.senderFrame;
  return frame !== null && frame === event.sender.mainFrame && frame.url.startsWith(`${pageOrigin()}/`);
}
