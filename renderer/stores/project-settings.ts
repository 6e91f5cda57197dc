// Changes of the open project's settings and labelers; what comes of them is heard as an event, here as in every other
// window.

import type { Arguments } from '#core/contract/calls.ts';
import { useProjectService } from '#renderer/api.ts';
import { defineProjectStore } from './project-store.ts';

export const useProjectSettings = defineProjectStore('project-settings', () => {
  const { call } = useProjectService();

  async function setSettings(changes: Arguments<'project.setSettings'>['changes']): Promise<void> {
    await call('project.setSettings', { changes });
  }
  /** Adds a labeler, who labels from now on. */
  async function addLabeler(name: string): Promise<void> {
    const { id } = await call('labelers.add', { name });
    await setSettings({ labelerId: id });
  }
  return { setSettings, addLabeler };
});
