// Adds a labeler: a person who ranks.

import { ensureLabeler } from '#core/store/labelers.ts';
import type { Handlers } from './handlers.ts';
import { projectChanged } from './project-summary.ts';

export const labelerHandlers = {
  'labelers.add': ({ project, emit }, { name }) => {
    const labeler = ensureLabeler(project, name.trim(), 'person');
    emit('project.changed', projectChanged(project));
    return labeler;
  },
} satisfies Partial<Handlers>;
