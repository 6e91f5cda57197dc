// Which project is opened: the one that the program was started with or handed, else the last one, at first the demo.
import fs from 'node:fs';
import path from 'node:path';
import { app, dialog } from 'electron';
import type { AppState } from '#core/contract/app.ts';
import type { ServiceLink } from './service-link.ts';

export interface ProjectOpening {
  /** Opens the project in this folder, or says why it cannot be. */
  open(folder: string): Promise<void>;
  /** The same as soon as the application is ready. */
  openOrLater(folder: string | null): void;
  /** What is open at the start: what has waited for it, else what was open last; the very first time the demo. */
  openFirst(): Promise<void>;
}

/** `given`: the folder among the arguments of the program, if there is one. */
export function projectOpening(service: ServiceLink, given: string | null): ProjectOpening {
  let waiting = given;
  const open = async (folder: string) => {
    const reply = await service.ask('project.open', { folder });
    if ('fault' in reply)
      dialog.showErrorBox('The project could not be opened.', `${reply.fault.message}\n${reply.fault.hint}`);
  };
  const openLast = async () => {
    const reply = await service.ask('app.state', {});
    if ('fault' in reply) return;
    const { recent } = (reply.result as AppState).preferences;
    const demo = path.join(app.getPath('home'), 'tiny-tldr.tastemaker');
    if (recent[0]) await open(recent[0].folder);
    else if (fs.existsSync(demo)) await open(demo);
    else await service.ask('project.create', { folder: demo, demo: true });
  };
  return {
    open,
    openOrLater: (folder) => {
      if (!folder) return;
      if (app.isReady()) void open(folder);
      else waiting = folder;
    },
    openFirst: () => (waiting ? open(waiting) : openLast()),
  };
}
