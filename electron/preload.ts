// The bridge between window and shell: named functions only, never ipcRenderer itself.
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { Notice, Reply, Request } from '#core/contract/messages.ts';

export interface Workbench {
  call(request: Request): Promise<Reply>;
  on(listener: (notice: Notice) => void): () => void;
  /** A menu item was chosen: the name of an action in the window's table of keys. */
  onCommand(listener: (action: string) => void): () => void;
  /** The system's own dialog; null where the person cancelled. */
  choose(what: 'folder' | 'file' | 'new-folder', title: string): Promise<string | null>;
  /** Where a dropped file lies on the disk. */
  pathOf(file: File): string;
}

const subscribe = <T>(channel: string, listener: (value: T) => void) => {
  const heard = (_: unknown, value: T) => listener(value);
  ipcRenderer.on(channel, heard);
  return () => void ipcRenderer.removeListener(channel, heard);
};

contextBridge.exposeInMainWorld('workbench', {
  call: (request) => ipcRenderer.invoke('call', request),
  on: (listener) => subscribe('notice', listener),
  onCommand: (listener) => subscribe('command', listener),
  choose: (what, title) => ipcRenderer.invoke('choose', what, title),
  pathOf: (file) => webUtils.getPathForFile(file),
} satisfies Workbench);
