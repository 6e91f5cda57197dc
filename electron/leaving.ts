// The last window is being closed while a run goes: runs live in processes of their own, so closing need not end them.
import { app, BrowserWindow, dialog } from 'electron';
import type { RunWatch } from './run-watch.ts';
import type { ServiceLink } from './service-link.ts';

export interface Leaving {
  /** Keeps this window open until the person has said what is to become of the run. */
  guard(window: BrowserWindow): void;
  /** The application is ending: nothing is asked any more. */
  settle(): void;
}

export function watchLeaving(service: ServiceLink, runs: RunWatch): Leaving {
  let settled = false;
  const leave = async (window: BrowserWindow) => {
    const run = runs.going();
    const choice = run ? await runs.ask(window) : 'keep';
    if (choice === 'cancel') return;
    if (run && choice === 'stop') {
      const reply = await service.ask('runs.stop', { runId: run.id }, runs.project());
      if ('fault' in reply) return void dialog.showErrorBox('The run could not be stopped.', reply.fault.message);
    }
    settled = true;
    app.quit();
  };
  return {
    guard: (window) =>
      void window.on('close', (event) => {
        if (settled || BrowserWindow.getAllWindows().length > 1 || !runs.going()) return;
        event.preventDefault();
        void leave(window);
      }),
    settle: () => {
      settled = true;
    },
  };
}
