// Marks on stretches of an answer, and ratings on axes.

import { TastemakerError } from '#core/errors.ts';
import { sayingTheSame } from '#core/store/answers.ts';
import { lastEventId } from '#core/store/events.ts';
import { addMark, deleteMark, listMarks, replaceMark } from '#core/store/marks.ts';
import { transaction } from '#core/store/project.ts';
import type { Project } from '#core/store/project.ts';
import { deleteRating, listRatings, setRating } from '#core/store/ratings.ts';
import { atItem, changeLabels } from './desk.ts';
import type { Handlers } from '#core/service/handlers.ts';

function markOf(project: Project, id: number) {
  const [mark] = listMarks(project, { id });
  if (!mark)
    throw new TastemakerError(
      'bad-data',
      `There is no mark ${id} in the project.`,
      'It may have been removed in another window; open the item again.',
    );
  return mark;
}

export const markHandlers = {
  'marks.add': (context, span) => {
    const { project } = context;
    const at = atItem(project, span.labelerId, span.completionId);
    let markId = 0;
    const done = changeLabels(context, span.labelerId, at.itemId ?? null, () => {
      markId = addMark(project, span, at);
      return lastEventId(project);
    });
    return { ...done, markId };
  },

  'marks.change': (context, { markId, ...span }) => {
    const { project } = context;
    markOf(project, markId);
    const at = atItem(project, span.labelerId, span.completionId);
    return changeLabels(context, span.labelerId, at.itemId ?? null, () => {
      replaceMark(project, markId, span, at);
      return lastEventId(project);
    });
  },

  'marks.remove': (context, { markId }) => {
    const { project } = context;
    const { labelerId, completionId } = markOf(project, markId);
    const at = atItem(project, labelerId, completionId);
    return changeLabels(context, labelerId, at.itemId ?? null, () => {
      deleteMark(project, markId, at);
      return lastEventId(project);
    });
  },

  'ratings.set': (context, { completionId, labelerId, axis, value }) => {
    const { project } = context;
    const at = atItem(project, labelerId, completionId);
    return changeLabels(context, labelerId, at.itemId ?? null, () => {
      // what is cleared on an answer is cleared on all completions that say it
      const known =
        value === null
          ? listRatings(project, { completionIds: sayingTheSame(project, completionId), labelerId, axis })
          : [];
      if (value !== null) setRating(project, { completionId, labelerId, axis, value }, at);
      else if (known.length > 0) transaction(project, () => known.forEach(({ id }) => deleteRating(project, id, at)));
      else return null;
      return lastEventId(project);
    });
  },
} satisfies Partial<Handlers>;
