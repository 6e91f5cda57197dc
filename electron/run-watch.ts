// Follows the running run for the desktop: task bar progress, no sleep meanwhile, a notification at its end, a question
// on closing.
import { dialog, Notification, powerSaveBlocker } from 'electron';
import type { BrowserWindow } from 'electron';
import type { Notice } from '#core/contract/messages.ts';
import type { RunRow } from '#core/contract/runs.ts';

const GOING: readonly RunRow['status'][] = ['running', 'paused', 'stopping', 'cancelling'];
const ENDED: readonly RunRow['status'][] = ['done', 'stopped', 'failed', 'cancelled'];
const CHOICES = ['Keep running', 'Stop and save', 'Cancel'] as const;

export interface RunWatch {
  hear(notice: Notice): void;
  going(): RunRow | null;
  /** of which project it is */
  project(): string | null;
  /** What to do with a going run when the last window is closed. */
  ask(window: BrowserWindow): Promise<'keep' | 'stop' | 'cancel'>;
  release(): void;
}

export function watchRuns(windows: () => readonly BrowserWindow[]): RunWatch {
  let current: RunRow | null = null;
  let project: string | null = null;
  let blocker: number | null = null;
  const keepAwake = (wanted: boolean) => {
    if (wanted && blocker === null) blocker = powerSaveBlocker.start('prevent-app-suspension');
    if (!wanted && blocker !== null) {
      powerSaveBlocker.stop(blocker);
      blocker = null;
    }
  };
  const show = () => {
    // 2 = unknown, -1 = none
    const share = current && current.total > 0 ? current.step / current.total : current ? 2 : -1;
    for (const window of windows())
      window.setProgressBar(share, {
        mode: current?.status === 'paused' ? 'paused' : share > 1 ? 'indeterminate' : 'normal',
      });
  };
  return {
    hear: (notice) => {
      if (notice.event === 'project.changed' && current && notice.data.project?.id !== project) {
        current = null; // it goes on in a project that no window shows
        keepAwake(false);
        show();
      }
      if (notice.event !== 'run.changed') return;
      project = notice.project;
      const { run } = notice.data;
      const wasGoing = current?.id === run.id;
      if (GOING.includes(run.status) && !run.atRest) current = run;
      else if (wasGoing) current = null;
      else return;
      if (wasGoing && ENDED.includes(run.status) && run.status !== 'cancelled' && Notification.isSupported()) {
        new Notification({ title: `${run.name}: ${run.status}`, body: run.error ?? run.summary ?? '' }).show();
      }
      keepAwake(current?.status === 'running');
      show();
    },
    going: () => current,
    project: () => project,
    ask: async (window) => {
      const { response } = await dialog.showMessageBox(window, {
        type: 'question',
        buttons: [...CHOICES],
        defaultId: 0,
        cancelId: 2,
        noLink: true,
        message: `${current?.name ?? 'A run'} is still going.`,
        detail:
          'It can keep running in the background until it ends; opening Tastemaker again shows it. Or it saves what it has learned so far and stops.',
      });
      return (['keep', 'stop', 'cancel'] as const)[response] ?? 'cancel';
    },
    release: () => keepAwake(false),
  };
}
