// The models that act where none is named, as the window knows them, and what a person does about them.

import { computed } from 'vue';
import type { Current } from '#core/contract/models.ts';
import { useApp } from '#renderer/stores/app.ts';
import { useProjectSettings } from '#renderer/stores/project-settings.ts';
import { useToasts } from '#renderer/stores/toasts.ts';

export type Role = 'policy' | 'reward';
export const ROLES: readonly Role[] = ['policy', 'reward'];
export const ROLE_WORDS: Readonly<Record<Role, { title: string; none: string; takes: (name: string) => string }>> = {
  policy: {
    title: 'Current policy',
    none: 'No model writes yet.',
    takes: (name) => `“${name}” is the current policy: new samples and runs start from it.`,
  },
  reward: {
    title: 'Scored by',
    none: 'There is no reward model yet.',
    takes: (name) => `“${name}” scores from now on.`,
  },
};
const SETTING = { policy: 'currentPolicyId', reward: 'rewardModelId' } as const;

export function useCurrent() {
  const app = useApp();
  const { setSettings } = useProjectSettings();
  const toasts = useToasts();
  const current = computed(() => app.project?.current ?? null);

  /** Chooses a model for a role; null gives the choice back to the rule. Says it, or what went wrong. */
  async function take(role: Role, model: { id: number; name: string } | null): Promise<void> {
    try {
      await setSettings({ [SETTING[role]]: model?.id ?? null });
      toasts.show({ sentence: model ? ROLE_WORDS[role].takes(model.name) : 'The rule chooses again.', tone: 'good' });
    } catch (error) {
      toasts.fault(error);
    }
  }
  /** Takes the newer model that is proposed; false where none is, or (unless `anyway`) something speaks against it. */
  function accept(role: Role, anyway = false): boolean {
    const proposal = current.value?.[role].proposal;
    if (!proposal || (!anyway && !proposal.sound)) return false;
    void take(role, { id: proposal.modelId, name: proposal.name });
    return true;
  }
  return { current, take, accept };
}

/** "because you chose it": why it is this one. */
export const becauseOf = ({ reason }: Pick<Current, 'reason'>): string => `because ${reason}`;
