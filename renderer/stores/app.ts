// What every screen knows: the open project, its settings and labelers, the person's preferences, the device.

import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { AppState, Preferences } from '#core/contract/app.ts';
import type { Arguments } from '#core/contract/calls.ts';
import type { Device } from '#core/contract/hardware.ts';
import type { Labeler } from '#core/contract/rankings.ts';
import type { ProjectSettings, ProjectSummary } from '#core/contract/project.ts';
import { call, isOfAnother, on, showProject } from '#renderer/api.ts';
import { forgetProject } from './project-store.ts';

type PreferenceChanges = Arguments<'app.setPreferences'>['changes'];

export const useApp = defineStore('app', () => {
  const state = shallowRef<AppState | null>(null);
  const loading = ref(false);
  const project = computed<ProjectSummary | null>(() => state.value?.project ?? null);
  const settings = computed<ProjectSettings | null>(() => state.value?.settings ?? null);
  const labelers = computed<Labeler[]>(() => state.value?.labelers ?? []);
  const people = computed(() => labelers.value.filter((labeler) => labeler.kind === 'person'));
  const preferences = computed<Preferences | null>(() => state.value?.preferences ?? null);
  const device = computed<Device | null>(() => state.value?.device ?? null);
  /** who labels at this machine: the one chosen in the settings, else the first person */
  const labeler = computed<Labeler | null>(
    () => labelers.value.find(({ id }) => id === settings.value?.labelerId) ?? people.value[0] ?? null,
  );

  /** The one place where another project comes in: whatever was of the one before ends first. */
  function show(next: AppState): void {
    const id = next.project?.id ?? null;
    if (id !== (project.value?.id ?? null)) forgetProject();
    showProject(id);
    state.value = next;
  }
  function take(changes: Partial<AppState>): void {
    if (state.value) show({ ...state.value, ...changes });
  }
  for (const event of ['project.changed', 'preferences.changed', 'hardware.changed'] as const) on(event, take);

  /** Takes over the whole state; what fails and is no refusal is passed over. */
  async function whole(answer: Promise<AppState>, isRefusal = (_: unknown) => true): Promise<void> {
    loading.value = true;
    try {
      show(await answer);
    } catch (error) {
      if (isRefusal(error)) throw error;
    } finally {
      loading.value = false;
    }
  }
  const load = (): Promise<void> => whole(call('app.state', {}));
  const openProject = (folder: string): Promise<void> => whole(call('project.open', { folder }));
  const createProject = (folder: string, demo = false): Promise<void> =>
    whole(call('project.create', { folder, demo }));

  /**
   * A call that closes the project and opens it anew, in another state or place: its answer may come when that is shown
   * already.
   */
  const exchanged = (answer: Promise<AppState>): Promise<void> => whole(answer, (error) => !isOfAnother(error));

  let asked = 0;
  /** Shown at once; put right by the answer, but never by one to an earlier change than the newest. */
  async function setPreferences(changes: PreferenceChanges): Promise<void> {
    const before = preferences.value;
    const mine = ++asked;
    if (before) take({ preferences: { ...before, ...changes } as Preferences });
    try {
      const answer = await call('app.setPreferences', { changes });
      if (mine === asked) take({ preferences: answer });
    } catch (error) {
      if (before && mine === asked) take({ preferences: before });
      throw error;
    }
  }

  return {
    state,
    loading,
    project,
    settings,
    labelers,
    people,
    labeler,
    preferences,
    device,
    load,
    openProject,
    createProject,
    exchanged,
    setPreferences,
  };
});
