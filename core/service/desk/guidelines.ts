// The guidelines that labelers work by, with every earlier version.

import { currentGuidelines, listGuidelines, saveGuidelines } from '#core/store/guidelines.ts';
import type { Handlers } from '#core/service/handlers.ts';

export const guidelineHandlers = {
  'guidelines.get': ({ project }) => ({ current: currentGuidelines(project), versions: listGuidelines(project) }),
  'guidelines.save': ({ project }, { text }) => saveGuidelines(project, text),
} satisfies Partial<Handlers>;
