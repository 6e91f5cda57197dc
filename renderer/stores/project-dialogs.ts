// The ways into a project, shared by Home, the palette and the menu: a new one, one from the disk, the demo.

import { defineStore } from 'pinia';
import { ref, shallowRef } from 'vue';
import { useRouter } from 'vue-router';
import type { Fault } from '#core/contract/messages.ts';
import type { BackupRow } from '#core/contract/project.ts';
import { call, faultOf } from '#renderer/api.ts';
import { useApp } from './app.ts';
import { useToasts } from './toasts.ts';

export const DEMO_FOLDER = '~/tiny-tldr.tastemaker';

export function sayRestored({ at }: BackupRow): void {
  const when = new Date(at).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
  useToasts().show({
    sentence: `The project is as it was on ${when}.`,
    hint: 'What was there before is kept in its folder backups.',
    tone: 'good',
  });
}

export const useProjectDialogs = defineStore('project-dialogs', () => {
  const app = useApp();
  const router = useRouter();
  const creating = ref(false);
  const opening = ref(false);
  /** the folder or demo that is being opened now */
  const busy = ref('');
  const fault = shallowRef<Fault | null>(null);
  /** the backups of a project that is damaged, which is why it was not opened */
  const damaged = shallowRef<{ folder: string; backups: BackupRow[] } | null>(null);

  async function enter(what: string, work: () => Promise<void>): Promise<boolean> {
    if (busy.value !== '') return false;
    busy.value = what;
    fault.value = damaged.value = null;
    try {
      await work();
      await router.push('/home');
      return true;
    } catch (error) {
      fault.value = faultOf(error);
      return false;
    } finally {
      busy.value = '';
    }
  }

  function askNew(): void {
    fault.value = damaged.value = null;
    creating.value = true;
  }
  function askOpen(): void {
    fault.value = damaged.value = null;
    opening.value = true;
  }
  async function create(folder: string): Promise<void> {
    if (await enter(folder, () => app.createProject(folder))) creating.value = false;
  }
  async function open(folder: string): Promise<void> {
    if ((await enter(folder, () => app.openProject(folder))) || fault.value?.code !== 'bad-file') return;
    const found = await call('project.backupsBeside', { folder }).catch(() => ({ backups: [] }));
    if (found.backups.length === 0 || !fault.value) return;
    damaged.value = { folder, backups: found.backups };
    await router.push('/home');
  }
  /** Puts a backup in the place of a damaged project, and opens that. */
  async function restore(backup: BackupRow): Promise<void> {
    const before = damaged.value!;
    const { folder } = before;
    const isDone = await enter(folder, () =>
      app.exchanged(call('project.restoreBeside', { folder, name: backup.name })),
    );
    if (isDone) sayRestored(backup);
    else damaged.value = before; // another may do
  }
  /** The demo that was opened before, else a new one; what is already there is opened and never made anew. */
  async function openDemo(): Promise<void> {
    if (app.project?.isDemo) return void router.push('/home');
    const known = app.preferences?.recent.find(({ folder }) => /[/\\](tiny-tldr|demo)\.tastemaker$/.test(folder));
    const done = await enter('demo', async () => {
      if (known) return app.openProject(known.folder);
      await app.openProject(DEMO_FOLDER).catch(() => app.createProject(DEMO_FOLDER, true));
    });
    if (!done && fault.value) useToasts().show({ sentence: fault.value.message, hint: fault.value.hint, tone: 'bad' });
  }
  return { creating, opening, busy, fault, damaged, askNew, askOpen, create, open, restore, openDemo };
});
